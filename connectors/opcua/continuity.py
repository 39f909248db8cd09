"""What is already here, tag by tag, and the holes that a loss has left: pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from appliance.domain.batch import Batch, TagColumn

NS_PER_US = 1_000
"""A DateTime of asyncua counts microseconds; finer differences are none."""
_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Hole:
    """What a tag may lack between two source times, both of them here (UTC, ns).

    A hole that is not `certain` is only looked at: the server kept our subscription,
    so nothing need be missing. `tries` counts failed attempts to fill it; before
    `not_before_s` (monotonic) another makes no sense.
    """

    number: int
    from_ns: int
    to_ns: int
    certain: bool = True
    tries: int = 0
    not_before_s: float = 0.0


class Continuity:
    """Knows the newest source time of each tag, and sees what is skipped.

    `expect` says that values may be missing before the next ones; `see` takes note of
    a live batch and returns the holes that end with it. A value that came before,
    sent again, ends no hole and makes none.
    """

    def __init__(self, numbers: Iterable[int]) -> None:
        known = sorted(set(numbers))
        self._row_of = np.full(max(known, default=-1) + 1, -1, dtype=np.int64)
        self._row_of[known] = np.arange(len(known))
        self._number = np.array(known, dtype=np.int64)
        self._newest = np.zeros(len(known), dtype=np.int64)
        self._awaited = np.zeros(len(known), dtype=np.bool_)
        self._certain = np.zeros(len(known), dtype=np.bool_)
        self._any_awaited = False

    def resume_from(self, newest_ns: Mapping[int, int]) -> None:
        """Take what is stored, newest source time by tag number, for received."""
        for number, time_ns in newest_ns.items():
            row = self._row(number)
            if row is not None:
                self._newest[row] = max(self._newest[row], time_ns)

    def expect(self, *, certain: bool) -> None:
        """Look for a hole before the next value of every tag seen before."""
        heard = self._newest > 0
        self._awaited |= heard
        if certain:
            self._certain |= heard
        self._any_awaited = bool(self._awaited.any())

    @property
    def awaited_ns(self) -> dict[int, int]:
        """The newest source time of each tag number after which some may be missing."""
        rows = np.flatnonzero(self._awaited & self._certain)
        numbers, times_ns = self._number[rows], self._newest[rows]
        return dict(zip(numbers.tolist(), times_ns.tolist(), strict=True))

    def newest_ns(self, number: int) -> int:
        """Return the newest source time of a tag, 0 if there is none."""
        row = self._row(number)
        return 0 if row is None else int(self._newest[row])

    def newest_of(self, numbers: TagColumn) -> NDArray[np.int64]:
        """Return the newest source time of each of these known tags."""
        newest: NDArray[np.int64] = self._newest[self._row_of[numbers]]
        return newest

    def see(self, batch: Batch) -> tuple[Hole, ...]:
        """Take note of live values."""
        row, time_ns = self._rows_and_times(batch)
        holes = self._ended(row, time_ns) if self._any_awaited and len(row) else ()
        np.maximum.at(self._newest, row, time_ns)
        return holes

    def _rows_and_times(
        self, batch: Batch
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        number, time_ns = batch.tag.astype(np.int64), batch.source_time_ns
        if batch.waveforms or batch.texts:
            others = [(each.tag, each.start_ns) for each in batch.waveforms]
            others += [(each.tag, each.source_time_ns) for each in batch.texts]
            more = np.array(others, dtype=np.int64)
            number = np.concatenate([number, more[:, 0]])
            time_ns = np.concatenate([time_ns, more[:, 1]])
        return self._row_of[number], time_ns

    def _ended(
        self, row: NDArray[np.int64], time_ns: NDArray[np.int64]
    ) -> tuple[Hole, ...]:
        touched = self._awaited[row]
        first = np.full(len(self._newest), _NEVER, dtype=np.int64)
        np.minimum.at(first, row[touched], time_ns[touched])
        found = np.flatnonzero(first != _NEVER)
        self._awaited[found] = False
        self._any_awaited = bool(self._awaited.any())
        holes = tuple(
            Hole(
                int(self._number[each]),
                int(self._newest[each]),
                int(first[each]),
                certain=bool(self._certain[each]),
            )
            for each in found
            if first[each] - self._newest[each] > NS_PER_US
        )
        self._certain[found] = False
        return holes

    def _row(self, number: int) -> int | None:
        if not 0 <= number < len(self._row_of):
            return None
        row = int(self._row_of[number])
        return None if row < 0 else row


def shortened(hole: Hole, longest_ns: int) -> tuple[Hole, Hole | None]:
    """Return the newest part of a hole, at most so long, and what is given up."""
    begin_ns = hole.to_ns - longest_ns
    if begin_ns <= hole.from_ns:
        return hole, None
    return replace(hole, from_ns=begin_ns), replace(hole, to_ns=begin_ns)


def together(
    holes: Iterable[Hole], *, most: int, within_ns: int
) -> Iterator[tuple[Hole, ...]]:
    """Yield holes in portions of different tags that begin at nearly the same time."""
    portion: list[Hole] = []
    for hole in sorted(holes, key=lambda each: (each.from_ns, each.to_ns)):
        fits = (
            len(portion) < most
            and all(each.number != hole.number for each in portion)
            and (not portion or hole.from_ns - portion[0].from_ns <= within_ns)
        )
        if portion and not fits:
            yield tuple(portion)
            portion = []
        portion.append(hole)
    if portion:
        yield tuple(portion)
