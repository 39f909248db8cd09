"""History of scalar tags: the last minutes, in fixed memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from asyncua import ua
from asyncua.server.history import HistoryStorageInterface

if TYPE_CHECKING:
    from asyncua.common.events import Event
    from asyncua.common.node import Node
    from numpy.typing import NDArray

DEPTH = 6_000  # ten minutes at ten values a second
PAGE_ROWS = 1_000
_EPOCH = ua.DateTime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US = 1_000


def utc_datetime(utc_ns: int) -> ua.DateTime:
    """The library's form of a time; OPC UA counts 100 ns, datetime microseconds."""
    return _EPOCH + timedelta(microseconds=utc_ns // _NS_PER_US)


def _utc_us(when: datetime) -> int:
    aware = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def _interval(start: datetime | None, end: datetime | None) -> tuple[int, int, bool]:
    """Bounds in microseconds and whether to go backwards (OPC UA Part 11, 6.5.3)."""
    limits = np.iinfo(np.int64)
    unset = (None, ua.get_win_epoch())
    first = limits.min if start is None or start in unset else _utc_us(start)
    last = limits.max if end is None or end in unset else _utc_us(end)
    if start in unset:
        return limits.min, last, True
    return min(first, last), max(first, last), first > last


class Ring:
    """One tag's last `depth` values; the oldest makes room for the newest."""

    def __init__(self, variant: ua.VariantType, depth: int = DEPTH) -> None:
        self.variant = variant
        self._depth = depth
        self._recorded = 0
        self._utc_us = np.zeros(depth, dtype=np.int64)
        self._value = np.zeros(depth)
        self._status = np.zeros(depth, dtype=np.uint32)

    def append(self, utc_us: int, value: float, status: int) -> None:
        """Remember one value."""
        slot = self._recorded % self._depth
        self._utc_us[slot] = utc_us
        self._value[slot] = value
        self._status[slot] = status
        self._recorded += 1

    def between(self, low_us: int, high_us: int) -> NDArray[np.intp]:
        """Slots from the oldest to the newest whose times lie in a closed interval."""
        held = min(self._recorded, self._depth)
        order = (np.arange(self._recorded - held, self._recorded)) % self._depth
        times = self._utc_us[order]
        return order[(times >= low_us) & (times <= high_us)]

    def data_value(self, slot: int) -> ua.DataValue:
        """One recorded value as it was published."""
        value = float(self._value[slot])
        native = value
        if self.variant is ua.VariantType.Boolean:
            native = bool(value)
        elif self.variant is ua.VariantType.UInt32:
            native = int(value)
        when = _EPOCH + timedelta(microseconds=int(self._utc_us[slot]))
        return ua.DataValue(
            Value=ua.Variant(native, self.variant),
            StatusCode=ua.StatusCode(ua.UInt32(int(self._status[slot]))),
            SourceTimestamp=when,
            ServerTimestamp=when,
        )


class BoundedHistory(HistoryStorageInterface):
    """Answers HistoryRead from memory; fed by the publisher, not by subscriptions.

    The library's own stores keep an object per value or refuse string node ids. An
    answer has at most `page_rows` values of a node and a continuation point for more.
    """

    def __init__(self, depth: int = DEPTH, *, page_rows: int = PAGE_ROWS) -> None:
        super().__init__(max_history_data_response_size=page_rows)
        self._depth = depth
        self._rings: dict[ua.NodeId, Ring] = {}

    def add(
        self, node_id: ua.NodeId, variant: ua.VariantType, *, ring: Ring | None = None
    ) -> Ring:
        """Keep history of one scalar node from now on, or go on with an old ring."""
        self._rings[node_id] = ring or Ring(variant, self._depth)
        return self._rings[node_id]

    def record(
        self, node_id: ua.NodeId, utc_ns: int, *, value: float, status: int
    ) -> None:
        """Remember one published value."""
        self._rings[node_id].append(utc_ns // _NS_PER_US, value, status)

    async def init(self) -> None:
        """Nothing to open."""

    async def stop(self) -> None:
        """Nothing to close."""

    async def new_historized_node(
        self, node_id: ua.NodeId, period: timedelta | None, count: int = 0
    ) -> None:
        """Not used: nodes come by `add`."""

    async def save_node_value(
        self, node_id: ua.NodeId, datavalue: ua.DataValue
    ) -> None:
        """Not used: values come by `record`."""

    async def read_node_history(
        self,
        node_id: ua.NodeId,
        start: datetime | None,
        end: datetime | None,
        nb_values: int,
    ) -> tuple[list[ua.DataValue], datetime | None]:
        """Values of a closed interval, oldest first; newest first if `start` is later.

        An absent bound is open. What exceeds `nb_values` is left to a continuation,
        whose point is the time of the first value left out.
        """
        ring = self._rings.get(node_id)
        if ring is None:
            return [], None
        low_us, high_us, backwards = _interval(start, end)
        slots = ring.between(low_us, high_us)
        if backwards:
            slots = slots[::-1]
        page_rows = self.max_history_data_response_size
        wanted = min(nb_values or page_rows, page_rows)
        values = [ring.data_value(int(slot)) for slot in slots[:wanted]]
        if len(slots) <= wanted:
            return values, None
        return values, ring.data_value(int(slots[wanted])).SourceTimestamp

    async def new_historized_event(
        self,
        source_id: ua.NodeId,
        evtypes: list[Node],
        period: timedelta | None,
        count: int = 0,
    ) -> None:
        """Not used: the plant's server has no events."""

    async def save_event(self, event: Event) -> None:
        """Not used: the plant's server has no events."""

    async def read_event_history(
        self,
        source_id: ua.NodeId,  # noqa: ARG002 - the library's signature
        start: datetime | None,  # noqa: ARG002 - same
        end: datetime | None,  # noqa: ARG002 - same
        nb_values: int,  # noqa: ARG002 - same
        evfilter: Any,  # noqa: ANN401, ARG002 - same
    ) -> tuple[list[Event], datetime | None]:
        """There are none."""
        return [], None
