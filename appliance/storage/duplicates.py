"""A row of history that is here already is not stored again.

A source that fills a hole may send again what it sent before our restart, or what had
come live. A historical row of the same tag and the same microsecond as a stored one is
that row: some protocols give history in coarser steps than live values. Rows of one
batch are not held against each other, and live rows against nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from appliance.storage.chunks import Codec, unpack_segment
from appliance.storage.packing import DamagedError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from appliance.domain.batch import Batch, TimeColumn

_NS_PER_US = 1000
_CHUNKS_SQL = """
SELECT times.id, times.rows, times.content FROM chunk
JOIN times ON chunk.times = times.id WHERE chunk.tag = ? AND chunk.period_s = 0
AND chunk.start_ns <= ? AND times.end_ns >= ?
"""
_SEGMENTS_SQL = """
SELECT rows, content FROM segment WHERE start_ns <= ? AND end_ns >= ?
"""


def without_duplicates(
    connection: sqlite3.Connection, batches: Sequence[Batch]
) -> list[Batch]:
    """Return the batches, historical ones without what is stored or came before."""
    if not any(batch.historical for batch in batches):
        return list(batches)
    stored = _Stored(connection, [batch for batch in batches if batch.historical])
    kept = []
    for batch in batches:
        fresh = stored.fresh(batch) if batch.historical else batch
        stored.add(fresh)
        kept.append(fresh)
    return kept


class _Stored:
    """The times, in microseconds, of the rows that historical ones are held against."""

    def __init__(self, connection: sqlite3.Connection, given: Sequence[Batch]) -> None:
        self._connection = connection
        self._known: defaultdict[int, list[TimeColumn]] = defaultdict(list)
        self._extras: set[tuple[str, int, int]] = set()
        spans: dict[int, tuple[int, int]] = {}
        for batch in given:
            for tag in np.unique(batch.tag).tolist():
                times = batch.source_time_ns[batch.tag == tag]
                low, high = spans.get(tag, (int(times[0]), int(times[0])))
                spans[tag] = min(low, int(times.min())), max(high, int(times.max()))
        self._look(spans)

    def fresh(self, batch: Batch) -> Batch:
        """Return what of a historical batch is not known."""
        known = np.zeros(len(batch), np.bool_)
        for tag in np.unique(batch.tag).tolist():
            mine = batch.tag == tag
            if self._known[tag]:
                times = batch.source_time_ns[mine] // _NS_PER_US
                known[mine] = np.isin(times, np.concatenate(self._known[tag]))
        waveforms = tuple(
            each
            for each in batch.waveforms
            if not self._is_there("waveform", "start_ns", each.tag, each.start_ns)
        )
        texts = tuple(
            each
            for each in batch.texts
            if not self._is_there(
                "text", "source_time_ns", each.tag, each.source_time_ns
            )
        )
        return replace(batch.where(~known), waveforms=waveforms, texts=texts)

    def add(self, batch: Batch) -> None:
        """Note a batch of this commit."""
        for tag in np.unique(batch.tag).tolist():
            self._note(tag, batch.source_time_ns[batch.tag == tag])
        for waveform in batch.waveforms:
            self._extras.add(("waveform", waveform.tag, waveform.start_ns))
        for text in batch.texts:
            self._extras.add(("text", text.tag, text.source_time_ns))

    def _look(self, spans: dict[int, tuple[int, int]]) -> None:
        """Read what lies near the rows; what is damaged cannot be held against any."""
        codec = Codec()
        seen: dict[int, TimeColumn] = {}
        for tag, (low, high) in spans.items():
            near = (high + _NS_PER_US, low - _NS_PER_US)
            for times_id, rows, content in self._connection.execute(
                _CHUNKS_SQL, (tag, *near)
            ):
                if times_id not in seen:
                    seen[times_id] = _times(codec, content, rows)
                self._note(tag, seen[times_id])
        if spans:
            low = min(span[0] for span in spans.values()) - _NS_PER_US
            high = max(span[1] for span in spans.values()) + _NS_PER_US
            for rows, content in self._connection.execute(_SEGMENTS_SQL, (high, low)):
                self._note_segment(rows, content, np.array(list(spans), np.uint32))

    def _note_segment(
        self, rows: int, content: bytes, tags: NDArray[np.uint32]
    ) -> None:
        try:
            segment = unpack_segment(content, rows)
        except DamagedError:
            return
        for tag in np.intersect1d(segment.tag, tags).tolist():
            self._note(tag, segment.columns.source_time_ns[segment.tag == tag])

    def _note(self, tag: int, times: TimeColumn) -> None:
        self._known[tag].append(times // _NS_PER_US)

    def _is_there(self, table: str, column: str, tag: int, time_ns: int) -> bool:
        if (table, tag, time_ns) in self._extras:
            return True
        found = self._connection.execute(
            f"SELECT 1 FROM {table} WHERE tag = ? AND {column} = ?",  # noqa: S608 - names of ours
            (tag, time_ns),
        ).fetchone()
        return found is not None


def _times(codec: Codec, content: bytes, rows: int) -> TimeColumn:
    try:
        return codec.unpack_times(content, rows)
    except DamagedError:
        return np.empty(0, np.int64)
