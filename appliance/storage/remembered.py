"""What the event log leaves to be remembered, committed with the events themselves.

The last word on each alarm, anomaly and maintenance, the highest number of each other
process's epoch, and the gaps that no event tells yet: a start reads these few rows,
however long the log is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    import sqlite3

ORIGIN_EPOCH = "origin_epoch"
ORIGIN_SEQ = "origin_seq"
"""Details by which an event of another process is known again."""

_GAP_SQL = """
DELETE FROM untold WHERE gap = (
    SELECT gap.id FROM untold JOIN gap ON gap.id = untold.gap
    WHERE gap.from_ns = ? AND gap.to_ns = ? AND gap."count" = ? AND gap.reason = ?
    ORDER BY gap.id LIMIT 1
)
"""


def note_event(connection: sqlite3.Connection, event: Event, content: bytes) -> None:
    """Remember what an event says, inside the transaction that records it."""
    details = event.details
    match event.kind:
        case EventKind.ALARM:
            _note_word(connection, event.kind, str(details.get("id")), content)
        case EventKind.ANOMALY | EventKind.MAINTENANCE:
            _note_word(connection, event.kind, event.asset, content)
        case EventKind.GAP:
            names = ("from_ns", "to_ns", "count", "reason")
            connection.execute(_GAP_SQL, tuple(details.get(name) for name in names))
    if ORIGIN_SEQ in details:
        seq = details[ORIGIN_SEQ]
        connection.execute(
            "INSERT INTO origin VALUES (?, ?)"
            " ON CONFLICT (epoch) DO UPDATE SET seq = max(seq, excluded.seq)",
            (str(details.get(ORIGIN_EPOCH)), seq if isinstance(seq, int) else 0),
        )


def read_words(connection: sqlite3.Connection, kind: EventKind) -> dict[str, bytes]:
    """Return the last event of each subject, as it was recorded."""
    return dict(
        connection.execute(
            "SELECT subject, content FROM last_word WHERE kind = ?", (kind,)
        )
    )


def read_origins(connection: sqlite3.Connection) -> dict[str, int]:
    """Return the highest number heard, by epoch."""
    return dict(connection.execute("SELECT epoch, seq FROM origin"))


def forget(connection: sqlite3.Connection) -> None:
    """Empty what is remembered, before it is made anew from the log."""
    for table in ("last_word", "origin", "untold"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours


def _note_word(
    connection: sqlite3.Connection, kind: EventKind, subject: str, content: bytes
) -> None:
    connection.execute(
        "INSERT INTO last_word VALUES (?, ?, ?) ON CONFLICT (kind, subject)"
        " DO UPDATE SET content = excluded.content",
        (kind, subject, content),
    )
