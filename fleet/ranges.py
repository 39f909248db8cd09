"""Sets of sequence numbers as ranges: what is committed, declared, missing."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ranges:
    """Whole numbers as sorted, disjoint, closed ranges; cheap when there are few."""

    def __init__(self, *ranges: tuple[int, int]) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(tuple(self._firsts), tuple(self._lasts), strict=True)

    def __bool__(self) -> bool:
        return bool(self._firsts)

    @property
    def count(self) -> int:
        """How many numbers are in it."""
        return sum(last - first + 1 for first, last in self)

    @property
    def highest(self) -> int:
        """The highest number, or 0."""
        return self._lasts[-1] if self._lasts else 0

    def copy(self) -> Ranges:
        """Return one that may be changed by itself."""
        other = Ranges()
        other._firsts, other._lasts = self._firsts.copy(), self._lasts.copy()
        return other

    def add(self, first: int, last: int) -> None:
        """Add `first..last`; nothing where `last < first`."""
        if last < first:
            return
        begin = bisect_left(self._lasts, first - 1)
        end = bisect_right(self._firsts, last + 1)
        if begin < end:
            first = min(first, self._firsts[begin])
            last = max(last, self._lasts[end - 1])
        self._firsts[begin:end] = [first]
        self._lasts[begin:end] = [last]

    def add_all(self, other: Ranges) -> None:
        """Add every number of another one."""
        for first, last in other:
            self.add(first, last)

    def missing(self, first: int, last: int) -> tuple[tuple[int, int], ...]:
        """Return the parts of `first..last` that are not in it."""
        holes = []
        place = bisect_left(self._lasts, first)
        while first <= last:
            if place >= len(self._firsts) or self._firsts[place] > last:
                holes.append((first, last))
                break
            if first < self._firsts[place]:
                holes.append((first, self._firsts[place] - 1))
            first = self._lasts[place] + 1
            place += 1
        return tuple(holes)

    def unbroken(self) -> int:
        """Return the highest n such that 1..n are all in it."""
        return self._lasts[0] if self._firsts[:1] == [1] else 0
