"""From where each tag goes on after our own restart: what is stored, and whole.

Rows that we made ourselves when a source was lost bear our time, not the source's, so
they count for nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION
from appliance.storage.chunks import unpack_segment
from appliance.storage.packing import DamagedError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from appliance.storage.chunks import Columns

_LAST_CHUNKS = 8
"""So many of the latest chunks of a tag are looked at: they may overlap."""
# Where nothing was noted yet: a buffer of an older release, or a salvaged one.
_CHUNKS_SQL = f"""
SELECT tag.id, (
    SELECT max(end_ns) FROM (
        SELECT times.end_ns FROM chunk JOIN times ON chunk.times = times.id
        WHERE chunk.tag = tag.id ORDER BY chunk.start_ns DESC LIMIT {_LAST_CHUNKS}
    )
) FROM tag WHERE id NOT IN (SELECT tag FROM newest)
"""  # noqa: S608 - a number of ours
_EXTRAS_SQL = """
SELECT tag, max(start_ns) FROM waveform GROUP BY tag
UNION ALL SELECT tag, max(source_time_ns) FROM text GROUP BY tag
"""


def newest_of(tags: Mapping[int, Columns]) -> dict[int, int]:
    """Return the newest time that a source gave, of each tag that has one."""
    found = {}
    for tag, columns in tags.items():
        given = columns.status != STATUS_BAD_NO_COMMUNICATION
        if given.any():
            found[tag] = int(columns.source_time_ns[given].max())
    return found


def note_newest(connection: sqlite3.Connection, newest: Mapping[int, int]) -> None:
    """Remember times with the fold that took their rows."""
    connection.executemany(
        "INSERT INTO newest VALUES (?, ?) ON CONFLICT (tag) DO UPDATE"
        " SET source_time_ns = max(source_time_ns, excluded.source_time_ns)",
        newest.items(),
    )


def note_unfilled(connection: sqlite3.Connection, from_ns: Mapping[int, int]) -> None:
    """Remember which tags still lack something, and since when, instead of before."""
    connection.execute("DELETE FROM unfilled")
    connection.executemany("INSERT INTO unfilled VALUES (?, ?)", from_ns.items())


def resume_points(connection: sqlite3.Connection) -> dict[int, int]:
    """Return up to which source time the past of each tag is here and whole."""
    found = {tag: ns for tag, ns in connection.execute(_CHUNKS_SQL) if ns is not None}
    found.update(connection.execute("SELECT tag, source_time_ns FROM newest"))
    for tag, time_ns in connection.execute(_EXTRAS_SQL):
        found[tag] = max(time_ns, found.get(tag, time_ns))
    _add_segments(connection, found)
    for tag, from_ns in connection.execute("SELECT tag, from_ns FROM unfilled"):
        found[tag] = min(from_ns, found.get(tag, from_ns))
    return found


def _add_segments(connection: sqlite3.Connection, found: dict[int, int]) -> None:
    """Add what is committed and not folded yet."""
    for rows, content in connection.execute("SELECT rows, content FROM segment"):
        try:
            segment = unpack_segment(content, rows)
        except DamagedError:
            continue  # told by the fold, and by `buffer verify`
        given = segment.columns.status != STATUS_BAD_NO_COMMUNICATION
        tag, time_ns = segment.tag[given], segment.columns.source_time_ns[given]
        order = np.lexsort((time_ns, tag))
        tag, time_ns = tag[order], time_ns[order]
        last = np.flatnonzero(np.diff(tag, append=np.uint32(0)) != 0)
        last = np.union1d(last, [len(tag) - 1] if len(tag) else []).astype(np.intp)
        for number, ns in zip(tag[last].tolist(), time_ns[last].tolist(), strict=True):
            found[number] = max(ns, found.get(number, ns))
