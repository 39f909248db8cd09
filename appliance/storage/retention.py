"""Bounded disk: decimate before drop, lowest class first, every loss declared.

Classes from the lowest: waveforms, texts, samples (by tiers, see `tiers`), then the
outbox's snippets, summaries and health, then ordinary events of the log. Trips,
safety, alarms, anomalies and audit are never dropped: what all others may take ends
below the quota (`commit.RESERVE_PART`). Each function is one small step inside a
transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from appliance.domain.event import EventKind, Gap
from appliance.storage.chain import keep_digest
from appliance.storage.records import (
    DROPPED,
    EVENT_BYTES,
    ROW_BYTES,
    add_counters,
    extend_gap,
)
from appliance.storage.tiers import REASON

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

ORDINARY = frozenset(
    {EventKind.SOURCE, EventKind.GAP, EventKind.MODEL, EventKind.SYSTEM}
)
"""Events that may leave the log when nothing below them is left. The others (trips,
safety, alarms, anomalies, audit) stay for ever."""
GAPS_MAX = 5000
"""Records of gaps; beyond, the oldest of one kind and reason share one."""
_STEP_ROWS = 1000
_VACUUM_PAGES = 2000
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


def drop_events(connection: sqlite3.Connection, limit_bytes: int) -> int:
    """Drop about `limit_bytes` of the oldest ordinary events; return how many.

    Only from the log here: what the cloud was promised of them still waits for it,
    and their links stay in the chain.
    """
    marks = ", ".join("?" * len(ORDINARY))
    rows = connection.execute(
        f"SELECT seq, length(content) + {ROW_BYTES}, time_ns FROM event"  # noqa: S608 - names of ours
        f" WHERE kind IN ({marks}) ORDER BY seq LIMIT {_STEP_ROWS}",
        tuple(ORDINARY),
    ).fetchall()
    dropped = rows[: len(_up_to([row[:2] for row in rows], limit_bytes))]
    if not dropped:
        return 0
    times = [row[2] for row in dropped]
    for seq, *_ in dropped:
        content = "SELECT content FROM event WHERE seq = ?"
        keep_digest(connection, seq, connection.execute(content, (seq,)).fetchone()[0])
    connection.executemany(
        "DELETE FROM event WHERE seq = ?", [(row[0],) for row in dropped]
    )
    extend_gap(
        connection, Gap("event_log", REASON, min(times), max(times), len(dropped))
    )
    add_counters(connection, {EVENT_BYTES: -sum(row[1] for row in dropped)})
    return len(dropped)


def join_gaps(connection: sqlite3.Connection) -> int:
    """Make one of the oldest gaps of each kind and reason, where there are many.

    Only of those that were told; counts add up, the interval spans them. Returns how
    many records were saved.
    """
    (many,) = connection.execute("SELECT count(*) FROM gap").fetchone()
    if many <= GAPS_MAX:
        return 0
    oldest = (
        "SELECT id FROM gap WHERE id NOT IN (SELECT gap FROM untold)"  # noqa: S608 - a number of ours
        f" ORDER BY id LIMIT {GAPS_MAX // 2}"
    )
    groups = connection.execute(
        "SELECT min(id), max(id), what, reason, min(from_ns), max(to_ns),"  # noqa: S608 - numbers of ours
        ' iif(min("count") < 0, -1, sum("count")), min(first), max(through)'
        f" FROM gap WHERE id IN ({oldest}) GROUP BY what, reason HAVING count(*) > 1"
    ).fetchall()
    saved = 0
    for first_id, last_id, what, reason, *widened in groups:
        cursor = connection.execute(
            "DELETE FROM gap WHERE id > ? AND id <= ? AND what = ? AND reason = ?"
            " AND id NOT IN (SELECT gap FROM untold)",
            (first_id, last_id, what, reason),
        )
        saved += cursor.rowcount
        connection.execute(
            'UPDATE gap SET from_ns = ?, to_ns = ?, "count" = ?, first = ?,'
            " through = ? WHERE id = ?",
            (*widened, first_id),
        )
    return saved


def _up_to(rows: list[tuple[int, int]], limit_bytes: int) -> list[tuple[int, int]]:
    """Return the first (id, bytes) that reach the bound together; at least one."""
    weights = accumulate(weight for _, weight in rows)
    return rows[: sum(weight < limit_bytes for weight in weights) + 1]
