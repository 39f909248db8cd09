"""A tag that is wanted, and a subscription that has it: pure but for their requests."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncua import ua

from connectors.opcua.message import ItemTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from connectors.opcua.filters import Filter
    from connectors.opcua.notification import Item
    from connectors.opcua.tags import GroupSettings, OpcuaTagSettings

_QUEUE_SPARE = 8  # publishing intervals that the server may be unable to deliver
_QUEUE_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """A tag to be had: what it is, where, and which filters to ask for in turn."""

    handle: int
    item: Item
    node: ua.NodeId
    settings: OpcuaTagSettings
    filters: tuple[Filter, ...]


@dataclass(slots=True)
class Subscription:
    """A subscription that exists in the server.

    Silence for `silence_s` means it is lost. `items` is by client handle, `ids` has
    the server's number of each item. `full` says that the server takes no more.
    """

    id: int
    group: str
    silence_s: float
    items: dict[int, Item] = field(default_factory=dict)
    ids: dict[int, int] = field(default_factory=dict)
    full: bool = False
    _table: ItemTable | None = None

    @property
    def table(self) -> ItemTable:
        """The items as columns."""
        if self._table is None:
            self._table = ItemTable(self.items)
        return self._table

    def expect(self, wanted: Iterable[Wanted]) -> None:
        """Know items before they are created: a value may come before the answer."""
        self.items |= {each.handle: each.item for each in wanted}
        self._table = None

    def forget(self, handles: Iterable[int]) -> None:
        """Know items no more: what still comes of them is left out."""
        for handle in handles:
            self.items.pop(handle, None)
            self.ids.pop(handle, None)
        self._table = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the tags that were wanted.

    `refused` has the server's status by handle; `no_room` those that it would take if
    it could; `filters` the filter in force where it is not the one wished for.
    """

    refused: Mapping[int, int]
    no_room: Mapping[int, int]
    filters: Mapping[int, Filter]


def item_request(
    wanted: Wanted, group: GroupSettings, rung: int
) -> ua.MonitoredItemCreateRequest:
    """Return the request for a tag, with the filter of this rung of its ladder."""
    sampling_s = group.sampling_interval_s
    if sampling_s is None:
        sampling_s = group.publishing_interval_s
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(wanted.node, ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=ua.UInt32(wanted.handle),
            SamplingInterval=ua.Double(sampling_s * 1000),
            Filter=wanted.filters[rung].request(),
            QueueSize=ua.UInt32(queue_size(wanted.settings, group)),
        ),
    )


def queue_size(tag: OpcuaTagSettings, group: GroupSettings) -> int:
    """Return how many values of a tag the server shall keep between two messages."""
    chosen = tag.queue_size or group.queue_size
    if chosen is not None:
        return chosen
    publishing_s = group.publishing_interval_s
    sampling_s = group.sampling_interval_s
    if sampling_s is None:
        return _QUEUE_SPARE
    expected = math.ceil(publishing_s / sampling_s) if sampling_s else _QUEUE_LONGEST
    return min(_QUEUE_SPARE * expected, _QUEUE_LONGEST)
