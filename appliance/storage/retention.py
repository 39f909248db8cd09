"""Bounded disk: decimate before drop, lowest class first, every loss declared.

Classes from the lowest: waveforms, texts, raw samples (first reduced to roll-ups of
a minute), roll-ups, then the outbox's snippets, summaries and health. Events and
gaps are not dropped. Every function is one small step inside a transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from appliance.domain.event import Gap
from appliance.storage.chunks import Codec, Columns, stacked
from appliance.storage.fold import (
    Block,
    StoredChunk,
    delete_chunks,
    insert_blocks,
    unpack_chunk,
)
from appliance.storage.packing import DamagedError
from appliance.storage.records import DECIMATED, DROPPED, add_counters, record_gap
from appliance.storage.rollups import PERIOD_S, Rollups, pack_rollups, roll_up

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

REASON = "storage quota"
_STEP_CHUNKS = 64
_STEP_ROWS = 1000
_VACUUM_PAGES = 2000
_CHUNK_SQL = """
SELECT chunk.id, chunk.tag, chunk.period_s, times.rows, times.content, chunk.content
FROM chunk JOIN times ON chunk.times = times.id WHERE chunk.id = ?
"""
_DROPPABLE = {"waveform": "start_ns", "text": "source_time_ns"}


@dataclass(frozen=True, slots=True)
class Usage:
    """What the buffer takes on disk, in bytes."""

    used_bytes: int
    free_bytes: int
    wal_bytes: int

    @property
    def file_bytes(self) -> int:
        """The file with its free pages, and the log."""
        return self.used_bytes + self.free_bytes + self.wal_bytes


def measure(connection: sqlite3.Connection, path: Path) -> Usage:
    """Return what the buffer takes on disk."""
    page_bytes, pages, free = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_size", "page_count", "freelist_count")
    )
    wal = path.with_name(f"{path.name}-wal")
    return Usage(
        used_bytes=(pages - free) * page_bytes,
        free_bytes=free * page_bytes,
        wal_bytes=wal.stat().st_size if wal.exists() else 0,
    )


def give_back(connection: sqlite3.Connection) -> None:
    """Return free pages at the end of the file to the file system."""
    connection.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()


def drop_oldest(connection: sqlite3.Connection, table: str, limit_bytes: int) -> int:
    """Drop about `limit_bytes` of the oldest waveforms or texts; return how many."""
    time = _DROPPABLE[table]
    rows = connection.execute(
        f"SELECT id, length(content) FROM {table} ORDER BY id LIMIT {_STEP_ROWS}"  # noqa: S608 - names of ours
    ).fetchall()
    ids = [row[0] for row in _up_to(rows, limit_bytes)]
    if not ids:
        return 0
    from_ns, to_ns = connection.execute(
        f"SELECT min({time}), max({time}) FROM {table} WHERE id <= ?",  # noqa: S608 - names of ours
        (ids[-1],),
    ).fetchone()
    connection.execute(f"DELETE FROM {table} WHERE id <= ?", (ids[-1],))  # noqa: S608 - names of ours
    extend_gap(connection, Gap(table, REASON, from_ns, to_ns, len(ids)))
    add_counters(connection, {DROPPED: len(ids)})
    return len(ids)


def oldest_chunks(
    connection: sqlite3.Connection, period_s: int, limit_bytes: int
) -> list[StoredChunk]:
    """Return the chunks of the oldest times, raw ones or roll-ups, up to a bound."""
    rows = connection.execute(
        "SELECT chunk.id, length(chunk.content) FROM times"
        " JOIN chunk ON chunk.times = times.id"
        " WHERE chunk.period_s = ? ORDER BY times.start_ns LIMIT ?",
        (period_s, _STEP_CHUNKS),
    ).fetchall()
    return [
        StoredChunk(*row)
        for number, _ in _up_to(rows, limit_bytes)
        for row in connection.execute(_CHUNK_SQL, (number,))
    ]


def decimated(chunks: Sequence[StoredChunk]) -> tuple[list[Block], list[StoredChunk]]:
    """Return roll-ups of raw chunks, and the chunks that can no longer be read."""
    codec = Codec()
    damaged: list[StoredChunk] = []
    parts: dict[int, list[Columns]] = {}
    for chunk in chunks:
        try:
            parts.setdefault(chunk.tag, []).append(unpack_chunk(codec, chunk))
        except DamagedError:
            damaged.append(chunk)
    blocks = [
        _rollup_block(codec, tag, roll_up(stacked(each).ordered(), PERIOD_S))
        for tag, each in parts.items()
        if each
    ]
    return blocks, damaged


def replace_by_rollups(
    connection: sqlite3.Connection,
    chunks: Sequence[StoredChunk],
    blocks: Sequence[Block],
    damaged: Sequence[StoredChunk],
) -> dict[str, int]:
    """Put roll-ups in the place of raw chunks; return what to count."""
    lost = sum(chunk.rows for chunk in damaged)
    kept = sum(chunk.rows for chunk in chunks) - lost
    counted = {DECIMATED: kept, DROPPED: lost}
    from_ns, to_ns = _span(connection, chunks)
    insert_blocks(connection, blocks, PERIOD_S)
    delete_chunks(connection, [chunk.id for chunk in chunks])
    if kept:
        reason = f"{REASON}: reduced to {PERIOD_S} s"
        extend_gap(connection, Gap("raw", reason, from_ns, to_ns, kept))
    if lost:
        extend_gap(connection, Gap("raw", "damaged", from_ns, to_ns, lost))
    add_counters(connection, counted)
    return counted


def drop_rollups(connection: sqlite3.Connection, chunks: Sequence[StoredChunk]) -> None:
    """Drop roll-ups; their samples were counted when they were decimated."""
    from_ns, to_ns = _span(connection, chunks)
    rows = sum(chunk.rows for chunk in chunks)
    delete_chunks(connection, [chunk.id for chunk in chunks])
    extend_gap(connection, Gap("rollup", REASON, from_ns, to_ns, rows))


def extend_gap(connection: sqlite3.Connection, gap: Gap) -> None:
    """Widen the last gap of this kind and reason, so that gaps do not fill the disk."""
    cursor = connection.execute(
        "UPDATE gap SET from_ns = min(from_ns, ?), to_ns = max(to_ns, ?),"
        ' "count" = "count" + ? WHERE id ='
        " (SELECT max(id) FROM gap WHERE what = ? AND reason = ?)",
        (gap.from_ns, gap.to_ns, gap.count, gap.what, gap.reason),
    )
    if cursor.rowcount == 0:
        record_gap(connection, gap)


def _up_to(rows: list[tuple[int, int]], limit_bytes: int) -> list[tuple[int, int]]:
    """Return the first (id, bytes) that reach the bound together; at least one."""
    weights = accumulate(weight for _, weight in rows)
    return rows[: sum(weight < limit_bytes for weight in weights) + 1]


def _span(
    connection: sqlite3.Connection, chunks: Sequence[StoredChunk]
) -> tuple[int, int]:
    spans = [
        connection.execute(
            "SELECT times.start_ns, times.end_ns FROM chunk"
            " JOIN times ON chunk.times = times.id WHERE chunk.id = ?",
            (chunk.id,),
        ).fetchone()
        for chunk in chunks
    ]
    return min(span[0] for span in spans), max(span[1] for span in spans)


def _rollup_block(codec: Codec, tag: int, rollups: Rollups) -> Block:
    return Block(
        start_ns=int(rollups.start_ns[0]),
        end_ns=int(rollups.start_ns[-1]) + PERIOD_S * 10**9 - 1,
        rows=len(rollups),
        times=codec.pack_times(rollups.start_ns),
        values=[(tag, pack_rollups(codec, rollups))],
    )
