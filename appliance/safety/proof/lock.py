"""The reachable behaviour as a text that people can compare, line by line.

It tells what the logic does, not how it remembers: inputs in, orders out. Each part
ends in a digest of every single scan, so no change of behaviour goes unseen.
"""

from __future__ import annotations

import difflib
import hashlib
from typing import TYPE_CHECKING

from appliance.safety.degradation import degradation
from appliance.safety.handover import is_returning
from appliance.safety.proof.rows import RUNS, STANDS, bypassed_places
from appliance.safety.row import vote_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from appliance.config import InitiatorSettings
    from appliance.safety.proof.expected import Seen
    from appliance.safety.proof.move import Move
    from appliance.safety.proof.promises import Scan
    from appliance.safety.proof.prove import FunctionProof
    from appliance.safety.proof.rows import RowScan
    from appliance.safety.turn import Matrix, State

HEAD = """\
# What the cause-and-effect matrix does in every state that it can reach.
# Written and compared by `wheeltapper trips prove CONFIG --lock FILE`. Where a change
# of behaviour is meant, add --accept, and let somebody else read the difference.
"""

_NOBODY = "nobody acts"


class RowLook:
    """Sees every scan of a row's walk."""

    def __init__(self, row: InitiatorSettings) -> None:
        self._row = row
        self._votes: dict[str, set[str]] = {}
        self._scans: set[str] = set()

    def __call__(self, scan: RowScan) -> None:
        """Note one scan: what is known of the channels, and what came of it."""
        row = scan.before.state.rows[self._row.id]
        channels = scan.after.expected.channels
        taken = bypassed_places(self._names(scan), row)
        verdicts = sorted(
            "bypassed" if place in taken else _verdict(each)
            for place, each in enumerate(channels)
        )
        turn = scan.turn
        vote = str(turn.state.rows[self._row.id].vote)
        runs, stands = turn.orders[RUNS], turn.orders[STANDS]
        known = scan.after.expected
        proven = "demands" if known.lasts != "never" else "may run"
        self._votes.setdefault(", ".join(verdicts), set()).add(f"{vote}, {proven}")
        words = sorted(
            f"{each} {word}"
            for each, word in zip(
                scan.before.expected.channels, scan.move.words[self._row.id],
                strict=True,
            )
        )  # fmt: skip
        before = scan.before.expected
        bypass = "" if row.bypass is None else f"{sorted(taken)}"
        self._scans.add(
            f"{before.lasts} {before.bare} {bypass} {words} ->"
            f" {vote} {known.lasts} {known.bare} run={runs.may_run}"
            f" reset={stands.may_run} beat={runs.beat}"
        )

    def lines(self, states: int) -> Iterator[str]:
        """Yield what is known of the row."""
        row = self._row
        yield f"initiator {row.id!r}: {row.condition}, {vote_of(row)}"
        yield f"  when channels are lost: {degradation(self._row)}"
        for verdicts, outcomes in sorted(self._votes.items()):
            yield f"  {verdicts}: {' or '.join(sorted(outcomes))}"
        yield f"  states {states}, scans {len(self._scans)}, {digest(self._scans)}"

    def _names(self, scan: RowScan) -> tuple[str, ...]:
        words = scan.move.words[self._row.id]
        return self._row.channels or tuple(self._row.id for _ in words)


class ElementLook:
    """Sees every scan of an element's walk."""

    def __init__(self, matrix: Matrix) -> None:
        self._matrix = matrix
        self._ways: dict[tuple[str, str], dict[str, set[str]]] = {}
        self._scans: set[str] = set()

    def __call__(self, scan: Scan) -> None:
        """Note one scan."""
        before, after = phase(scan.before), phase(scan.turn.state)
        move = scan.move
        people = sorted({*move.acts, *(["reset"] if move.resets else [])})
        act = " and ".join(people) or ("a late scan" if move.pause else _NOBODY)
        names = scan.names or "all proven"
        ways = self._ways.setdefault((before, act), {})
        ways.setdefault(names, set()).add(after)
        order = scan.order
        world = f"runs={move.runs} obeys={move.obeys} granted={move.granted}"
        self._scans.add(
            f"{before} | {act} | {names} {_words(move)} | {world}"
            f" missing={move.missing} written={scan.was.unwritten_since_s} ->"
            f" {after} run={order.may_run} beat={order.beat} hold={order.hold}"
            f" request={scan.turn.request} {scan.turn.refusals}"
        )

    def lines(self, states: int) -> Iterator[str]:
        """Yield what is known of the element."""
        (element,) = self._matrix.elements
        rows = ", ".join(repr(row.id) for row in self._matrix.rows)
        yield f"element {element.id!r}: stopped by {rows}"
        for (before, act), ways in sorted(self._ways.items()):
            if act == _NOBODY or ways != self._ways.get((before, _NOBODY)):
                yield f"  {before} | {act}"
                yield from _outcomes(ways)
        yield f"  states {states}, scans {len(self._scans)}, {digest(self._scans)}"


def _outcomes(ways: Mapping[str, set[str]]) -> Iterator[str]:
    outcomes: dict[str, list[str]] = {}
    for names, phases in sorted(ways.items()):
        outcomes.setdefault(" or ".join(sorted(phases)), []).append(names)
    for after, found in sorted(outcomes.items()):
        when = "in any case" if len(outcomes) == 1 else "; ".join(found)
        yield f"    {after} <- {when}"


def phase(state: State) -> str:
    """Return in words where an element is."""
    (latch,) = state.latches.values()
    words = [] if state.armed else ["observe"]
    if is_returning(state):
        return "returning"
    if state.handover is not None:
        words.append(str(state.handover.phase))
    if not latch.tripped:
        words.append("running")
    elif latch.stopped:
        words.append("tripped")
    else:
        words.append("stop failed" if latch.stop_failed else "stopping")
    return ", ".join(words)


def lock_text(proofs: Iterable[FunctionProof]) -> str:
    """Return the lock of a proven matrix."""
    lines = [HEAD]
    told: set[str] = set()
    for proof in proofs:
        for row in proof.rows:
            if row.row not in told:
                told.add(row.row)
                lines += [*row.look.lines(row.walked.states), ""]
        states = 0 if proof.walked is None else proof.walked.states
        lines += [*proof.look.lines(states), ""]
    return "\n".join(lines)


def difference(committed: str, found: str, name: str) -> str:
    """Return how the behaviour differs from the committed one; empty if not."""
    return "\n".join(
        difflib.unified_diff(
            committed.splitlines(), found.splitlines(),
            f"{name} (committed)", f"{name} (found)", lineterm="", n=2,
        )
    )  # fmt: skip


def digest(scans: Iterable[str]) -> str:
    """Return the digest of a set of lines."""
    return hashlib.sha256("\n".join(sorted(scans)).encode()).hexdigest()[:24]


def _words(move: Move) -> str:
    return str(sorted((name, *words) for name, words in move.words.items()))


def _verdict(each: Seen) -> str:
    if not each.sound:
        return "bad"
    return "demanding" if each.beyond else "safe"
