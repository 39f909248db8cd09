"""The rows of one asset's windows, as columns with a bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.features.asset import FloatColumn, SlotColumn

MAX_ROWS = 1 << 18
"""Per asset; beyond it the oldest half is given up and counted."""

_FIRST_ROWS = 1 << 10
_NEVER_NS = -(1 << 62)


class Steps(NamedTuple):
    """Pieces of step functions, sorted by slot and time; every value is a number."""

    slot: SlotColumn
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    value: FloatColumn


class Rows:
    """Slot, time and value of each row (NaN: a gap begins), in order of arrival.

    `last_time_ns` and `last_value` hold each slot's newest row. What a slot was
    before the oldest row is carried when that is evicted.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.dropped = 0
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self._count = 0
        self._slot = np.empty(_FIRST_ROWS, dtype=np.int64)
        self._time_ns = np.empty(_FIRST_ROWS, dtype=np.int64)
        self._value = np.empty(_FIRST_ROWS, dtype=np.float64)
        self._carried = np.full(self.slots, np.nan)
        self.last_time_ns = np.full(self.slots, _NEVER_NS, dtype=np.int64)
        self.last_value = np.full(self.slots, np.nan)

    def append(
        self, slot: SlotColumn, time_ns: NDArray[np.int64], value: FloatColumn
    ) -> None:
        """Add rows; a slot's time never goes back."""
        if not len(slot):
            return
        time_ns = np.maximum(time_ns, self.last_time_ns[slot])
        first, self._count = self._room_for(len(slot)), self._count + len(slot)
        self._slot[first : self._count] = slot
        self._time_ns[first : self._count] = time_ns
        self._value[first : self._count] = value
        # of an index that occurs twice, numpy keeps what was assigned last
        order = np.argsort(time_ns, kind="stable")
        self.last_time_ns[slot[order]] = time_ns[order]
        self.last_value[slot[order]] = value[order]

    def evict_before(self, time_ns: int) -> None:
        """Give up rows up to a time, and carry what they leave behind."""
        self._evict(self._time_ns[: self._count] <= time_ns)

    def steps(
        self, start_ns: int, end_ns: int, alive_until_ns: NDArray[np.int64]
    ) -> Steps:
        """Return what each slot was from `start_ns` to `end_ns`.

        The newest value of a slot holds until its `alive_until_ns`.
        """
        within = self._time_ns[: self._count] < end_ns
        every = np.arange(self.slots)
        slot = np.concatenate((every, self._slot[: self._count][within]))
        begin = np.concatenate(
            (np.full(self.slots, start_ns), self._time_ns[: self._count][within])
        )
        value = np.concatenate((self._carried, self._value[: self._count][within]))
        order = np.lexsort((begin, slot))  # stable: the carried value comes first
        slot, begin, value = slot[order], begin[order], value[order]
        finish = np.minimum(alive_until_ns, end_ns)[slot]
        follows = slot[1:] == slot[:-1]
        finish[:-1][follows] = begin[1:][follows]
        begin = np.maximum(begin, start_ns)
        known = np.isfinite(value) & (finish > begin)
        return Steps(slot[known], begin[known], finish[known], value[known])

    def _room_for(self, more: int) -> int:
        """Grow to twice the size, up to the bound; return the place of the next row."""
        if self._count + more > MAX_ROWS:
            oldest = np.arange(self._count) < self._count - MAX_ROWS // 2
            self.dropped += self._evict(oldest)
        needed = self._count + more
        if needed > len(self._slot):
            size = max(needed, 2 * len(self._slot))
            self._slot = np.resize(self._slot, size)
            self._time_ns = np.resize(self._time_ns, size)
            self._value = np.resize(self._value, size)
        return self._count

    def _evict(self, gone: NDArray[np.bool_]) -> int:
        slot, time_ns = self._slot[: self._count], self._time_ns[: self._count]
        value = self._value[: self._count]
        leaving = np.flatnonzero(gone)
        leaving = leaving[np.argsort(time_ns[leaving], kind="stable")]
        self._carried[slot[leaving]] = value[leaving]
        kept = ~gone
        rest = self._count - len(leaving)
        self._slot[:rest] = slot[kept]
        self._time_ns[:rest] = time_ns[kept]
        self._value[:rest] = value[kept]
        self._count = rest
        return len(leaving)
