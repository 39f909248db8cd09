"""Single records and counters, inside somebody's transaction."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind, Gap
from appliance.domain.tag import TagId
from appliance.storage.chain import link
from appliance.storage.remembered import note_event
from appliance.wire.outbox import EventRow, GapRow, Stream, encode_row

if TYPE_CHECKING:
    import sqlite3
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from appliance.domain.tag import Tag

READ = "samples_read"
STORED = "samples_stored"
REJECTED = "samples_rejected"
DECIMATED = "samples_decimated"
DROPPED = "samples_dropped"
DUPLICATE = "samples_duplicate"
"""Of the rejected ones: history that was here already."""

ENQUEUED = "enqueued"
DELIVERED = "delivered"
DECLARED_GAPS = "declared_gaps"
PENDING_BYTES = "pending_bytes"

WAVEFORM_POINTS = "waveform_points_stored"
EVENT_BYTES = "event_bytes"
"""What the event log takes, about."""

ROW_BYTES = 24
"""What a row of the outbox takes in the file beside its content, about."""

ACQUISITION = "acquisition"


@dataclass(frozen=True, slots=True)
class Meta:
    """The database's own row."""

    epoch: str
    last_commit_ns: int
    clean_shutdown: bool


def outbox_counter(stream: str, what: str) -> str:
    """Return the name of a stream's counter."""
    return f"outbox_{stream}_{what}"


def tier_counter(period_s: int) -> str:
    """Return the name of the counter of a tier's bytes (0: raw samples)."""
    return f"chunk_bytes_{period_s}"


def open_meta(connection: sqlite3.Connection, now_ns: int) -> Meta:
    """Return the database's row, made now where it is new."""
    row = connection.execute(
        "SELECT epoch, last_commit_ns, clean_shutdown FROM meta"
    ).fetchone()
    if row is not None:
        return Meta(row[0], row[1], bool(row[2]))
    epoch = str(uuid.uuid4())
    connection.execute(
        "INSERT INTO meta VALUES (1, ?, ?, ?, 1)", (epoch, now_ns, now_ns)
    )
    return Meta(epoch, now_ns, clean_shutdown=True)


def mark(connection: sqlite3.Connection, now_ns: int, *, clean_shutdown: bool) -> None:
    """Say that until now no sample is missing, and whether we are shutting down."""
    connection.execute(
        "UPDATE meta SET last_commit_ns = ?, clean_shutdown = ?",
        (now_ns, int(clean_shutdown)),
    )


def register_tags(
    connection: sqlite3.Connection, tags: Sequence[Tag]
) -> dict[TagId, int]:
    """Return the number of each tag; new ones get one, descriptions are renewed."""
    connection.executemany(
        "INSERT INTO tag (name, engineering_units, range_low, range_high, description)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
        " engineering_units = excluded.engineering_units,"
        " range_low = excluded.range_low, range_high = excluded.range_high,"
        " description = excluded.description",
        [
            (t.id, t.engineering_units, t.range_low, t.range_high, t.description)
            for t in tags
        ],
    )
    numbers: dict[str, int] = dict(connection.execute("SELECT name, id FROM tag"))
    return {tag.id: numbers[tag.id] for tag in tags}


def add_counters(connection: sqlite3.Connection, delta: Mapping[str, int]) -> None:
    """Count, in the same transaction as what is counted."""
    connection.executemany(
        "INSERT INTO counter VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
        [(name, by) for name, by in delta.items() if by],
    )


def read_counters(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the committed counters."""
    return dict(connection.execute("SELECT name, value FROM counter"))


def insert_rows(
    connection: sqlite3.Connection,
    stream: Stream,
    rows: Sequence[tuple[int, bytes]],
) -> dict[str, int]:
    """Append (time, content) rows to a stream; return what to count."""
    connection.executemany(
        f"INSERT INTO outbox_{stream} (time_ns, content) VALUES (?, ?)",  # noqa: S608 - a closed enum
        rows,
    )
    weight = sum(len(content) + ROW_BYTES for _, content in rows)
    return {
        outbox_counter(stream, ENQUEUED): len(rows),
        outbox_counter(stream, PENDING_BYTES): weight,
    }


def insert_event(
    connection: sqlite3.Connection, event: Event, counted: Counter[str]
) -> int:
    """Record an event and enqueue it; return its number in the event stream."""
    content = encode_row(row_of_event(event))
    counted.update(insert_rows(connection, Stream.EVENT, [(event.time_ns, content)]))
    (seq,) = connection.execute("SELECT max(seq) FROM outbox_event").fetchone()
    connection.execute(
        "INSERT INTO event VALUES (?, ?, ?, ?)",
        (seq, event.time_ns, event.kind, content),
    )
    link(connection, seq, content)
    counted[EVENT_BYTES] += len(content) + ROW_BYTES
    note_event(connection, event, content)
    return int(seq)


def insert_gap(connection: sqlite3.Connection, gap: Gap) -> dict[str, int]:
    """Record a gap and tell the cloud; return what to count."""
    record_gap(connection, gap)
    content = encode_row(
        GapRow(
            what=gap.what,
            reason=gap.reason,
            from_ns=gap.from_ns,
            to_ns=gap.to_ns,
            count=gap.count,
            first=gap.first,
            through=gap.through,
        )
    )
    return insert_rows(connection, Stream.GAP, [(gap.to_ns, content)])


def write_gap(connection: sqlite3.Connection, gap: Gap) -> dict[str, int]:
    """Record and tell a gap, and count it; return what was counted."""
    counted = insert_gap(connection, gap)
    add_counters(connection, counted)
    return counted


def record_gap(connection: sqlite3.Connection, gap: Gap) -> None:
    """Record a gap here only: the cloud was promised nothing of it."""
    cursor = connection.execute(
        'INSERT INTO gap (what, reason, from_ns, to_ns, "count", first, through)'
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            gap.what,
            gap.reason,
            gap.from_ns,
            gap.to_ns,
            gap.count,
            gap.first,
            gap.through,
        ),
    )
    if gap.what == ACQUISITION:
        connection.execute("INSERT INTO untold VALUES (?)", (cursor.lastrowid,))


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


def read_gaps(connection: sqlite3.Connection, where: str = "") -> tuple[Gap, ...]:
    """Return every declared gap (or those `where`), oldest declaration first."""
    rows = connection.execute(
        'SELECT what, reason, from_ns, to_ns, "count", first, through'  # noqa: S608 - conditions of ours
        f" FROM gap {where} ORDER BY id"
    )
    return tuple(Gap(*row) for row in rows)


def row_of_event(event: Event) -> EventRow:
    """Return the event as it travels."""
    return EventRow(
        kind=event.kind,
        name=event.name,
        time_ns=event.time_ns,
        message=event.message,
        asset=event.asset,
        tag=event.tag,
        priority=event.priority,
        actor=event.actor,
        details=dict(event.details),
    )


def event_of_row(row: EventRow) -> Event:
    """Return the event as it was. Raises ValueError for a kind unknown here."""
    return Event(
        kind=EventKind(row.kind),
        name=row.name,
        time_ns=row.time_ns,
        message=row.message,
        asset=row.asset,
        tag=None if row.tag is None else TagId(row.tag),
        priority=row.priority,
        actor=row.actor,
        details=row.details,
    )
