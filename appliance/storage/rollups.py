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
    from numpy.typing import NDArray

    from appliance.domain.batch import TimeColumn, ValueColumn
    from appliance.storage.chunks import Codec, Columns

PERIOD_S = 60


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


def _centre(values: ValueColumn, good: NDArray[np.bool_]) -> float:
    """Return a value near all of them, so that sums lose no digits."""
    return float(np.median(values[good])) if good.any() else 0.0
