"""The checker finds every kind of loss that is seeded into a whole ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.system.ledger.checker import violations
from tests.system.ledger.observed import (
    Answer,
    LakeRow,
    Observed,
    Promise,
    Sample,
    Told,
)

if TYPE_CHECKING:
    from collections.abc import Callable

S = 1_000_000_000
BASE = ("plant-1", "gw-1", "epoch-1")
COUNTERS = {
    **dict.fromkeys(("samples_read", "samples_stored"), 18),
    **dict.fromkeys(("samples_rejected", "samples_in_flight"), 0),
    **{
        f"{name}_{what}": value
        for name in ("outbox", "outbox_event", "outbox_summary", "outbox_gap")
        for what, value in (
            ("enqueued", 4), ("delivered", 3), ("pending", 1), ("declared_gaps", 0),
        )
    },
}  # fmt: skip


def event(seq: int) -> LakeRow:
    content = {
        "name": "shelved",
        "message": f"event {seq}",
        "details": f'{{"reason": "(order {seq})"}}',
    }
    return LakeRow((*BASE, "event"), seq, content)


def summary(seq: int, low: int, high: int) -> LakeRow:
    content = {
        "tag": "counter", "count": high - low + 1, "min": float(low), "max": float(high)
    }  # fmt: skip
    return LakeRow((*BASE, "summary"), seq, content)


def gap(seq: int, what: str, **about: int) -> LakeRow:
    bounds = {"from_ns": 0, "to_ns": 0, "first": 0, "through": 0}
    return LakeRow((*BASE, "gap"), seq, {"what": what, **bounds, **about})


def whole() -> Observed:
    """Return a ledger with nothing wrong: 20 values, two of them declared missing."""
    kept = [n for n in range(1, 21) if n not in (10, 11)]
    return Observed(
        answers=[Answer(n, n * S) for n in range(1, 21)],
        samples=[Sample(float(n), n * S) for n in kept],
        promises=[Promise(n, (n,)) for n in range(1, 5)],
        told=[Told(n, "shelved", f"event {n}") for n in range(1, 5)],
        scrapes=[COUNTERS],
        lake=[
            *map(event, range(1, 5)),
            summary(1, 1, 9),
            summary(3, 12, 20),
            gap(1, "acquisition", from_ns=10 * S, to_ns=11 * S),
            gap(2, "summary", first=2, through=2),
        ],
        epochs={"epoch-1"},
        slack_s=0.1,
    )


def without_row(seen: Observed, stream: str, seq: int) -> None:
    seen.lake = [r for r in seen.lake if (r.stream, r.seq) != (stream, seq)]


def lose_the_last_event(seen: Observed) -> None:
    without_row(seen, "event", 4)


def lose_an_event_nobody_was_promised(seen: Observed) -> None:
    seen.promises, seen.told = [], []
    without_row(seen, "event", 2)


def lose_a_summary(seen: Observed) -> None:
    without_row(seen, "summary", 1)


def lose_a_declaration_of_rows(seen: Observed) -> None:
    without_row(seen, "gap", 2)


def lose_a_declaration_of_samples(seen: Observed) -> None:
    without_row(seen, "gap", 1)


def double_a_row(seen: Observed) -> None:
    seen.lake.append(seen.lake[1])


def swap_two_events(seen: Observed) -> None:
    first, second = seen.lake[:2]
    swapped = replace(first, content=second.content)
    seen.lake[:2] = [swapped, replace(second, content=first.content)]


def swap_two_orders(seen: Observed) -> None:
    seen.promises[1:3] = [Promise(2, (3,)), Promise(3, (2,))]


def forget_a_sample(seen: Observed) -> None:
    del seen.samples[5]


def invent_a_sample(seen: Observed) -> None:
    seen.samples.append(Sample(77.0, 77 * S))


def double_a_sample(seen: Observed) -> None:
    seen.samples.insert(5, seen.samples[5])


def swap_two_samples(seen: Observed) -> None:
    seen.samples[4:6] = seen.samples[5], seen.samples[4]


def count_a_value_twice(seen: Observed) -> None:
    seen.lake.append(summary(4, 20, 24))


def count_too_few_in_a_summary(seen: Observed) -> None:
    seen.lake[4].content["count"] = 8  # type: ignore[index] # made as a dict above


def miscount_samples(seen: Observed) -> None:
    seen.scrapes.append({**COUNTERS, "samples_stored": 17})


def miscount_rows(seen: Observed) -> None:
    seen.scrapes.append({**COUNTERS, "outbox_event_delivered": 4})


def overdraw_an_account(seen: Observed) -> None:
    seen.scrapes.append(
        {**COUNTERS, "outbox_gap_delivered": 5, "outbox_gap_pending": -1}
    )


def begin_another_ledger(seen: Observed) -> None:
    seen.epochs.add("epoch-2")


CRIMES: list[tuple[Callable[[Observed], Any], str]] = [
    (lose_the_last_event, "is lost"),
    (lose_an_event_nobody_was_promised, "event rows never came, undeclared: [2]"),
    (lose_a_summary, "summary rows never came, undeclared: [1]"),
    (lose_a_declaration_of_rows, "summary rows never came, undeclared: [2]"),
    (lose_a_declaration_of_samples, "not stored, not declared: [10, 11]"),
    (double_a_row, "lie in the lake twice"),
    (swap_two_events, "it is another row"),
    (swap_two_orders, "on record reversed"),
    (forget_a_sample, "not stored, not declared: [6]"),
    (invent_a_sample, "that nobody gave out: ['77.0']"),
    (double_a_sample, "is stored behind"),
    (swap_two_samples, "is stored behind"),
    (count_a_value_twice, "tells 20 again"),
    (count_too_few_in_a_summary, "counts 8 from 1 to 9"),
    (miscount_samples, "samples read are not what became of them"),
    (miscount_rows, "outbox_event does not balance"),
    (overdraw_an_account, "outbox_gap is overdrawn"),
    (begin_another_ledger, "began 2 ledgers"),
]


def test_a_whole_ledger_is_found_whole() -> None:
    assert violations(whole()) == []


@pytest.mark.parametrize(
    ("crime", "words"), CRIMES, ids=[c.__name__ for c, _ in CRIMES]
)
def test_a_seeded_violation_is_found(
    crime: Callable[[Observed], Any], words: str
) -> None:
    seen = whole()
    crime(seen)
    assert any(words in found for found in violations(seen)), violations(seen)
