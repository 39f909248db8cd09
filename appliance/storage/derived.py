"""Tables and counters that follow from the others, made anew where they are missing.

They are missing in the buffer of an older release and in a salvaged one; in all
others every transaction keeps them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.storage.records import (
    ACQUISITION,
    EVENT_BYTES,
    ROW_BYTES,
    WAVEFORM_POINTS,
    add_counters,
    event_of_row,
    read_counters,
    tier_counter,
)
from appliance.storage.remembered import forget, note_event
from appliance.storage.rollups import PERIODS_S, RAW
from appliance.wire.messages import WireError
from appliance.wire.outbox import EventRow, Stream, decode_row

if TYPE_CHECKING:
    import sqlite3

    from appliance.domain.event import Event


def derive(connection: sqlite3.Connection) -> None:
    """Bring them up to date, inside a transaction; mostly there is nothing to do."""
    if connection.execute("SELECT 1 FROM derived").fetchone() is not None:
        return
    forget(connection)
    connection.execute(
        "INSERT INTO untold SELECT id FROM gap WHERE what = ?", (ACQUISITION,)
    )
    for (content,) in connection.execute("SELECT content FROM event ORDER BY seq"):
        event = _event_of(content)
        if event is not None:
            note_event(connection, event, content)
    _count(connection)
    connection.execute("INSERT INTO derived VALUES (1)")


def _event_of(content: bytes) -> Event | None:
    """Return the event; None of a damaged row or of a kind unknown here."""
    try:
        row = decode_row(Stream.EVENT, content)
        return event_of_row(row) if isinstance(row, EventRow) else None
    except (WireError, ValueError):
        return None


def _count(connection: sqlite3.Connection) -> None:
    """Set the counters of bytes and points to what is there."""
    there = {tier_counter(period_s): 0 for period_s in (RAW, *PERIODS_S)}
    there |= {
        tier_counter(period_s): weight
        for period_s, weight in connection.execute(
            "SELECT period_s, sum(length(content)) FROM chunk GROUP BY period_s"
        )
    }
    (there[EVENT_BYTES],) = connection.execute(
        "SELECT coalesce(sum(length(content) + ?), 0) FROM event", (ROW_BYTES,)
    ).fetchone()
    counters = read_counters(connection)
    if WAVEFORM_POINTS not in counters:
        (there[WAVEFORM_POINTS],) = connection.execute(
            "SELECT coalesce(sum(points), 0) FROM waveform"
        ).fetchone()
    add_counters(
        connection,
        {name: value - counters.get(name, 0) for name, value in there.items()},
    )
