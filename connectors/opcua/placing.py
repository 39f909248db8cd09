"""From tags to nodes: resolved, identified, and told what to take of their values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from connectors.opcua.filters import filters_of
from connectors.opcua.identity import STATUS_BAD_CONFIGURATION
from connectors.opcua.monitored import Wanted
from connectors.opcua.nodes import node_id_of
from connectors.opcua.notification import Item
from connectors.opcua.picking import pick_of
from connectors.opcua.semantics import Semantics, read_namespaces, read_semantics
from connectors.opcua.structures import Layouts
from connectors.opcua.typedefs import read_layouts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncua import ua

    from appliance.domain.tag import TagId
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.identity import Identity
    from connectors.opcua.services import Services
    from connectors.opcua.tags import OpcuaTagSettings

STATUS_BAD_NODE_ID_UNKNOWN: Final = 0x8034_0000
"""The server does not know the node, or its namespace (OPC UA BadNodeIdUnknown)."""


class Placing:
    """Finds the nodes of tags anew for each connection; handles are tags' places.

    Handle 1 is the first tag of the configuration.
    """

    def __init__(
        self, settings: OpcuaSettings, numbers: Mapping[TagId, int], identity: Identity
    ) -> None:
        self._settings = settings
        self._numbers = numbers
        self._identity = identity

    async def place(
        self, services: Services, handles: Sequence[int]
    ) -> dict[int, Wanted | int]:
        """Return what to ask for, or the status by which a tag is refused.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        uris = await read_namespaces(services)
        nodes: dict[int, ua.NodeId] = {}
        for handle in handles:
            node = node_id_of(self._tag(handle).node, uris)
            if node is not None:
                nodes[handle] = node
        found = await read_semantics(services, list(nodes.values()), uris)
        known = dict(zip(nodes, found, strict=True))
        layouts = await self._layouts(services, known)
        return {
            handle: self._judged(handle, nodes[handle], known[handle], layouts)
            if handle in nodes
            else STATUS_BAD_NODE_ID_UNKNOWN
            for handle in handles
        }

    async def _layouts(
        self, services: Services, known: Mapping[int, Semantics]
    ) -> Layouts:
        types = {
            semantics.data_type.to_string(): semantics.data_type
            for handle, semantics in known.items()
            if self._tag(handle).field is not None and semantics.data_type is not None
        }
        return await read_layouts(services, types.values()) if types else Layouts()

    def _judged(
        self, handle: int, node: ua.NodeId, semantics: Semantics, layouts: Layouts
    ) -> Wanted | int:
        settings = self._tag(handle)
        tag = settings.tag()
        if semantics.missing is not None:
            return semantics.missing
        refused = self._identity.judge(tag.id, settings, semantics.nature)
        if refused is not None:
            return refused
        rate_hz = settings.sample_rate_hz
        if settings.waveform and rate_hz is None:
            rate_hz = semantics.sample_rate_hz
            if rate_hz is None:
                return STATUS_BAD_CONFIGURATION
        if not tag.states and settings.field is None:
            tag = replace(tag, states=semantics.states)
        item = Item(tag, self._numbers[tag.id], rate_hz, pick_of(settings, layouts))
        filters = filters_of(settings, semantics.nature.eu_range)
        return Wanted(handle, item, node, settings, filters)

    def _tag(self, handle: int) -> OpcuaTagSettings:
        return self._settings.tags[handle - 1]
