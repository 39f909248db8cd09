"""Roll-ups: what remains of raw samples when the disk is short. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.sample import Quality
from appliance.storage.floats import pack_floats, unpack_floats
from appliance.storage.integers import pack_integers, unpack_integers
from appliance.storage.packing import seal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from appliance.domain.batch import TimeColumn, ValueColumn
    from appliance.storage.chunks import Codec, Columns

RAW = 0
PERIODS_S = (1, 60, 3600)
"""The tiers below raw samples, finest first."""
_ROWS_MIN = 8
"""Fewer rows than these take less room as they are than a roll-up of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Rollups:
    """One row per period: `count` good finite rows, `bad` others, moments of the good.

    `std` is of the population; the four floats are NaN where `count` is 0.
    """

    start_ns: TimeColumn
    count: NDArray[np.int64]
    bad: NDArray[np.int64]
    min: ValueColumn
    max: ValueColumn
    mean: ValueColumn
    std: ValueColumn

    def __len__(self) -> int:
        return len(self.start_ns)


def roll_up(columns: Columns, period_s: int) -> Rollups:
    """Reduce rows that are ordered by time."""
    period_ns = period_s * 10**9
    start_ns, first, rows = np.unique(
        columns.source_time_ns // period_ns * period_ns,
        return_index=True,
        return_counts=True,
    )
    good = (columns.quality == Quality.GOOD) & np.isfinite(columns.value)
    count = np.add.reduceat(good.astype(np.int64), first)
    shifted = _centre(columns.value, good)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        value = np.where(good, columns.value - shifted, 0.0)
        mean = np.add.reduceat(value, first) / count
        apart = np.where(good, value - np.repeat(mean, rows), 0.0)
        std = np.sqrt(np.add.reduceat(apart * apart, first) / count)
    none = count == 0
    low = np.minimum.reduceat(np.where(good, columns.value, np.inf), first)
    high = np.maximum.reduceat(np.where(good, columns.value, -np.inf), first)
    return Rollups(
        start_ns=start_ns,
        count=count,
        bad=rows - count,
        min=np.where(none, np.nan, low),
        max=np.where(none, np.nan, high),
        mean=np.where(none, np.nan, mean + shifted),
        std=np.where(none, np.nan, std),
    )


def merged(parts: Sequence[Rollups], period_s: int) -> Rollups:
    """Reduce roll-ups to a coarser period, or parts of one period to one row.

    Counts and extremes are exact, mean and deviation to rounding: the deviation by
    the sum of squares within and between the parts, which cancels nothing.
    """
    rows = _stacked(parts)
    period_ns = period_s * 10**9
    start_ns, first, each = np.unique(
        rows.start_ns // period_ns * period_ns, return_index=True, return_counts=True
    )
    none = rows.count == 0
    share = rows.count.astype(np.float64)
    count = np.add.reduceat(rows.count, first)
    nothing = count == 0
    shift = _centre(rows.mean, ~none)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        middle = np.where(none, 0.0, rows.mean - shift)
        mean = np.add.reduceat(share * middle, first) / count
        apart = np.where(none, 0.0, middle - np.repeat(mean, each))
        within = np.where(none, 0.0, rows.std)
        squares = share * (within * within + apart * apart)
        std = np.sqrt(np.add.reduceat(squares, first) / count)
    low = np.minimum.reduceat(np.where(none, np.inf, rows.min), first)
    high = np.maximum.reduceat(np.where(none, -np.inf, rows.max), first)
    return Rollups(
        start_ns=start_ns,
        count=count,
        bad=np.add.reduceat(rows.bad, first),
        min=np.where(nothing, np.nan, low),
        max=np.where(nothing, np.nan, high),
        mean=np.where(nothing, np.nan, mean + shift),
        std=np.where(nothing, np.nan, std),
    )


def worthwhile_period_s(times: TimeColumn) -> int:
    """Return the finest period that makes raw rows of these times clearly fewer."""
    for period_s in PERIODS_S[:-1]:
        periods = np.count_nonzero(np.diff(times // (period_s * 10**9))) + 1
        if len(times) >= _ROWS_MIN * periods:
            return period_s
    return PERIODS_S[-1]


def coarser_s(period_s: int) -> int | None:
    """Return the period of the next tier; None below the last."""
    beyond = [each for each in PERIODS_S if each > period_s]
    return beyond[0] if beyond else None


def pack_rollups(codec: Codec, rollups: Rollups) -> bytes:
    """Return the sealed block of everything but the times."""
    out = codec.packer()
    pack_integers(out, rollups.count)
    pack_integers(out, rollups.bad)
    for column in (rollups.min, rollups.max, rollups.mean, rollups.std):
        pack_floats(out, column)
    return seal(out.content())


def unpack_rollups(codec: Codec, sealed: bytes, times: TimeColumn) -> Rollups:
    """Return the roll-ups of these periods. Raises DamagedError."""
    source = codec.unpacker(sealed)
    rows = len(times)
    count, bad = (unpack_integers(source, rows) for _ in range(2))
    low, high, mean, std = (unpack_floats(source, rows) for _ in range(4))
    return Rollups(times, count, bad, low, high, mean, std)


def unpack_extremes(
    codec: Codec, sealed: bytes, rows: int
) -> tuple[NDArray[np.int64], ValueColumn, ValueColumn]:
    """Return count, minimum and maximum alone: a trend needs no more. As above."""
    source = codec.unpacker(sealed)
    count, _ = (unpack_integers(source, rows) for _ in range(2))
    low, high = (unpack_floats(source, rows) for _ in range(2))
    return count, low, high


def _stacked(parts: Sequence[Rollups]) -> Rollups:
    """Return the rows of all parts in the order of time."""
    names = ("start_ns", "count", "bad", "min", "max", "mean", "std")
    columns = [
        np.concatenate([getattr(part, name) for part in parts]) for name in names
    ]
    order = np.argsort(columns[0], kind="stable")
    return Rollups(*(column[order] for column in columns))


def _centre(values: ValueColumn, good: NDArray[np.bool_]) -> float:
    """Return a value near all of them, so that sums lose no digits."""
    return float(np.median(values[good])) if good.any() else 0.0
