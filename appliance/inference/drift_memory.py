"""What a `DriftWatch` knows, as it survives the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from appliance.inference.level import LevelMemory  # noqa: TC001 - msgspec reads it

if TYPE_CHECKING:
    from collections.abc import Iterable

    from models.features.asset import FloatColumn


class RowsMemory(msgspec.Struct, frozen=True):
    """Rows of a mode: their times, and the rows as float64 side by side."""

    times_ns: tuple[int, ...]
    content: bytes

    @classmethod
    def of(cls, rows: Iterable[tuple[int, FloatColumn]]) -> RowsMemory:
        """Take rows of equal length."""
        kept = tuple(rows)
        content = np.array([row for _, row in kept], dtype=np.float64).tobytes()
        return cls(tuple(time_ns for time_ns, _ in kept), content)

    def rows(self, width: int) -> list[tuple[int, FloatColumn]]:
        """Return the rows.

        Raises:
            ValueError: They are not of that width, or not all numbers.
        """
        table = np.frombuffer(self.content).reshape(len(self.times_ns), width)
        if not np.isfinite(table).all():
            raise ValueError("it has rows that are not all numbers")
        return list(zip(self.times_ns, table, strict=True))


class ShiftMemory(msgspec.Struct, frozen=True):
    """A feature that is off in a mode: in how many looks, since when, how far."""

    mode: str
    feature: str
    looks: int
    since_ns: int
    distance: float


class DriftMemory(msgspec.Struct, frozen=True):
    """All of it, under one model: of another it says nothing."""

    model: str
    features: tuple[str, ...]
    block: int | None
    fresh: tuple[str, ...]
    recent: dict[str, RowsMemory]
    shifts: tuple[ShiftMemory, ...]
    score: LevelMemory
    unknown: LevelMemory
