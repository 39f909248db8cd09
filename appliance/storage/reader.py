"""Reading the buffer from another process: `export`, `learn`, the demo's report.

Read only, and without a checkpoint: only the writer does those.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from appliance.domain.batch import Text, Waveform
from appliance.domain.era import corrected
from appliance.domain.event import EventKind
from appliance.domain.sample import Quality
from appliance.domain.tag import Tag, TagId
from appliance.storage.chain import anchors_broken, head, verify_chain
from appliance.storage.chunks import Codec, Columns
from appliance.storage.clock import corrected_columns, read_offsets, stamped_spans
from appliance.storage.connection import SQLITE_ERRORS, StoreOpenError
from appliance.storage.history import (
    BLOCKS_SQL,
    ROWS_SQL,
    assemble,
    history_of,
    statement_for,
)
from appliance.storage.journal import (
    event_of,
    lately,
    of_kind,
    oldest_ns,
    recent,
    verdicts,
)
from appliance.storage.packing import DamagedError
from appliance.storage.reading import connect_to_read
from appliance.storage.records import (
    WAVEFORM_POINTS,
    read_counters,
    read_gaps,
)
from appliance.storage.remembered import read_origins, read_words

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from appliance.domain.era import ClockOffset
    from appliance.domain.event import Event, Gap
    from appliance.domain.verdict import Verdict
    from appliance.storage.chain import Head, Verified
    from appliance.storage.history import History

_FOR_EVER_NS = 2**63 - 1


@contextmanager
def open_reader(path: Path) -> Iterator[BufferReader]:
    """Open a buffer for reading, while its hub runs or not.

    Raises:
        StoreOpenError: There is no buffer, or it cannot be read.
    """
    try:
        with closing(connect_to_read(path)) as connection:
            connection.execute("SELECT 1 FROM meta")
            yield BufferReader(connection)
    except SQLITE_ERRORS as error:
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
        offsets = self.clock_offsets()
        parts = []
        for low, high in stamped_spans(from_ns, to_ns, offsets):
            blocks = self._connection.execute(
                BLOCKS_SQL, {"tag": number, "from": low, "to": high}
            ).fetchall()
            columns, damaged = assemble(blocks, number, from_ns=low, to_ns=high)
            if damaged:
                raise DamagedError(f"{tag}: {damaged} blocks are damaged")
            parts.append(columns)
        return corrected_columns(parts, offsets, from_ns=from_ns, to_ns=to_ns)

    def history(self, tag: TagId, from_ns: int, to_ns: int, *, points: int) -> History:
        """Return a tag's rows in [from_ns, to_ns], thinned; extremes survive."""
        number, offsets = self._number(tag), self.clock_offsets()
        parts, damaged = [], 0
        for low, high in stamped_spans(from_ns, to_ns, offsets):
            columns, broken = self._assembled(number, low, high, points=points)
            parts.append(columns)
            damaged += broken
        whole = corrected_columns(parts, offsets, from_ns=from_ns, to_ns=to_ns)
        return history_of(whole, points, damaged)

    def clock_offsets(self) -> tuple[ClockOffset, ...]:
        """Return what is known of wrong clocks; times of columns have it applied."""
        return read_offsets(self._connection)

    def waveforms(
        self, tag: TagId, *, from_ns: int = 0, to_ns: int = _FOR_EVER_NS
    ) -> Iterator[Waveform]:
        """Yield the waveforms of a tag that start in [from_ns, to_ns], in order."""
        codec = Codec()
        rows = self._connection.execute(
            "SELECT tag, start_ns, sample_rate_hz, points, quality, status, content"
            " FROM waveform WHERE tag = ? AND start_ns BETWEEN ? AND ?"
            " ORDER BY start_ns, id",
            (self._number(tag), *self._widest(from_ns, to_ns)),
        )
        offsets = self.clock_offsets()
        for number, start_ns, rate_hz, points, quality, status, content in rows:
            meant_ns = corrected(start_ns, offsets)
            if not from_ns <= meant_ns <= to_ns:
                continue
            yield Waveform(
                tag=number,
                start_ns=meant_ns,
                sample_rate_hz=rate_hz,
                points=codec.unpack_points(content, points),
                quality=Quality(quality),
                status=status,
            )

    def waveform_points(self) -> int:
        """Return how many points of waveforms were ever stored."""
        return self.counters().get(WAVEFORM_POINTS, 0)

    def texts(
        self, tag: TagId, *, from_ns: int = 0, to_ns: int = _FOR_EVER_NS
    ) -> Iterator[Text]:
        """Yield the texts of a tag in [from_ns, to_ns], in order."""
        rows = self._connection.execute(
            "SELECT tag, source_time_ns, quality, status, is_integer, content"
            " FROM text WHERE tag = ? AND source_time_ns BETWEEN ? AND ?"
            " ORDER BY source_time_ns, id",
            (self._number(tag), *self._widest(from_ns, to_ns)),
        )
        offsets = self.clock_offsets()
        for number, time_ns, quality, status, is_integer, content in rows:
            meant_ns = corrected(time_ns, offsets)
            if not from_ns <= meant_ns <= to_ns:
                continue
            words = content.decode("utf-8", "surrogatepass")
            yield Text(
                tag=number,
                source_time_ns=meant_ns,
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
            self._widest(from_ns, to_ns),
        )
        offsets = self.clock_offsets()
        events = (event_of(content) for (content,) in rows)
        meant = (replace(e, time_ns=corrected(e.time_ns, offsets)) for e in events)
        return tuple(event for event in meant if from_ns <= event.time_ns <= to_ns)

    def recent_events(
        self,
        limit: int,
        *,
        before_seq: int | None = None,
        kinds: Sequence[str] = (),
        alarm: str = "",
    ) -> list[tuple[int, Event]]:
        """Return the newest events below a number, newest first, each with its own.

        Of `kinds`, and of the one `alarm`, where they are given.
        """
        found = recent(
            self._connection, limit, before_seq=before_seq, kinds=kinds, alarm=alarm
        )
        offsets = self.clock_offsets()
        return [
            (seq, replace(event, time_ns=corrected(event.time_ns, offsets)))
            for seq, event in found
        ]

    def oldest_event_ns(self) -> int | None:
        """Return the time of the first event that is recorded, as stamped."""
        return oldest_ns(self._connection)

    def events_of_kind(self, kind: EventKind, *, from_ns: int = 0) -> Iterator[Event]:
        """Yield the events of a kind, as stamped, in the order of their commits."""
        return of_kind(self._connection, kind, from_ns=from_ns)

    def events_lately(
        self, kind: EventKind, *, from_ns: int, limit: int
    ) -> list[Event]:
        """Return the newest events of a kind since a time, as stamped, in order."""
        return lately(self._connection, kind, from_ns=from_ns, limit=limit)

    def journal_head(self) -> Head | None:
        """Return the newest link of the chain over the events."""
        return head(self._connection)

    def verify_journal(self, anchors: Iterable[Event] = ()) -> Verified:
        """Walk over the chain; hold it against `anchors`, and against its own."""
        self._connection.execute("BEGIN")
        try:
            found = verify_chain(self._connection)
            if not found.problem:
                own = of_kind(self._connection, EventKind.SYSTEM)
                broken = anchors_broken(chain(anchors, own), self._connection)
                if broken is not None:
                    found = replace(found, broken_seq=broken[0], problem=broken[1])
        finally:
            self._connection.execute("ROLLBACK")
        return found

    def verdicts(self) -> tuple[Verdict, ...]:
        """Return what people judged of alarms and anomalies, oldest first."""
        return tuple(verdicts(self._connection))

    def last_words(self, kind: EventKind) -> dict[str, Event]:
        """Return the last event of each alarm (by its id) or anomaly (by asset)."""
        words = read_words(self._connection, kind)
        return {subject: event_of(content) for subject, content in words.items()}

    def origins(self) -> dict[str, int]:
        """Return the highest number heard of each other process's epoch."""
        return read_origins(self._connection)

    def untold_gaps(self) -> tuple[Gap, ...]:
        """Return the gaps of acquisition that no event tells yet."""
        return read_gaps(self._connection, "WHERE id IN (SELECT gap FROM untold)")

    def gaps(self) -> tuple[Gap, ...]:
        """Return every declared gap, oldest declaration first."""
        return read_gaps(self._connection)

    def tier(self, period_s: int) -> tuple[int, int]:
        """Return bytes and rows of a tier: 0 for raw samples, or a roll-up's period."""
        weight, rows = self._connection.execute(
            "SELECT coalesce(sum(length(chunk.content)), 0),"
            " coalesce(sum(times.rows), 0) FROM chunk JOIN times"
            " ON chunk.times = times.id WHERE chunk.period_s = ?",
            (period_s,),
        ).fetchone()
        return int(weight), int(rows)

    def unfilled(self) -> dict[TagId, int]:
        """Return which tags still lack something, and since when."""
        rows = self._connection.execute(
            "SELECT name, from_ns FROM unfilled JOIN tag ON tag.id = unfilled.tag"
        )
        return {TagId(name): from_ns for name, from_ns in rows}

    def counters(self) -> dict[str, int]:
        """Return the committed counters."""
        return read_counters(self._connection)

    def _assembled(
        self, number: int, from_ns: int, to_ns: int, *, points: int
    ) -> tuple[Columns, int]:
        span = {"tag": number, "from": from_ns, "to": to_ns}
        (rows,) = self._connection.execute(ROWS_SQL, span).fetchone()
        for statement in dict.fromkeys((statement_for(rows, points), BLOCKS_SQL)):
            blocks = self._connection.execute(statement, span).fetchall()
            columns, damaged = assemble(blocks, number, from_ns=from_ns, to_ns=to_ns)
            if not damaged:
                break
        return columns, damaged

    def _widest(self, from_ns: int, to_ns: int) -> tuple[int, int]:
        """Return one span of all stamps that may be meant."""
        spans = stamped_spans(from_ns, to_ns, self.clock_offsets())
        return spans[0][0], spans[-1][1]

    def _number(self, tag: TagId) -> int:
        row = self._connection.execute(
            "SELECT id FROM tag WHERE name = ?", (tag,)
        ).fetchone()
        return 0 if row is None else int(row[0])
