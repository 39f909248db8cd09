"""Salvage: what can be read of a wreck comes into the buffer, in small transactions.

Streams of the outbox first (they are held back until they are whole), then events,
samples, waveforms and texts. Where a step ends is committed with it, so a salvage that
is cut short goes on at the next start.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec

from appliance.domain.event import Gap
from appliance.storage import fold
from appliance.storage.commit import keep_reserve
from appliance.storage.debts import STAGES, STREAMS
from appliance.storage.fresh import REASON, Owed, insert_row
from appliance.storage.newest import note_newest
from appliance.storage.records import (
    DECLARED_GAPS,
    DROPPED,
    ENQUEUED,
    EVENT_BYTES,
    PENDING_BYTES,
    READ,
    ROW_BYTES,
    STORED,
    add_counters,
    insert_gap,
    outbox_counter,
    record_gap,
)
from appliance.storage.wreck import FIRST
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from appliance.storage.debts import Debt
    from appliance.storage.finds import Found

_SHIFT = 2**40
"""Rows of a wreck get numbers before all others: retention takes the oldest first."""
_GAPS_MAX = 200


def merge(connection: sqlite3.Connection, debt: Debt, found: Found) -> Counter[str]:
    """Take a portion into the buffer, in the caller's transaction; count it.

    Raises:
        ReserveError: The quota has no room for samples now.
    """
    owed, counted = debt.owed, Counter[str]()
    stream = STREAMS.get(debt.table)
    if stream is not None:
        _merge_rows(connection, stream, found, owed, counted)
    elif debt.table == "event":
        _merge_events(connection, found, owed, counted)
    elif found.rows or found.blocks:
        keep_reserve(connection)
        _merge_samples(connection, debt, found, counted)
    for gap in found.damaged[:_GAPS_MAX]:
        _specify(connection, debt, gap)
    owed.problems += len(found.problems)
    if found.at is None and stream is not None:
        _close_stream(connection, stream, owed, counted)
    add_counters(connection, counted)
    _note(connection, debt, found.at)
    return counted


def _merge_rows(
    connection: sqlite3.Connection,
    stream: Stream,
    found: Found,
    owed: Owed,
    counted: Counter[str],
) -> None:
    # A number beyond all that were given is noise: it would be given a second time.
    rows = [row for row in found.rows if 1 <= row[0] <= owed.last[stream]]
    owed.problems += len(found.rows) - len(rows)
    there = [r for r in rows if insert_row(connection, f"outbox_{stream}", r)]
    owed.merged += len(there)
    again = min(len(there), owed.rows.get(stream, 0))
    owed.rows[stream] = owed.rows.get(stream, 0) - again
    counted[outbox_counter(stream, DECLARED_GAPS)] -= again
    counted[outbox_counter(stream, ENQUEUED)] += len(there) - again
    weight = sum(len(row[2]) + ROW_BYTES for row in there)
    counted[outbox_counter(stream, PENDING_BYTES)] += weight


def _merge_events(
    connection: sqlite3.Connection, found: Found, owed: Owed, counted: Counter[str]
) -> None:
    for row in found.rows:
        if not 1 <= row[0] <= owed.last[Stream.EVENT]:
            owed.problems += 1
        elif insert_row(connection, "event", row):
            counted[EVENT_BYTES] += len(row[-1]) + ROW_BYTES


def _merge_samples(
    connection: sqlite3.Connection, debt: Debt, found: Found, counted: Counter[str]
) -> None:
    samples = 0
    for period_s, block in found.blocks:
        fold.insert_blocks(connection, [block], period_s)
        samples += 0 if period_s else block.rows * len(block.values)
    note_newest(connection, found.newest)
    for row in found.rows:
        # The new number may be taken where a table was empty: then any will do.
        shifted = (row[0] - _SHIFT, *row[1:])
        samples += insert_row(connection, debt.table, shifted) or insert_row(
            connection, debt.table, (None, *row[1:])
        )
    _return(connection, debt, samples, counted)


def _return(
    connection: sqlite3.Connection, debt: Debt, samples: int, counted: Counter[str]
) -> None:
    """Samples that counted as lost are there again; unknown ones are new."""
    owed = debt.owed
    again = min(samples, owed.samples)
    owed.samples -= again
    owed.merged += samples
    counted[DROPPED] -= again
    counted.update({STORED: samples - again, READ: samples - again})
    connection.execute(
        'UPDATE gap SET "count" = "count" - ? WHERE id = ?', (again, debt.gap)
    )


def _specify(connection: sqlite3.Connection, debt: Debt, gap: Gap) -> None:
    """A block whose times are known is a gap of its own."""
    if debt.gap is None or debt.owed.samples < gap.count:
        return
    debt.owed.samples -= gap.count
    record_gap(connection, gap)
    connection.execute(
        'UPDATE gap SET "count" = "count" - ? WHERE id = ?', (gap.count, debt.gap)
    )


def _close_stream(
    connection: sqlite3.Connection, stream: Stream, owed: Owed, counted: Counter[str]
) -> None:
    """Tell the cloud which numbers of a stream it need not wait for."""
    last, missing = owed.last[stream], owed.rows.get(stream, 0)
    numbers = [
        row[0]
        for row in connection.execute(
            f"SELECT seq FROM outbox_{stream} WHERE seq <= ? ORDER BY seq",  # noqa: S608 - a closed enum
            (last,),
        )
    ]
    for first, through in _holes(numbers, owed, stream, missing=missing):
        gap = Gap(
            what=stream,
            reason=REASON,
            from_ns=owed.from_ns,
            to_ns=owed.to_ns,
            count=min(missing, through - first + 1),
            first=first,
            through=through,
        )
        missing -= gap.count
        counted.update(insert_gap(connection, gap))


def _holes(
    numbers: list[int], owed: Owed, stream: Stream, *, missing: int
) -> Iterator[tuple[int, int]]:
    """Yield (first, through) of the numbers that were given and are not there.

    Where it is not known what was delivered, some that were may be among them: a
    number that is told once too often is settled already, one that is not told
    would be waited for for ever.
    """
    last = owed.last[stream]
    given = min(owed.given[stream], last)
    sure = not owed.new_epoch and given == owed.enqueued.get(stream)
    if not numbers:
        if last > given or missing:
            yield max(1, given - missing + 1) if sure or not missing else 1, last
        return
    inside = [(a + 1, b - 1) for a, b in pairwise(numbers) if b > a + 1]
    before = missing - sum(through - first + 1 for first, through in inside)
    if sure:
        first = max(1, numbers[0] - before + max(0, given - numbers[-1]))
    else:
        first = 1 if owed.new_epoch or before > 0 else numbers[0]
    if first < numbers[0]:
        yield first, numbers[0] - 1
    yield from inside
    if numbers[-1] < last:
        yield numbers[-1] + 1, last


def _note(connection: sqlite3.Connection, debt: Debt, at: int | None) -> None:
    """Write down how far it is; at the end, that nothing is owed any more."""
    stage = debt.stage + (at is None)
    if stage < len(STAGES):
        connection.execute(
            "UPDATE salvage SET stage = ?, at = ?, owed = ? WHERE file = ?",
            (
                stage,
                FIRST if at is None else at,
                msgspec.json.encode(debt.owed).decode(),
                debt.file,
            ),
        )
        return
    connection.execute("DELETE FROM salvage WHERE file = ?", (debt.file,))
    connection.execute('DELETE FROM gap WHERE id = ? AND "count" = 0', (debt.gap,))
