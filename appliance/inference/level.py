"""A number from 0 to 1, and whether it has risen for good. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from appliance.inference.adwin import Adwin, AdwinMemory

LARGE_CHANGE = 0.2
"""So much more than at first is a rise."""
DELTA = 1e-5

_NS = 1_000_000_000


class LevelMemory(msgspec.Struct, frozen=True):
    """What a `Level` knows, as it survives the process."""

    adwin: AdwinMemory
    first: float | None
    risen: tuple[int, float] | None
    total: float
    count: int


@dataclass(slots=True)
class Level:
    """The mean of a block at a time is followed; `risen` since when, and to what."""

    adwin: Adwin = field(default_factory=lambda: Adwin(DELTA))
    first: float | None = None
    risen: tuple[int, float] | None = None
    total: float = 0.0
    count: int = 0

    @classmethod
    def recalled(cls, known: LevelMemory) -> Level:
        """Return one that goes on from what another one knew."""
        adwin = Adwin(DELTA, known.adwin)
        return cls(adwin, known.first, known.risen, known.total, known.count)

    @property
    def memory(self) -> LevelMemory:
        """All that is known."""
        adwin = self.adwin.memory
        return LevelMemory(adwin, self.first, self.risen, self.total, self.count)

    def add(self, value: float) -> None:
        """Take a number of this block."""
        self.total += min(max(value, 0.0), 1.0)
        self.count += 1

    def close(self, time_ns: int, *, block_s: float) -> None:
        """End a block of that length."""
        if not self.count:
            return
        change = self.adwin.update(self.total / self.count)
        self.total, self.count = 0.0, 0
        if change is None:
            return
        if self.first is None:
            self.first = change.before
        since_ns = time_ns - round(change.recent * block_s * _NS)
        since_ns = since_ns if self.risen is None else self.risen[0]
        large = change.after - self.first >= LARGE_CHANGE
        self.risen = (since_ns, change.after) if large else None
