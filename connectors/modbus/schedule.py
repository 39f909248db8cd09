"""Whose turn it is on a bus: pure. Moments are monotonic seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Turn = TypeVar("_Turn")

PATIENCE_S = 1.0
"""A slow group waits at most so much longer for its turn than a fast one."""

PROBE_SHARE = 0.03
"""Part of the time of a busy bus that may be spent on asking silent devices."""


def next_due_s(due_s: float, period_s: float, *, now_s: float) -> float:
    """Return the next moment of the grid `due_s + n * period_s` that is not past."""
    missed = max(0, int((now_s - due_s) // period_s))
    return due_s + (missed + 1) * period_s


class Schedule(Generic[_Turn]):
    """Turns that come again at their periods: earliest deadline first.

    A turn is due on the grid of its period. Its deadline is a period later, but never
    more than `PATIENCE_S`, so that on a bus that cannot keep up everybody is served and
    nobody starves. A turn that was due while it waited is skipped, never made up for.
    """

    def __init__(self, periods_s: Mapping[_Turn, float], *, now_s: float) -> None:
        self._periods_s = dict(periods_s)
        self._due_s = dict.fromkeys(self._periods_s, now_s)
        self._taken: dict[_Turn, float] = {}

    @property
    def due_s(self) -> float:
        """When the next turn is due; infinity if there is none to come."""
        return min(self._due_s.values(), default=math.inf)

    @property
    def has_taken(self) -> bool:
        """Whether turns are taken that will come back."""
        return bool(self._taken)

    def take(self, *, now_s: float) -> _Turn | None:
        """Take the due turn with the earliest deadline; it is nobody's until `done`."""
        due = [turn for turn, due_s in self._due_s.items() if due_s <= now_s]
        if not due:
            return None
        turn = due[0] if len(due) == 1 else min(due, key=self._deadline_s)
        self._taken[turn] = self._due_s.pop(turn)
        return turn

    def done(self, turn: _Turn, *, now_s: float) -> None:
        """Give a taken turn back, unless it was parked meanwhile."""
        was_due_s = self._taken.pop(turn, None)
        if was_due_s is not None:
            period_s = self._periods_s[turn]
            self._due_s[turn] = next_due_s(was_due_s, period_s, now_s=now_s)

    def park(self, turns: Iterable[_Turn]) -> None:
        """Let these turns rest until they are resumed."""
        for turn in turns:
            self._due_s.pop(turn, None)
            self._taken.pop(turn, None)

    def resume(self, turns: Iterable[_Turn], *, now_s: float) -> None:
        """Let these turns be due now, and then at their periods again."""
        for turn in turns:
            if turn not in self._taken:
                self._due_s[turn] = now_s

    def _deadline_s(self, turn: _Turn) -> float:
        return self._due_s[turn] + min(self._periods_s[turn], PATIENCE_S)


class ProbeAllowance:
    """When a silent device may be asked without the others noticing much.

    A probe costs up to a whole time-out. It is free where nothing else is due for so
    long; otherwise probes together take `PROBE_SHARE` of the time.
    """

    def __init__(self) -> None:
        self._next_s = -math.inf

    def moment_s(self, ready_s: float, *, due_s: float, cost_s: float) -> float:
        """Return from when a probe that is `ready_s` may begin, costing `cost_s`.

        `due_s` is when the next turn of a healthy device is due.
        """
        is_free = due_s - ready_s >= cost_s
        return ready_s if is_free else max(ready_s, self._next_s)

    def note_spent(self, spent_s: float, *, now_s: float) -> None:
        """A probe took so long, and ended now."""
        self._next_s = now_s + spent_s / PROBE_SHARE
