"""Segments → chunks, and small chunks → larger ones.

Three steps, so that the thread that commits is never held up by compression: read
in one transaction, pack anywhere, replace in another. Nobody else removes segments
or raw chunks meanwhile, because one task does all the maintenance.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from appliance.storage.chunks import (
    Codec,
    Columns,
    Segment,
    stacked,
    unpack_segment,
)
from appliance.storage.history import PREVIEW_RUN, thinned
from appliance.storage.newest import newest_of
from appliance.storage.packing import DamagedError
from appliance.storage.records import add_counters, tier_counter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from appliance.domain.batch import TimeColumn

CHUNK_ROWS = 4096
SMALL_ROWS = 1800
"""A chunk below this is worth merging with its neighbours."""
WINDOW_NS = 3600 * 10**9
_PREVIEWED_ROWS = 4 * PREVIEW_RUN
_PREVIEWED_BYTES = 512
_MERGE_TAGS = 32


@dataclass(frozen=True, slots=True)
class Stored:
    """A block as it lies in the file."""

    id: int
    rows: int
    content: bytes


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk with the block of its times."""

    id: int
    tag: int
    period_s: int
    rows: int
    times: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class Values:
    """A tag's packed values; `preview` holds the rows with their extremes, if any."""

    tag: int
    content: bytes
    preview: bytes = b""
    preview_rows: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """Times, and the packed values of the tags that share them."""

    start_ns: int
    end_ns: int
    rows: int
    times: bytes
    values: list[Values] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Folded:
    """What becomes of segments: `whole` ids go, `damaged` ones stay as they are.

    `newest` is the newest source time of each tag in them.
    """

    blocks: list[Block]
    whole: list[int]
    damaged: list[int]
    newest: dict[int, int]


def read_segments(
    connection: sqlite3.Connection, after: int, through: int, *, limit_bytes: int
) -> list[Stored]:
    """Return the oldest segments numbered in (after, through], up to a bound."""
    found: list[Stored] = []
    weight = 0
    for each in connection.execute(
        "SELECT id, rows, content FROM segment WHERE id > ? AND id <= ? ORDER BY id",
        (after, through),
    ):
        found.append(Stored(*each))
        weight += len(found[-1].content)
        if weight >= limit_bytes:
            break
    return found


def last_segment(connection: sqlite3.Connection) -> int:
    """Return the number of the newest segment; 0 where there is none."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM segment").fetchone()
    return int(last)


def unpack_segments(stored: Sequence[Stored]) -> tuple[list[Segment], list[int]]:
    """Return the segments, and the ids of those that are damaged."""
    segments, damaged = [], []
    for each in stored:
        try:
            segments.append(unpack_segment(each.content, each.rows))
        except DamagedError:
            damaged.append(each.id)
    return segments, damaged


def folded(stored: Sequence[Stored]) -> Folded:
    """Return segments as blocks."""
    segments, damaged = unpack_segments(stored)
    tags = by_tag(segments)
    whole = [each.id for each in stored if each.id not in damaged]
    return Folded(pack_blocks(tags), whole, damaged, newest_of(tags))


def by_tag(segments: Sequence[Segment]) -> dict[int, Columns]:
    """Return each tag's rows in the order of time (stable)."""
    if not segments:
        return {}
    tag = np.concatenate([each.tag for each in segments])
    rows = stacked([each.columns for each in segments])
    order = np.lexsort((rows.source_time_ns, tag))
    tag, rows = tag[order], rows.at(order)
    starts = np.flatnonzero(np.diff(tag, prepend=tag[0] ^ 1))
    ends = [*starts[1:], len(tag)]
    return {
        int(tag[start]): rows.at(slice(start, end))
        for start, end in zip(starts, ends, strict=True)
    }


def pack_blocks(tags: Mapping[int, Columns]) -> list[Block]:
    """Pack every tag's rows; tags with the same times share one block of them."""
    codec = Codec()
    blocks: dict[bytes, Block] = {}
    for tag, columns in tags.items():
        for start in range(0, len(columns), CHUNK_ROWS):
            piece = columns.at(slice(start, start + CHUNK_ROWS))
            key = piece.source_time_ns.tobytes()
            if key not in blocks:
                blocks[key] = _block(codec, piece.source_time_ns)
            blocks[key].values.append(_values(codec, tag, piece))
    return list(blocks.values())


def _values(codec: Codec, tag: int, columns: Columns) -> Values:
    """Pack values; long ones with their extremes, so that a trend need not unpack."""
    content = codec.pack_values(columns)
    if len(columns) < _PREVIEWED_ROWS or len(content) < _PREVIEWED_BYTES:
        return Values(tag, content)
    kept = thinned(columns, 2 * len(columns) // PREVIEW_RUN)
    return Values(tag, content, codec.pack_rows(kept), len(kept))


def insert_blocks(
    connection: sqlite3.Connection, blocks: Iterable[Block], period_s: int = 0
) -> None:
    """Store blocks; times that are already there are used again."""
    for block in blocks:
        times = _times_id(connection, block)
        weight = sum(len(each.content) for each in block.values)
        add_counters(connection, {tier_counter(period_s): weight})
        for each in block.values:
            cursor = connection.execute(
                "INSERT INTO chunk (tag, period_s, start_ns, times, content)"
                " VALUES (?, ?, ?, ?, ?)",
                (each.tag, period_s, block.start_ns, times, each.content),
            )
            if each.preview:
                connection.execute(
                    "INSERT INTO preview VALUES (?, ?, ?)",
                    (cursor.lastrowid, each.preview_rows, each.preview),
                )


def delete_segments(connection: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Remove segments that are folded."""
    connection.executemany("DELETE FROM segment WHERE id = ?", [(i,) for i in ids])


def delete_chunks(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Remove chunks, and the times nobody uses any more."""
    times: set[int] = set()
    freed: Counter[str] = Counter()
    for i in ids:
        for number, period_s, weight in connection.execute(
            "SELECT times, period_s, length(content) FROM chunk WHERE id = ?", (i,)
        ):
            times.add(number)
            freed[tier_counter(period_s)] -= weight
    add_counters(connection, freed)
    connection.executemany("DELETE FROM preview WHERE id = ?", [(i,) for i in ids])
    connection.executemany("DELETE FROM chunk WHERE id = ?", [(i,) for i in ids])
    connection.executemany(
        "DELETE FROM times WHERE id = ?"
        " AND NOT EXISTS (SELECT 1 FROM chunk WHERE chunk.times = times.id)",
        [(i,) for i in times],
    )


def next_window(connection: sqlite3.Connection, from_ns: int) -> int | None:
    """Return the start of the next hour, from `from_ns` on, that has chunks."""
    (start_ns,) = connection.execute(
        "SELECT min(start_ns) FROM times WHERE start_ns >= ?", (from_ns,)
    ).fetchone()
    return None if start_ns is None else int(start_ns) // WINDOW_NS * WINDOW_NS


def read_small(
    connection: sqlite3.Connection, window_ns: int, *, limit_bytes: int
) -> list[StoredChunk]:
    """Return the small raw chunks of an hour, of a few tags that have several."""
    span = (window_ns, window_ns + WINDOW_NS, SMALL_ROWS)
    small = (
        " FROM times JOIN chunk ON chunk.times = times.id WHERE times.start_ns >= ?"
        " AND times.start_ns < ? AND times.rows < ? AND chunk.period_s = 0"
    )
    tags = [
        row[0]
        for row in connection.execute(
            f"SELECT chunk.tag{small} GROUP BY chunk.tag HAVING count(*) > 1"
            f" ORDER BY chunk.tag LIMIT {_MERGE_TAGS}",
            span,
        )
    ]
    found: list[StoredChunk] = []
    for tag in tags:
        if sum(len(chunk.content) for chunk in found) >= limit_bytes:
            break
        rows = connection.execute(
            "SELECT chunk.id, chunk.tag, chunk.period_s, times.rows, times.content,"
            f" chunk.content{small} AND chunk.tag = ? ORDER BY chunk.id",
            (*span, tag),
        )
        found += [StoredChunk(*row) for row in rows]
    return found


def unpack_chunks(chunks: Iterable[StoredChunk]) -> dict[int, Columns]:
    """Return each tag's rows of raw chunks. Raises DamagedError."""
    codec = Codec()
    parts: dict[int, list[Columns]] = {}
    for chunk in chunks:
        parts.setdefault(chunk.tag, []).append(unpack_chunk(codec, chunk))
    return {tag: stacked(each).ordered() for tag, each in parts.items()}


def unpack_chunk(codec: Codec, chunk: StoredChunk) -> Columns:
    """Return the rows of a raw chunk. Raises DamagedError."""
    times = codec.unpack_times(chunk.times, chunk.rows)
    return codec.unpack_values(chunk.content, times)


def _block(codec: Codec, times: TimeColumn) -> Block:
    return Block(
        start_ns=int(times[0]),
        end_ns=int(times[-1]),
        rows=len(times),
        times=codec.pack_times(times),
    )


def _times_id(connection: sqlite3.Connection, block: Block) -> int:
    found = connection.execute(
        "SELECT id FROM times WHERE start_ns = ? AND rows = ? AND content = ?",
        (block.start_ns, block.rows, block.times),
    ).fetchone()
    if found is not None:
        return int(found[0])
    cursor = connection.execute(
        "INSERT INTO times (start_ns, end_ns, rows, content) VALUES (?, ?, ?, ?)",
        (block.start_ns, block.end_ns, block.rows, block.times),
    )
    assert cursor.lastrowid is not None, "an INSERT gives a row number"
    return cursor.lastrowid
