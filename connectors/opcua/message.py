"""One notification message, as it came over the wire, to one batch. Pure.

`notification.decode` does the same for what asyncua has already made objects of; both
say the same of the same bytes, but for times, which here are exact to 100 ns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary

from appliance.domain.batch import Text, batch_of, judged
from appliance.domain.sample import quality_of_status
from connectors.opcua.loose import content_of
from connectors.opcua.notification import OVERFLOW, burst, is_array, points_of
from connectors.opcua.table import Loose, columns_of, times_ns
from connectors.opcua.values import (
    STATUS_BAD_NO_DATA,
    STATUS_BAD_TYPE_MISMATCH,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from appliance.domain.batch import Batch, TimeColumn, Waveform
    from connectors.opcua.notification import Item
    from connectors.opcua.published import Published
    from connectors.opcua.table import Columns

STATUS_BAD_DECODING_ERROR = 0x8007_0000
"""The value is a structure that could not be read (OPC UA BadDecodingError)."""
_BAD = 31  # the bit that makes a status bad


@dataclass(frozen=True, slots=True)
class Decoded:
    """A message as a batch.

    `overflows` of its values say that others before them were lost in the server.
    """

    batch: Batch
    overflows: int = 0


class ItemTable:
    """The items of a subscription as columns, to be found by client handle."""

    def __init__(self, items: Mapping[int, Item]) -> None:
        handles = sorted(items)
        self.items = tuple(items[handle] for handle in handles)
        tags = [item.tag for item in self.items]
        self._handle = np.array(handles, np.uint32)
        self.number = np.array([item.number for item in self.items], np.uint32)
        self.low = np.array([tag.range_low for tag in tags], np.float64)
        self.high = np.array([tag.range_high for tag in tags], np.float64)
        self.picked = np.array([item.pick is not None for item in self.items], np.bool_)

    def find(
        self, handle: NDArray[np.uint32]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the place of each handle, and whether it is known at all."""
        if not self.items:
            nowhere = np.zeros(len(handle), np.int64)
            return nowhere, np.zeros(len(handle), np.bool_)
        place = np.searchsorted(self._handle, handle)
        place[place == len(self.items)] = 0
        return place, self._handle[place] == handle


def decode_message(
    message: Published, table: ItemTable, *, group: str, receive_ns: int
) -> Decoded:
    """Return all changes of one message; without changes it is a keep-alive.

    Raises:
        MalformedMessageError: The records are not what the message claims.
    """
    columns = columns_of(message.body, message.changes)
    rows = _Rows(message.body, columns, table, receive_ns)
    lost = int(((columns.status & OVERFLOW) == OVERFLOW).sum())
    return Decoded(rows.batch(group), lost)


class _Rows:
    """The columns of a message on their way to a batch."""

    def __init__(
        self, body: bytes, columns: Columns, table: ItemTable, receive_ns: int
    ) -> None:
        self._body = body
        self._columns = columns
        self._table = table
        self._receive_ns = receive_ns
        self._place, self._kept = table.find(columns.handle)
        self._server_ns = times_ns(columns.server)
        self._time_ns = _best(times_ns(columns.source), self._server_ns, receive_ns)
        self._status = columns.status.copy()
        self._texts: list[Text] = []
        self._waveforms: list[Waveform] = []

    def batch(self, group: str) -> Batch:
        columns = self._columns
        if columns.missing.any():
            self._make_bad(columns.missing, STATUS_BAD_NO_DATA)
        for row, found in self._aside():
            if isinstance(found, Loose):
                self._take(found)
            elif self._item(row).pick is None:
                assert isinstance(found, int)
                self._set_aside(row, found)
            else:
                self._pick(row, found)
        return self._joined(group)

    def _aside(self) -> Iterator[tuple[int, object]]:
        """Yield the rows that numpy cannot settle, in the order of delivery."""
        columns, found = self._columns, dict[int, object]()
        if self._table.picked.any():
            rows = np.flatnonzero(self._kept & self._table.picked[self._place])
            for row in rows.tolist():
                missing = columns.missing[row]
                found[row] = None if missing else float(columns.value[row])
        found |= columns.exact
        found |= {loose.row: loose for loose in columns.loose}
        for row in sorted(found):
            if self._kept[row]:
                yield row, found[row]

    def _joined(self, group: str) -> Batch:
        kept = slice(None) if self._kept.all() else self._kept
        place, value = self._place[kept], self._columns.value[kept]
        table = self._table
        low = high = np.zeros(0)
        if len(place):
            low, high = table.low[place], table.high[place]
        quality, status = judged(value, self._status[kept], low=low, high=high)
        return batch_of(
            table.number[place] if len(place) else np.zeros(0, np.uint32),
            value,
            source_time_ns=self._time_ns[kept],
            server_time_ns=self._server_ns[kept],
            receive_time_ns=self._receive_ns,
            quality=quality,
            status=status,
            group=group,
            waveforms=tuple(self._waveforms),
            texts=tuple(self._texts),
        )

    def _make_bad(self, rows: NDArray[np.bool_], reason: int) -> None:
        """Give these rows a reason, unless the server has given one."""
        self._status[rows & (self._status >> _BAD == 0)] = reason

    def _pick(self, row: int, content: object) -> None:
        pick = self._item(row).pick
        assert pick is not None
        part, status = pick(content, int(self._status[row]))
        self._status[row] = status
        self._settle(row, part)

    def _take(self, loose: Loose) -> None:
        if self._item(loose.row).pick is not None:
            self._pick(loose.row, self._object(loose))
        else:
            content = content_of(self._body, loose.start, loose.end)
            self._settle(loose.row, content)

    def _object(self, loose: Loose) -> object:
        """Return what asyncua makes of it: structures are its business."""
        try:
            variant = Buffer(self._body[loose.start : loose.end])
            return variant_from_binary(variant).Value
        except Exception:  # noqa: BLE001 - its parsers raise almost anything
            self._status[loose.row] = STATUS_BAD_DECODING_ERROR
            return None

    def _settle(self, row: int, content: object) -> None:
        """Make a burst, a text, a number or nothing of what a row holds."""
        item = self._item(row)
        if item.sample_rate_hz is not None and is_array(content):
            self._kept[row] = False
            time_ns, status = int(self._time_ns[row]), int(self._status[row])
            wave = burst(item, points_of(content), time_ns=time_ns, status=status)
            self._waveforms.append(wave)
            return
        match plain(content):
            case float() as value:
                self._columns.value[row] = value
            case str() | int() as text:
                self._set_aside(row, text)
            case None:
                self._columns.value[row] = np.nan
                if not self._status[row] >> _BAD:
                    nothing = content is None
                    reason = STATUS_BAD_NO_DATA if nothing else STATUS_BAD_TYPE_MISMATCH
                    self._status[row] = reason

    def _set_aside(self, row: int, content: str | int) -> None:
        """Make a text of a row."""
        self._kept[row] = False
        status = int(self._status[row])
        self._texts.append(
            Text(
                self._item(row).number,
                int(self._time_ns[row]),
                content,
                quality_of_status(status),
                status,
            )
        )

    def _item(self, row: int) -> Item:
        return self._table.items[int(self._place[row])]


def _best(source_ns: TimeColumn, server_ns: TimeColumn, receive_ns: int) -> TimeColumn:
    """Return when each was measured, as well as the server knows it."""
    if source_ns.all():
        return source_ns
    known = np.where(server_ns > 0, server_ns, np.int64(receive_ns))
    return np.where(source_ns > 0, source_ns, known)
