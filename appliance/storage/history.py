"""Reading back: segments and chunks of one tag, merged and thinned. Pure below SQL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.sample import Quality
from appliance.storage.chunks import (
    Codec,
    Columns,
    stacked,
    unpack_segment,
)
from appliance.storage.packing import DamagedError
from appliance.storage.rollups import unpack_rollups

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.domain.batch import QualityColumn, TimeColumn, ValueColumn
    from appliance.storage.rollups import Rollups

# One statement, so that a fold between two reads can neither hide rows nor show
# them twice.
BLOCKS_SQL = """
SELECT -1, rows, NULL, content FROM segment WHERE start_ns <= :to AND end_ns >= :from
UNION ALL
SELECT chunk.period_s, times.rows, times.content, chunk.content
FROM chunk JOIN times ON chunk.times = times.id
WHERE chunk.tag = :tag AND chunk.start_ns <= :to AND times.end_ns >= :from
"""
_SEGMENT = -1


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Rows of one tag by time; `damaged` blocks could not be read.

    `server_time_ns` is None where no row has one; 0 in a row without.
    """

    source_time_ns: TimeColumn
    value: ValueColumn
    quality: QualityColumn
    damaged: int = 0
    server_time_ns: TimeColumn | None = None


def assemble(
    blocks: Iterable[tuple[int, int, bytes | None, bytes]],
    tag: int,
    *,
    from_ns: int,
    to_ns: int,
) -> tuple[Columns, int]:
    """Return the tag's rows in [from_ns, to_ns], and how many blocks are damaged.

    A roll-up yields two rows, its minimum at the start and its maximum at the
    middle of its period; a period without good values yields one bad row.
    """
    codec = Codec()
    parts: list[Columns] = []
    damaged = 0
    for kind, rows, times, content in blocks:
        try:
            parts.append(_columns(codec, tag, kind, (rows, times, content)))
        except DamagedError:
            damaged += 1
    merged = stacked(parts).ordered()
    inside = slice(
        int(np.searchsorted(merged.source_time_ns, from_ns, side="left")),
        int(np.searchsorted(merged.source_time_ns, to_ns, side="right")),
    )
    return merged.at(inside), damaged


def thinned(columns: Columns, points: int) -> Columns:
    """Return at most about `points` rows: the lowest and highest of equal shares.

    Extremes survive; a share without a finite value shows its first, bad, row.
    """
    rows = len(columns)
    if rows <= max(points, 2):
        return columns
    share = -(-rows // max(1, points // 2))
    shares = -(-rows // share)
    padded = np.full(shares * share, np.nan)
    padded[:rows] = columns.value
    value = padded.reshape(shares, share)
    known = np.isfinite(value)
    low = np.where(known, value, np.inf).argmin(axis=1)
    high = np.where(known, value, -np.inf).argmax(axis=1)
    start = np.arange(shares) * share
    return columns.at(np.unique(np.concatenate((start + low, start + high))))


def _columns(
    codec: Codec, tag: int, kind: int, block: tuple[int, bytes | None, bytes]
) -> Columns:
    rows, times, content = block
    if kind == _SEGMENT:
        return unpack_segment(content, rows).of(tag)
    time_ns = codec.unpack_times(times or b"", rows)
    if kind == 0:
        return codec.unpack_values(content, time_ns)
    return _extremes(unpack_rollups(codec, content, time_ns), kind)


def _extremes(rollups: Rollups, period_s: int) -> Columns:
    middle = rollups.start_ns + period_s * 10**9 // 2
    known = rollups.count > 0
    value = np.concatenate((rollups.min, rollups.max[known]))
    quality = np.where(np.isfinite(value), Quality.GOOD, Quality.BAD)
    return Columns(
        np.concatenate((rollups.start_ns, middle[known])),
        value,
        quality.astype(np.uint8),
        np.zeros(len(value), np.uint32),
    ).ordered()
