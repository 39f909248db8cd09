"""Reading the event log: the newest first, by kind, and what people judged."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from appliance.domain.event import EventKind
from appliance.domain.verdict import VERDICT, verdict_of
from appliance.storage.records import event_of_row
from appliance.wire.outbox import EventRow, Stream, decode_row

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from appliance.domain.event import Event
    from appliance.domain.verdict import Verdict

_LAST = 2**63 - 1


def recent(
    connection: sqlite3.Connection,
    limit: int,
    *,
    before_seq: int | None = None,
    kinds: Sequence[str] = (),
    alarm: str = "",
) -> list[tuple[int, Event]]:
    """Return the newest events below a number, newest first, each with its own.

    Of `kinds`, and of the one `alarm`, where they are given.
    """
    below = _LAST if before_seq is None else before_seq
    marks = ", ".join("?" * len(kinds))
    only = f" AND kind IN ({marks})" if kinds else ""
    rows = connection.execute(
        f"SELECT seq, content FROM event WHERE seq < ?{only}"  # noqa: S608 - only question marks
        " AND (? = x'' OR instr(content, ?)) ORDER BY seq DESC",
        (below, *kinds, alarm.encode(), alarm.encode()),
    )
    events = ((seq, event_of(content)) for seq, content in rows)
    meant = (each for each in events if alarm in {"", each[1].details.get("id")})
    return list(islice(meant, limit))


def oldest_ns(connection: sqlite3.Connection) -> int | None:
    """Return the time of the first event that is recorded; None where there is none."""
    row = connection.execute(
        "SELECT time_ns FROM event ORDER BY seq LIMIT 1"
    ).fetchone()
    return None if row is None else int(row[0])


def of_kind(
    connection: sqlite3.Connection, kind: EventKind, *, from_ns: int = 0
) -> Iterator[Event]:
    """Yield the events of a kind since `from_ns` in the order they were committed."""
    for (content,) in connection.execute(
        "SELECT content FROM event WHERE kind = ? AND time_ns >= ? ORDER BY seq",
        (kind, from_ns),
    ):
        yield event_of(content)


def lately(
    connection: sqlite3.Connection, kind: EventKind, *, from_ns: int, limit: int
) -> list[Event]:
    """Return the newest events of a kind since `from_ns`, in the order of their times.

    However long the log is, no more of it is read than lies since then.
    """
    rows = connection.execute(
        "SELECT content FROM event WHERE time_ns >= ? AND kind = ?"
        " ORDER BY time_ns DESC LIMIT ?",
        (from_ns, kind, limit),
    )
    return [event_of(content) for (content,) in rows][::-1]


def verdicts(connection: sqlite3.Connection) -> Iterator[Verdict]:
    """Yield what people judged of alarms and anomalies, oldest first."""
    rows = connection.execute(
        "SELECT content FROM event WHERE kind IN (?, ?) AND instr(content, ?)"
        " ORDER BY seq",
        (EventKind.ALARM, EventKind.AUDIT, VERDICT.encode()),
    )
    for (content,) in rows:
        found = verdict_of(event_of(content))
        if found is not None:
            yield found


def event_of(content: bytes) -> Event:
    """Return an event as it was recorded."""
    row = decode_row(Stream.EVENT, content)
    assert isinstance(row, EventRow), "the event stream has rows of this kind alone"
    return event_of_row(row)
