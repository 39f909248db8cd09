"""What one group commit writes, in one transaction with its counters."""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import TYPE_CHECKING

from appliance.domain.event import Gap
from appliance.storage.chunks import Codec, pack_segment, segment_of
from appliance.storage.duplicates import without_duplicates
from appliance.storage.records import (
    ACQUISITION,
    DECLARED_GAPS,
    DUPLICATE,
    ENQUEUED,
    READ,
    REJECTED,
    STORED,
    WAVEFORM_POINTS,
    add_counters,
    insert_event,
    insert_gap,
    insert_rows,
    mark,
    outbox_counter,
)
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.domain.batch import Batch, Text, Waveform
    from appliance.domain.event import Event
    from appliance.storage.backlog import Loss, Taken

RESERVE_PART = 0.05
"""Of the quota: never taken by samples, summaries, health or snippets."""
_LOST_REASON = "the disk refused, and memory was full"


class ReserveError(sqlite3.OperationalError):
    """A commit as SQLite would refuse it on a full disk; retention makes room."""


def commit_taken(
    connection: sqlite3.Connection, taken: Taken, now_ns: int
) -> Counter[str]:
    """Write batches, outbox rows and losses; return what was counted.

    Raises:
        ReserveError: Only events and gaps may take what is left of the quota.
    """
    if taken.batches or taken.rows:
        keep_reserve(connection)
    batches = without_duplicates(connection, taken.batches)
    _insert_segment(connection, batches, now_ns)
    _insert_extras(connection, batches)
    read, stored = taken.sample_count, sum(batch.sample_count for batch in batches)
    counted = Counter({READ: read, STORED: stored})
    waveforms = (each for batch in batches for each in batch.waveforms)
    counted[WAVEFORM_POINTS] = sum(len(each.points) for each in waveforms)
    if read > stored:
        counted.update({REJECTED: read - stored, DUPLICATE: read - stored})
    for stream in Stream:
        rows = [(each.time_ns, each.content) for each in taken.rows_of(stream)]
        if rows:
            counted.update(insert_rows(connection, stream, rows))
    for what, loss in taken.losses.items():
        counted.update(_declare(connection, what, loss))
    for gap in taken.gaps:
        counted.update(insert_gap(connection, gap))
    add_counters(connection, counted)
    mark(connection, now_ns, clean_shutdown=False)
    return counted


def commit_events(
    connection: sqlite3.Connection, events: Sequence[Event]
) -> tuple[list[int], Counter[str]]:
    """Write events; return their numbers, and what was counted."""
    counted: Counter[str] = Counter()
    numbers = [insert_event(connection, event, counted) for event in events]
    add_counters(connection, counted)
    return numbers, counted


def keep_reserve(connection: sqlite3.Connection) -> None:
    """Leave the last part of the quota to events. Raises ReserveError."""
    pages, free, most = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "max_page_count")
    )
    if pages - free > (1 - RESERVE_PART) * most:
        raise ReserveError("the last part of the storage quota is kept for events")


def _insert_segment(
    connection: sqlite3.Connection, batches: Iterable[Batch], now_ns: int
) -> None:
    given = [batch for batch in batches if len(batch)]
    if not given:
        return
    segment = segment_of(given)
    times = segment.columns.source_time_ns
    connection.execute(
        "INSERT INTO segment (committed_ns, start_ns, end_ns, rows, content)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            now_ns,
            int(times.min()),
            int(times.max()),
            len(times),
            pack_segment(segment),
        ),
    )


def _insert_extras(connection: sqlite3.Connection, batches: Iterable[Batch]) -> None:
    codec = Codec()
    for batch in batches:
        connection.executemany(
            "INSERT INTO waveform (tag, start_ns, sample_rate_hz, points, quality,"
            " status, content) VALUES (?, ?, ?, ?, ?, ?, ?)",
            [_waveform_row(codec, each) for each in batch.waveforms],
        )
        connection.executemany(
            "INSERT INTO text (tag, source_time_ns, quality, status, is_integer,"
            " content) VALUES (?, ?, ?, ?, ?, ?)",
            [_text_row(each) for each in batch.texts],
        )


def _waveform_row(codec: Codec, waveform: Waveform) -> tuple[object, ...]:
    return (
        waveform.tag,
        waveform.start_ns,
        float(waveform.sample_rate_hz),
        len(waveform.points),
        int(waveform.quality),
        waveform.status,
        codec.pack_points(waveform.points),
    )


def _text_row(text: Text) -> tuple[object, ...]:
    # A PLC may send what is not text; it is kept as it came.
    content = str(text.content).encode("utf-8", "surrogatepass")
    is_integer = isinstance(text.content, int)
    return (
        text.tag,
        text.source_time_ns,
        int(text.quality),
        text.status,
        int(is_integer),
        content,
    )


def _declare(
    connection: sqlite3.Connection, what: Stream | None, loss: Loss
) -> Counter[str]:
    gap = Gap(
        what=ACQUISITION if what is None else what,
        reason=_LOST_REASON,
        from_ns=loss.from_ns,
        to_ns=loss.to_ns,
        count=loss.count,
    )
    counted = Counter(insert_gap(connection, gap))
    if what is None:
        counted.update({READ: loss.count, REJECTED: loss.count})
    else:
        enqueued = outbox_counter(what, ENQUEUED)
        counted.update({enqueued: loss.count})
        counted.update({outbox_counter(what, DECLARED_GAPS): loss.count})
    return counted
