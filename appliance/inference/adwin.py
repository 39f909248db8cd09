"""ADWIN: a window that keeps what is like the present, and forgets the rest. Pure.

After Bifet and Gavaldà, "Learning from time-changing data with adaptive windowing"
(2007): the values of the past are kept as an exponential histogram, of so few numbers
as the logarithm of their count. Where the means before and after some cut differ by
more than chance allows, what is before the cut goes.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple, TypeAlias

BUCKETS_PER_SIZE = 5
"""So many buckets hold one value each, so many two, so many four …"""

_LEAST_SIDE = 5  # values on either side of a cut


class Bucket(NamedTuple):
    """Values that lie side by side: how many, their sum, their squares off the mean."""

    size: float = 0
    total: float = 0.0
    spread: float = 0.0

    def joined(self, other: Bucket) -> Bucket:
        """Return both as one."""
        if not self.size or not other.size:
            return self if self.size else other
        count = self.size + other.size
        off = self.total / self.size - other.total / other.size
        spread = self.spread + other.spread
        spread += off * off * self.size * other.size / count
        return Bucket(count, self.total + other.total, spread)

    @property
    def mean(self) -> float:
        """Mean of the values; NaN without any."""
        return self.total / self.size if self.size else math.nan

    @property
    def variance(self) -> float:
        """Variance of the values."""
        return self.spread / self.size if self.size else 0.0


AdwinMemory: TypeAlias = tuple[tuple[Bucket, ...], ...]


class Change(NamedTuple):
    """The means before and after, and how many values are after."""

    before: float
    after: float
    recent: int


class Adwin:
    """Follows a number between 0 and 1; the values are to be independent.

    `delta` bounds how often a stationary one is said to have changed. With another
    range the bound says nothing.
    """

    def __init__(self, delta: float = 0.002, memory: AdwinMemory = ()) -> None:
        self._delta = delta
        # by size, the newest of each last
        self._sizes: list[list[Bucket]] = [list(each) for each in memory] or [[]]

    @property
    def memory(self) -> AdwinMemory:
        """What is kept, by size: another `Adwin` goes on from it."""
        return tuple(map(tuple, self._sizes))

    @property
    def whole(self) -> Bucket:
        """Count, mean and variance of what is kept."""
        found = Bucket()
        for bucket in self._oldest_first():
            found = found.joined(bucket)
        return found

    @property
    def buckets(self) -> int:
        """How many numbers the memory has, in buckets."""
        return sum(map(len, self._sizes))

    def update(self, value: float) -> Change | None:
        """Take the next value; return the change where it shows one."""
        self._sizes[0].append(Bucket(1, value, 0.0))
        self._compress()
        found = None
        while (change := self._cut()) is not None:
            found = change if found is None else Change(found.before, *change[1:])
        return found

    def _compress(self) -> None:
        """Join the two oldest of a size where there are too many of it."""
        for size, buckets in enumerate(self._sizes):
            if len(buckets) <= BUCKETS_PER_SIZE:
                return
            if size + 1 == len(self._sizes):
                self._sizes.append([])
            older, newer = buckets.pop(0), buckets.pop(0)
            self._sizes[size + 1].append(older.joined(newer))

    def _cut(self) -> Change | None:
        """Forget all before the first cut that chance does not explain."""
        buckets = self._oldest_first()
        whole = self.whole
        doubt = math.log(2.0 * math.log(max(whole.size, math.e)) / self._delta)
        old = Bucket()
        for place, (bucket, _) in enumerate(pairwise(buckets), start=1):
            old = old.joined(bucket)
            new_count = whole.size - old.size
            if min(old.size, new_count) < _LEAST_SIDE:
                continue
            new_mean = (whole.total - old.total) / new_count
            share = 1.0 / (old.size - _LEAST_SIDE + 1)
            share += 1.0 / (new_count - _LEAST_SIDE + 1)
            chance = math.sqrt(2.0 * share * whole.variance * doubt)
            if abs(old.mean - new_mean) > chance + 2.0 / 3.0 * share * doubt:
                self._forget(place)
                return Change(old.mean, new_mean, int(new_count))
        return None

    def _forget(self, count: int) -> None:
        """Drop so many of the oldest buckets."""
        for buckets in reversed(self._sizes):
            gone = min(count, len(buckets))
            del buckets[:gone]
            count -= gone

    def _oldest_first(self) -> list[Bucket]:
        return [each for buckets in reversed(self._sizes) for each in buckets]
