"""Ask a server to tell us what changes."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncua import ua

from connectors.opcua.notification import Item
from connectors.opcua.values import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.domain.tag import TagId
    from connectors.opcua.config import OpcuaSettings, OpcuaTagSettings
    from connectors.opcua.connection import Connection

log = logging.getLogger(__name__)

_STATUS_BAD_NODE_ID_UNKNOWN = 0x8034_0000
_STATUS_BAD_CONFIGURATION = 0x8089_0000
_ITEMS_PER_CALL = 500
_MISSED_KEEP_ALIVES = 3
_LIFETIME_KEEP_ALIVES = 10  # Part 4 asks for at least three
_QUEUE_SPARE = 8  # publishing intervals that the server may be unable to deliver
_QUEUE_LONGEST = 1000
_HAS_PROPERTY = f"i={ua.ObjectIds.HasProperty}"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription that exists in the server.

    `items` is by client handle; `refused` gives the status of the tags that the
    server would not monitor. Silence for `silence_s` means it is lost.
    """

    id: int
    silence_s: float
    items: Mapping[int, Item]
    refused: Mapping[TagId, int]


async def subscribe(
    connection: Connection, settings: OpcuaSettings, numbers: Mapping[TagId, int]
) -> Subscription:
    """Create the subscription and its items; one bad node hurts no other.

    Raises:
        SourceUnavailableError: The connection was lost.
    """
    with connection.guarded():
        created = await connection.session.create_subscription(
            _parameters(settings), _ignore
        )
    wanted: dict[int, _Wanted] = {}
    refused: dict[TagId, int] = {}
    nodes = zip(settings.tags, connection.node_ids, strict=True)
    for handle, (tag, node) in enumerate(nodes, start=1):
        found = await _find(connection, tag, node, numbers)
        if isinstance(found, int):
            refused[tag.tag().id] = found
        else:
            wanted[handle] = found
    refused |= await _monitor(connection, settings, created.SubscriptionId, wanted)
    for name, status in refused.items():
        reason = ua.status_codes.get_name_and_doc(status)[0]
        log.warning("source %s: %s: not monitored: %s", settings.name, name, reason)
    period_s = created.RevisedPublishingInterval / 1000
    return Subscription(
        id=created.SubscriptionId,
        silence_s=_MISSED_KEEP_ALIVES * period_s * created.RevisedMaxKeepAliveCount,
        items={handle: each.item for handle, each in wanted.items()},
        refused=refused,
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    item: Item
    node: ua.NodeId


def _ignore(result: object) -> None:
    """Take no notification: they come as the answers to our own publish requests."""


def _parameters(settings: OpcuaSettings) -> ua.CreateSubscriptionParameters:
    keep_alives = max(1, round(settings.keep_alive_s / settings.publishing_interval_s))
    return ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=settings.publishing_interval_s * 1000,
        RequestedLifetimeCount=_LIFETIME_KEEP_ALIVES * keep_alives,
        RequestedMaxKeepAliveCount=keep_alives,
    )


async def _find(
    connection: Connection,
    tag: OpcuaTagSettings,
    node: ua.NodeId | None,
    numbers: Mapping[TagId, int],
) -> _Wanted | int:
    """Return what to monitor, or the status by which it cannot be."""
    if node is None:
        return _STATUS_BAD_NODE_ID_UNKNOWN
    rate_hz = tag.sample_rate_hz
    if tag.waveform and rate_hz is None:
        rate_hz = await _sample_rate_hz(connection, node)
        if rate_hz is None:
            return _STATUS_BAD_CONFIGURATION
    known = tag.tag()
    return _Wanted(Item(known, numbers[known.id], rate_hz), node)


async def _sample_rate_hz(connection: Connection, node: ua.NodeId) -> float | None:
    """Return the positive number in the node's property SampleRate, if there is one."""
    description = ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId.from_string(_HAS_PROPERTY),
        ResultMask=ua.BrowseResultMask.BrowseName,
    )
    with connection.guarded():
        (result,) = await connection.session.browse(
            ua.BrowseParameters(NodesToBrowse=[description])
        )
    for reference in result.References or ():
        if reference.BrowseName.Name == "SampleRate":
            (value,) = await connection.read([reference.NodeId])
            rate_hz = plain(None if value.Value is None else value.Value.Value)
            if isinstance(rate_hz, float) and 0 < rate_hz < math.inf:
                return rate_hz
    return None


async def _monitor(
    connection: Connection,
    settings: OpcuaSettings,
    subscription: int,
    wanted: Mapping[int, _Wanted],
) -> dict[TagId, int]:
    """Create the monitored items; return the status of those the server refused."""
    refused: dict[TagId, int] = {}
    for handles in _portions(list(wanted)):
        request = ua.CreateMonitoredItemsParameters(
            SubscriptionId=subscription,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ItemsToCreate=[
                _item_request(handle, wanted[handle].node, settings)
                for handle in handles
            ],
        )
        with connection.guarded():
            results = await connection.session.create_monitored_items(request)
        for handle, result in zip(handles, results, strict=True):
            if not result.StatusCode.is_good():
                refused[wanted[handle].item.tag.id] = int(result.StatusCode.value)
    return refused


def _item_request(
    handle: int, node: ua.NodeId, settings: OpcuaSettings
) -> ua.MonitoredItemCreateRequest:
    publishing_s = settings.publishing_interval_s
    sampling_s = settings.sampling_interval_s
    if sampling_s is None:
        sampling_s = publishing_s
    expected = math.ceil(publishing_s / sampling_s) if sampling_s else _QUEUE_LONGEST
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(node, ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=handle,
            SamplingInterval=sampling_s * 1000,
            Filter=ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValue),
            QueueSize=min(_QUEUE_SPARE * expected, _QUEUE_LONGEST),
        ),
    )


def _portions(handles: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(handles), _ITEMS_PER_CALL):
        yield handles[start : start + _ITEMS_PER_CALL]
