"""Reading back: segments and chunks of one tag, merged and thinned. Pure below SQL.

A trend of a long range reads previews in the place of the chunks that lie wholly in
it: the rows with the lowest and the highest value of each `PREVIEW_RUN`, so that a
spike is shown whatever the range, and a month is read without unpacking it.
"""

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
from appliance.storage.rollups import unpack_extremes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.domain.batch import QualityColumn, TimeColumn, ValueColumn

PREVIEW_RUN = 256
"""So many rows share a lowest and a highest one in a preview."""

ROWS_SQL = """
SELECT coalesce(sum(times.rows), 0) FROM chunk JOIN times ON chunk.times = times.id
WHERE chunk.tag = :tag AND chunk.start_ns <= :to AND times.end_ns >= :from
AND chunk.period_s = 0
"""
# One statement, so that a fold between two reads can neither hide rows nor show
# them twice.
BLOCKS_SQL = """
SELECT -1, rows, NULL, content FROM segment WHERE start_ns <= :to AND end_ns >= :from
UNION ALL
SELECT chunk.period_s, times.rows, times.content, chunk.content
FROM chunk JOIN times ON chunk.times = times.id
WHERE chunk.tag = :tag AND chunk.start_ns <= :to AND times.end_ns >= :from
"""
PREVIEWS_SQL = """
SELECT -1, rows, NULL, content FROM segment WHERE start_ns <= :to AND end_ns >= :from
UNION ALL
SELECT iif(inside, -2, period_s), iif(inside, preview_rows, rows),
    iif(inside, NULL, times), iif(inside, preview, content)
FROM (
    SELECT chunk.period_s, times.rows, times.content AS times, chunk.content,
        preview.rows AS preview_rows, preview.content AS preview,
        preview.id NOT NULL AND chunk.start_ns >= :from AND times.end_ns <= :to
            AS inside
    FROM chunk JOIN times ON chunk.times = times.id
    LEFT JOIN preview ON preview.id = chunk.id
    WHERE chunk.tag = :tag AND chunk.start_ns <= :to AND times.end_ns >= :from
)
"""
_SEGMENT, _PREVIEW = -1, -2


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


def statement_for(rows: int, points: int) -> str:
    """Return what to read for a trend: previews where they hold points enough."""
    return PREVIEWS_SQL if 2 * rows >= PREVIEW_RUN * points else BLOCKS_SQL


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


def history_of(columns: Columns, points: int, damaged: int) -> History:
    """Return rows thinned to `points`."""
    kept = thinned(columns, points)
    return History(
        kept.source_time_ns, kept.value, kept.quality, damaged, kept.server_time_ns
    )


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
    if kind == _PREVIEW:
        return codec.unpack_rows(content, rows)
    time_ns = codec.unpack_times(times or b"", rows)
    if kind == 0:
        return codec.unpack_values(content, time_ns)
    return _extremes(codec, content, time_ns, kind)


def _extremes(
    codec: Codec, content: bytes, start_ns: TimeColumn, period_s: int
) -> Columns:
    count, low, high = unpack_extremes(codec, content, len(start_ns))
    middle = start_ns + period_s * 10**9 // 2
    known = count > 0
    value = np.concatenate((low, high[known]))
    quality = np.where(np.isfinite(value), Quality.GOOD, Quality.BAD)
    return Columns(
        np.concatenate((start_ns, middle[known])),
        value,
        quality.astype(np.uint8),
        np.zeros(len(value), np.uint32),
    ).ordered()
