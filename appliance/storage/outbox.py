"""What the cloud has not yet acknowledged: one numbered table per stream.

A row leaves by an acknowledgement, or by the quota: then the gap is declared in the
same transaction. Rows leave from the old end only, so what is there is contiguous.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from appliance.domain.event import Gap
from appliance.storage.records import (
    DECLARED_GAPS,
    DELIVERED,
    PENDING_BYTES,
    ROW_BYTES,
    add_counters,
    insert_gap,
    outbox_counter,
)
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

READ_MAX_BYTES = 4 * 1024 * 1024
"""Half of what a frame of the link may hold."""
SHED_ORDER = (Stream.SNIPPET, Stream.SUMMARY, Stream.HEALTH)
"""Lowest class first. Events and gaps are never dropped."""
_SHED_ROWS = 5000

WEIGHTS_SQL = {
    stream: f"SELECT seq, length(content) FROM outbox_{stream} WHERE seq > :after"  # noqa: S608 - a closed enum
    " ORDER BY seq LIMIT :limit"
    for stream in Stream
}
READ_SQL = {
    stream: f"SELECT seq, content FROM outbox_{stream}"  # noqa: S608 - a closed enum
    " WHERE seq BETWEEN :first AND :through ORDER BY seq"
    for stream in Stream
}


class AckRefusedError(ValueError):
    """The acknowledgement is not about rows of this database."""


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """Where a stream stands; enqueued = delivered + pending + declared_gaps."""

    enqueued: int
    delivered: int
    pending: int
    declared_gaps: int
    oldest_ns: int | None
    pending_bytes: int


def span_to_read(
    weights: Sequence[tuple[int, int]], max_bytes: int
) -> tuple[int, int] | None:
    """Return the first and last of (number, bytes) up to the first hole or a bound.

    At least one row, whatever it weighs; None where there is none.
    """
    if not weights:
        return None
    first = last = weights[0][0]
    weight = weights[0][1] + ROW_BYTES
    for seq, length in weights[1:]:
        weight += length + ROW_BYTES
        if seq != last + 1 or weight > min(max_bytes, READ_MAX_BYTES):
            break
        last = seq
    return first, last


def acknowledge(
    connection: sqlite3.Connection, stream: Stream, through: int
) -> Counter[str]:
    """Remove the rows up to a number; a repetition removes nothing.

    Raises:
        AckRefusedError: That number was never given.
    """
    last = last_number(connection, stream)
    if not 0 <= through <= last:
        raise AckRefusedError(
            f"{stream} {through} was acknowledged, but {last} is the last number given"
        )
    counted = _remove(connection, stream, through, DELIVERED)
    add_counters(connection, counted)
    return counted


def shed(
    connection: sqlite3.Connection, stream: Stream, need_bytes: int, reason: str
) -> Counter[str]:
    """Drop the oldest rows that weigh about `need_bytes`; declare the gap."""
    rows = connection.execute(
        f"SELECT seq, time_ns, length(content) FROM outbox_{stream}"  # noqa: S608 - a closed enum
        " ORDER BY seq LIMIT ?",
        (_SHED_ROWS,),
    ).fetchall()
    weights = accumulate(length + ROW_BYTES for _, _, length in rows)
    dropped = rows[: sum(weight < need_bytes for weight in weights) + 1]
    if not dropped:
        return Counter()
    times = [time_ns for _, time_ns, _ in dropped]
    gap = Gap(
        what=stream,
        reason=reason,
        from_ns=min(times),
        to_ns=max(times),
        count=len(dropped),
        first=dropped[0][0],
        through=dropped[-1][0],
    )
    counted = _remove(connection, stream, gap.through, DECLARED_GAPS)
    counted.update(insert_gap(connection, gap))
    add_counters(connection, counted)
    return counted


def last_number(connection: sqlite3.Connection, stream: Stream) -> int:
    """Return the last number ever given in a stream; 0 before the first."""
    row = connection.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = ?", (f"outbox_{stream}",)
    ).fetchone()
    return 0 if row is None else int(row[0])


def oldest(connection: sqlite3.Connection) -> dict[Stream, int | None]:
    """Return the time of the oldest row of each stream."""
    found: dict[Stream, int | None] = {}
    for stream in Stream:
        row = connection.execute(
            f"SELECT time_ns FROM outbox_{stream} ORDER BY seq LIMIT 1"  # noqa: S608 - a closed enum
        ).fetchone()
        found[stream] = None if row is None else row[0]
    return found


def _remove(
    connection: sqlite3.Connection, stream: Stream, through: int, counter: str
) -> Counter[str]:
    rows, content_bytes = connection.execute(
        f"SELECT count(*), coalesce(sum(length(content)), 0) FROM outbox_{stream}"  # noqa: S608 - a closed enum
        " WHERE seq <= ?",
        (through,),
    ).fetchone()
    connection.execute(f"DELETE FROM outbox_{stream} WHERE seq <= ?", (through,))  # noqa: S608 - a closed enum
    weight = content_bytes + rows * ROW_BYTES
    return Counter(
        {
            outbox_counter(stream, counter): rows,
            outbox_counter(stream, PENDING_BYTES): -weight,
        }
    )
