"""The leaderboards' own figures, written from their published rules.

SKAB: true and false positives are pooled over all files. Its change points and NAB: the
first hit in a window counts, the more the earlier it is; what lies outside costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

NAB_COSTS = {"standard": (0.11, 1.0), "low FP": (0.22, 1.0), "low FN": (0.11, 2.0)}
"""By profile: the cost of a false alarm and of a miss; a hit earns at most 1."""
_STEEPNESS = 5.0
_FAR_BEHIND = 3.0  # windows behind one, where a false alarm costs all


def runs(flags: Flags) -> list[tuple[int, int]]:
    """Return begin and end (behind the last) of every run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(int), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


@dataclass
class States:
    """Row by row: was the state right? Pooled over the files that are added."""

    hits: int = 0
    false: int = 0
    missed: int = 0
    quiet: int = 0
    events: int = 0
    events_hit: int = 0
    delays_s: list[float] = field(default_factory=list)

    def add(self, labels: Flags, said: Flags, time_ns: NDArray[np.int64]) -> None:
        """Take the rows of a file."""
        self.hits += int((labels & said).sum())
        self.false += int((~labels & said).sum())
        self.missed += int((labels & ~said).sum())
        self.quiet += int((~labels & ~said).sum())
        for begin, end in runs(labels):
            self.events += 1
            hit = np.flatnonzero(said[begin:end])
            if len(hit):
                self.events_hit += 1
                delay_ns = time_ns[begin + int(hit[0])] - time_ns[begin]
                self.delays_s.append(float(delay_ns) * 1e-9)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        whole = 2 * self.hits + self.false + self.missed
        return 2 * self.hits / whole if whole else 0.0

    @property
    def false_alarm_pct(self) -> float:
        """Of the healthy rows, those said to be abnormal."""
        return _pct(self.false, self.false + self.quiet)

    @property
    def missed_alarm_pct(self) -> float:
        """Of the abnormal rows, those said to be healthy."""
        return _pct(self.missed, self.missed + self.hits)

    @property
    def median_delay_s(self) -> float:
        """From an event's begin to the first row that says so; NaN without one."""
        return float(np.median(self.delays_s)) if self.delays_s else math.nan


def _pct(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0


@dataclass
class Changes:
    """Change points by NAB's rule: the window is the minute after each."""

    window_s: float = 60.0
    credits: list[float] = field(default_factory=list)
    missed: int = 0
    false: int = 0

    def add(self, labels: Flags, said: Flags, time_ns: NDArray[np.int64]) -> None:
        """Take the rows of a file."""
        at_s = (time_ns - time_ns[0]) * 1e-9
        told = at_s[said]
        outside = np.ones(len(told), dtype=bool)
        behind = -math.inf
        for begin in at_s[labels].tolist():
            start, end = max(begin, behind), begin + self.window_s
            behind = end
            inside = (told >= start) & (told <= end)
            outside &= ~inside
            if not inside.any():
                self.missed += 1
            else:
                width = end - start
                place = (float(told[inside][0]) - start) / width if width else 0.0
                self.credits.append(place)
        self.false += int(outside.sum())

    def score(self, profile: str = "standard") -> float:
        """Return the score: 0 for silence, 100 for every change at once."""
        cost, miss = NAB_COSTS[profile]
        count = len(self.credits) + self.missed
        if not count:
            return math.nan
        earned = sum(_falling(place, 1.0, -cost) for place in self.credits)
        raw = earned - cost * self.false - miss * self.missed
        return 100.0 * (raw + miss * count) / ((1.0 + miss) * count)


def _falling(place: float, top: float, bottom: float) -> float:
    """`top` at a window's left edge, `bottom` at its right, along a tanh."""
    x = math.pi * (min(int(1000 * place), 999) / 999 - 0.5)
    middle, half = (top + bottom) / 2.0, (top - bottom) / 2.0
    return middle - half * math.tanh(x) / math.tanh(math.pi / 2.0)


@dataclass
class Alarms:
    """Alarms by NAB's rule, in labelled windows; pooled over files."""

    earned: float = 0.0
    cost: float = 0.0
    windows: int = 0
    missed: int = 0
    false: int = 0

    def add(self, said: Flags, windows: Sequence[tuple[int, int]]) -> None:
        """Take a file: `windows` are first and last row of each, in order."""
        start = min(int(0.15 * len(said)), 750)
        inside = np.zeros(len(said), dtype=bool)
        for first, last in windows:
            inside[first : last + 1] = True
            if last < start:
                continue
            self.windows += 1
            hit = np.flatnonzero(said[first : last + 1]) + first
            hit = hit[hit >= start]
            if len(hit):
                width = last - first + 1
                self.earned += _worth((int(hit[0]) - last - 1) / width) / _worth(-1.0)
            else:
                self.missed += 1
        for row in np.flatnonzero(said & ~inside).tolist():
            if row >= start:
                self.false += 1
                self.cost += _false_cost(row, windows)

    def score(self, profile: str = "standard") -> float:
        """Return the score: 0 for silence, 100 for an alarm at every window's begin."""
        cost, miss = NAB_COSTS[profile]
        if not self.windows:
            return math.nan
        raw = self.earned - cost * self.cost - miss * self.missed
        return 100.0 * (raw + miss * self.windows) / ((1.0 + miss) * self.windows)


def _worth(place: float) -> float:
    """Return the scaled sigmoid: 1 far before a window's end, -1 far behind it."""
    if place > _FAR_BEHIND:
        return -1.0
    return 2.0 / (1.0 + math.exp(_STEEPNESS * place)) - 1.0


def _false_cost(row: int, windows: Sequence[tuple[int, int]]) -> float:
    before = [window for window in windows if window[1] < row]
    if not before:
        return 1.0
    first, last = before[-1]
    return -_worth((row - last) / max(1, last - first))
