"""Is the ledger whole? Knows what was promised, and nothing of how it is kept.

Four sentences are checked: what was promised has arrived; in its order; once; and the
gateway's own accounts balance at every look. What is missing must have been declared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.system.ledger.observed import Key, LakeRow, Observed

_NS = 1_000_000_000
_KEPT = ("samples_stored", "samples_rejected", "samples_in_flight")
_ACCOUNTS = ("outbox", *(f"outbox_{each}" for each in ("event", "summary", "gap")))
_SHOWN = 5


def violations(seen: Observed) -> list[str]:
    """Return what is wrong with a history; nothing if its ledger is whole."""
    return [
        *_one_database(seen),
        *_duplicates(seen.lake),
        *_holes(seen.lake),
        *_promises(seen),
        *_told(seen),
        *_produced(seen),
        *_order(seen),
        *_summaries(seen),
        *_law(seen.scrapes),
    ]


def declared_spans(lake: Iterable[LakeRow]) -> list[tuple[int, int]]:
    """Return the spans of time in which acquisition is declared to be missing."""
    return [
        (_number(row, "from_ns"), _number(row, "to_ns"))
        for row in lake
        if row.stream == "gap" and row.content["what"] == "acquisition"
    ]


def _one_database(seen: Observed) -> Iterator[str]:
    if len(seen.epochs) > 1:
        yield f"the gateway began {len(seen.epochs)} ledgers: {sorted(seen.epochs)}"


def _duplicates(lake: Iterable[LakeRow]) -> Iterator[str]:
    twice = [key for key, n in Counter((r.key, r.seq) for r in lake).items() if n > 1]
    if twice:
        yield f"{len(twice)} rows lie in the lake twice: {sorted(twice)[:_SHOWN]}"


def _holes(lake: Iterable[LakeRow]) -> Iterator[str]:
    """Numbers below the highest of their stream that neither came nor were declared."""
    there: dict[Key, set[int]] = defaultdict(set)
    for row in lake:
        there[row.key].add(row.seq)
        if row.stream == "gap" and row.content["what"] in ("event", "summary", "gap"):
            about = (*row.key[:3], str(row.content["what"]))
            first, through = _number(row, "first"), _number(row, "through")
            there[about].update(range(max(first, 1), through + 1))
    for key, numbers in sorted(there.items()):
        holes = sorted(set(range(1, max(numbers) + 1)) - numbers)
        if holes:
            yield f"{key[3]} rows never came, undeclared: {_few(holes)}"


def _promises(seen: Observed) -> Iterator[str]:
    """What a person was told is done is in the lake, under that number, in order."""
    there = {row.seq: row for row in seen.lake if row.stream == "event"}
    for promise in seen.promises:
        for seq in promise.seqs:
            row = there.get(seq)
            if row is None:
                yield f"order {promise.order} was accepted as {seq} and is lost"
            elif f"(order {promise.order})" not in str(row.content["details"]):
                yield f"order {promise.order} was accepted as {seq}: it is another row"
    for before, after in pairwise(seen.promises):
        if max(before.seqs) >= min(after.seqs):
            yield f"orders {before.order} and {after.order} are on record reversed"


def _told(seen: Observed) -> Iterator[str]:
    there = {row.seq: row for row in seen.lake if row.stream == "event"}
    for each in seen.told:
        row = there.get(each.seq)
        if row is None:
            yield f"event {each.seq} was shown as committed and is lost: {each.name}"
        elif (row.content["name"], row.content["message"]) != (each.name, each.message):
            yield f"event {each.seq} was shown as {each.name!r}: it is another row"


def _produced(seen: Observed) -> Iterator[str]:
    """Every value given out is stored, or lies in a declared gap."""
    stored = {sample.value for sample in seen.samples}
    spans = declared_spans(seen.lake)
    slack_ns = round(seen.slack_s * _NS)
    lost = [
        answer.value
        for answer in seen.answers
        if answer.value not in stored
        and not any(
            low - slack_ns <= answer.time_ns + error_ns <= high + slack_ns
            for low, high in spans
            for error_ns in seen.clock_errors_ns
        )
    ]
    if lost:
        yield f"values were given out, not stored, not declared: {_few(lost)}"
    invented = stored - {answer.value for answer in seen.answers} - {None}
    if invented:
        yield f"values are stored that nobody gave out: {sorted(map(str, invented))}"


def _order(seen: Observed) -> Iterator[str]:
    good = [sample for sample in seen.samples if sample.value is not None]
    for before, after in pairwise(good):
        assert before.value is not None
        assert after.value is not None
        if after.value <= before.value or after.time_ns < before.time_ns:
            yield f"sample {after.value:g} is stored behind {before.value:g}"


def _summaries(seen: Observed) -> Iterator[str]:
    """The roll-ups of a counter follow each other, overlap nowhere, and count right."""
    rows = sorted((r for r in seen.lake if r.stream == "summary"), key=lambda r: r.seq)
    highest: dict[object, float] = {}
    for row in rows:
        tag, count = row.content["tag"], _number(row, "count")
        if not count:
            continue
        low, high = _value(row, "min"), _value(row, "max")
        if low <= highest.get(tag, -1.0):
            yield f"summary {row.seq} of {tag} tells {low:g} again, or too late"
        if count != high - low + 1:
            yield f"summary {row.seq} of {tag} counts {count} from {low:g} to {high:g}"
        highest[tag] = max(high, highest.get(tag, high))


def _law(scrapes: Iterable[Mapping[str, int]]) -> Iterator[str]:
    for number, found in enumerate(scrapes):
        if found["samples_read"] != sum(found[each] for each in _KEPT):
            yield f"look {number}: samples read are not what became of them: {found}"
        for name in _ACCOUNTS:
            left = ("delivered", "pending", "declared_gaps")
            if found[f"{name}_enqueued"] != sum(found[f"{name}_{e}"] for e in left):
                yield f"look {number}: {name} does not balance: {found}"
            if min(found[f"{name}_{each}"] for each in left) < 0:
                yield f"look {number}: {name} is overdrawn: {found}"


def _number(row: LakeRow, name: str) -> int:
    found = row.content[name]
    assert isinstance(found, int)
    return found


def _value(row: LakeRow, name: str) -> float:
    found = row.content[name]
    assert isinstance(found, int | float)
    return float(found)


def _few(numbers: list[int]) -> str:
    more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
    return f"{numbers[:_SHOWN]}{more}"
