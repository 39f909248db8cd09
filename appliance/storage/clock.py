"""The record of the clock's eras, and times corrected by it when they are read."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.era import ERAS, NS_PER_US, ClockOffset, Era
from appliance.storage.chunks import stacked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from appliance.domain.batch import TimeColumn
    from appliance.storage.chunks import Columns

RECORDS_MAX = 10_000
"""Records that are kept: a clock that is set all day must fill no disk."""
OFFSETS_SQL = """
SELECT era, boot_id, from_monotonic_ns, to_monotonic_ns, from_ns, to_ns, offset_ns
FROM clock WHERE offset_ns IS NOT NULL ORDER BY id
"""
_ERAS_SQL = """
SELECT era, boot_id, from_monotonic_ns, shift_ns
FROM clock WHERE shift_ns IS NOT NULL ORDER BY id
"""


def read_eras(connection: sqlite3.Connection) -> tuple[Era, ...]:
    """Return every era, oldest first."""
    return tuple(Era(*row) for row in connection.execute(_ERAS_SQL))


def read_offsets(connection: sqlite3.Connection) -> tuple[ClockOffset, ...]:
    """Return what is known of wrong eras; none in a buffer of an older release."""
    known = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE name = 'clock'"
    ).fetchone()
    return () if known is None else offsets_of(connection.execute(OFFSETS_SQL))


def offsets_of(rows: Iterable[Sequence[object]]) -> tuple[ClockOffset, ...]:
    """Return the rows of `OFFSETS_SQL` as they are meant."""
    return tuple(ClockOffset(*row) for row in rows)  # type: ignore[arg-type] # STRICT table


def note_clock(
    connection: sqlite3.Connection, era: Era | None, offsets: Sequence[ClockOffset]
) -> None:
    """Append an era that begins, and what has become known of eras."""
    if era is not None:
        connection.execute(
            "INSERT INTO clock (era, boot_id, from_monotonic_ns, shift_ns)"
            " VALUES (?, ?, ?, ?)",
            astuple(era),
        )
    connection.executemany(
        "INSERT INTO clock (era, boot_id, from_monotonic_ns, to_monotonic_ns,"
        " from_ns, to_ns, offset_ns) VALUES (?, ?, ?, ?, ?, ?, ?)",
        map(astuple, offsets),
    )
    connection.execute(
        "DELETE FROM clock WHERE id <= (SELECT max(id) FROM clock) - ?", (RECORDS_MAX,)
    )


def stamped_spans(
    from_ns: int, to_ns: int, offsets: Sequence[ClockOffset]
) -> list[tuple[int, int]]:
    """Return the spans of stamps that may be meant by times in [from_ns, to_ns]."""
    spans = [(from_ns, to_ns)]
    for each in offsets:
        low = max(from_ns - each.offset_ns, each.from_ns)
        high = min(to_ns - each.offset_ns, each.to_ns)
        if each.offset_ns and low <= high:
            spans.append((low, high))
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged


def corrected_times(times: TimeColumn, offsets: Sequence[ClockOffset]) -> TimeColumn:
    """Return the times that were meant (see `domain.era.corrected`)."""
    found = np.zeros(len(times), np.int64)
    era = times % NS_PER_US
    era[era > ERAS] = 0
    for each in offsets:
        own = (era == each.era) & (times >= each.from_ns) & (times <= each.to_ns)
        found[own] = each.offset_ns
    return times + found


def corrected_columns(
    parts: Sequence[Columns],
    offsets: Sequence[ClockOffset],
    *,
    from_ns: int,
    to_ns: int,
) -> Columns:
    """Return rows of `stamped_spans` that are meant for [from_ns, to_ns], in order."""
    rows = stacked(parts)
    if not any(each.offset_ns for each in offsets):
        return rows
    meant = corrected_times(rows.source_time_ns, offsets)
    rows = replace(rows, source_time_ns=meant).ordered()
    inside = slice(
        int(np.searchsorted(rows.source_time_ns, from_ns, side="left")),
        int(np.searchsorted(rows.source_time_ns, to_ns, side="right")),
    )
    return rows.at(inside)
