"""Reading the buffer from another process: `export`, `learn`, the demo's report.

Read only, and without a checkpoint: only the writer does those.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from appliance.domain.batch import Text, Waveform
from appliance.domain.sample import Quality
from appliance.domain.tag import Tag, TagId
from appliance.storage.chunks import Codec, Columns
from appliance.storage.connection import StoreOpenError, read_only_uri
from appliance.storage.history import BLOCKS_SQL, assemble
from appliance.storage.packing import DamagedError
from appliance.storage.records import event_of_row, read_counters, read_gaps
from appliance.wire.outbox import EventRow, Stream, decode_row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.domain.event import Event, Gap

_FOR_EVER_NS = 2**63 - 1


@contextmanager
def open_reader(path: Path) -> Iterator[BufferReader]:
    """Open a buffer for reading, while its hub runs or not.

    Raises:
        StoreOpenError: There is no buffer, or it cannot be read.
    """
    try:
        connection = sqlite3.connect(
            read_only_uri(path), uri=True, isolation_level=None
        )
        with closing(connection):
            connection.execute("PRAGMA wal_autocheckpoint=0")
            connection.execute("SELECT 1 FROM meta")
            yield BufferReader(connection)
    except sqlite3.Error as error:
        raise StoreOpenError(f"{path}: {error}") from error


class BufferReader:
    """What is committed. Methods that unpack raise DamagedError for damaged blocks."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def tags(self) -> dict[TagId, Tag]:
        """Return every tag ever registered, by name."""
        rows = self._connection.execute(
            "SELECT name, engineering_units, range_low, range_high, description"
            " FROM tag ORDER BY id"
        )
        return {TagId(row[0]): Tag(TagId(row[0]), *row[1:]) for row in rows}

    def columns(
        self, tag: TagId, *, from_ns: int = 0, to_ns: int = _FOR_EVER_NS
    ) -> Columns:
        """Return all rows of a tag with source times in [from_ns, to_ns], in order.

        An unknown tag has none. Where raw samples were reduced to roll-ups, the
        rows are the lowest and the highest value of each period.
        """
        number = self._number(tag)
        blocks = self._connection.execute(
            BLOCKS_SQL, {"tag": number, "from": from_ns, "to": to_ns}
        ).fetchall()
        columns, damaged = assemble(blocks, number, from_ns=from_ns, to_ns=to_ns)
        if damaged:
            raise DamagedError(f"{tag}: {damaged} blocks are damaged")
        return columns

    def waveforms(
        self, tag: TagId, *, from_ns: int = 0, to_ns: int = _FOR_EVER_NS
    ) -> Iterator[Waveform]:
        """Yield the waveforms of a tag that start in [from_ns, to_ns], in order."""
        codec = Codec()
        rows = self._connection.execute(
            "SELECT tag, start_ns, sample_rate_hz, points, quality, status, content"
            " FROM waveform WHERE tag = ? AND start_ns BETWEEN ? AND ?"
            " ORDER BY start_ns, id",
            (self._number(tag), from_ns, to_ns),
        )
        for number, start_ns, rate_hz, points, quality, status, content in rows:
            yield Waveform(
                tag=number,
                start_ns=start_ns,
                sample_rate_hz=rate_hz,
                points=codec.unpack_points(content, points),
                quality=Quality(quality),
                status=status,
            )

    def waveform_points(self) -> int:
        """Return how many points all stored waveforms have."""
        (points,) = self._connection.execute(
            "SELECT coalesce(sum(points), 0) FROM waveform"
        ).fetchone()
        return int(points)

    def texts(
        self, tag: TagId, *, from_ns: int = 0, to_ns: int = _FOR_EVER_NS
    ) -> Iterator[Text]:
        """Yield the texts of a tag in [from_ns, to_ns], in order."""
        rows = self._connection.execute(
            "SELECT tag, source_time_ns, quality, status, is_integer, content"
            " FROM text WHERE tag = ? AND source_time_ns BETWEEN ? AND ?"
            " ORDER BY source_time_ns, id",
            (self._number(tag), from_ns, to_ns),
        )
        for number, time_ns, quality, status, is_integer, content in rows:
            words = content.decode("utf-8", "surrogatepass")
            yield Text(
                tag=number,
                source_time_ns=time_ns,
                content=int(words) if is_integer else words,
                quality=Quality(quality),
                status=status,
            )

    def events(
        self, *, from_ns: int = 0, to_ns: int = _FOR_EVER_NS
    ) -> tuple[Event, ...]:
        """Return the events of [from_ns, to_ns] in the order they were committed."""
        rows = self._connection.execute(
            "SELECT content FROM event WHERE time_ns BETWEEN ? AND ? ORDER BY seq",
            (from_ns, to_ns),
        )
        decoded = (decode_row(Stream.EVENT, content) for (content,) in rows)
        return tuple(event_of_row(row) for row in decoded if isinstance(row, EventRow))

    def gaps(self) -> tuple[Gap, ...]:
        """Return every declared gap, oldest declaration first."""
        return read_gaps(self._connection)

    def unfilled(self) -> dict[TagId, int]:
        """Return which tags still lack something, and since when."""
        rows = self._connection.execute(
            "SELECT name, from_ns FROM unfilled JOIN tag ON tag.id = unfilled.tag"
        )
        return {TagId(name): from_ns for name, from_ns in rows}

    def counters(self) -> dict[str, int]:
        """Return the committed counters."""
        return read_counters(self._connection)

    def _number(self, tag: TagId) -> int:
        row = self._connection.execute(
            "SELECT id FROM tag WHERE name = ?", (tag,)
        ).fetchone()
        return 0 if row is None else int(row[0])
