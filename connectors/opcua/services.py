"""The services we use besides Publish, in portions that this server can take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from asyncua import ua

from appliance.domain.ports import SourceUnavailableError
from connectors.opcua.limits import (
    TooManyError,
    in_portions,
    portion,
    standard_node,
    unless_too_many,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from connectors.opcua.connection import Connection
    from connectors.opcua.limits import ServerLimits

_HAS_PROPERTY = standard_node("HasProperty")
_CONTINUATIONS = 100  # of one node's properties; nobody has that many


@dataclass(frozen=True, slots=True)
class Services:
    """One connection with its server's limits.

    Every method raises `SourceUnavailableError` when the connection is lost.
    """

    connection: Connection
    limits: ServerLimits

    async def values(self, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        """Return the values of nodes as they are now, with both times."""
        return await self.attributes([(node, ua.AttributeIds.Value) for node in nodes])

    async def attributes(
        self, asked: Sequence[tuple[ua.NodeId, ua.AttributeIds]]
    ) -> list[ua.DataValue]:
        """Return attributes of nodes, one answer for each asked."""

        async def read(
            some: Sequence[tuple[ua.NodeId, ua.AttributeIds]],
        ) -> list[ua.DataValue]:
            await self.connection.renew_if_due()
            wanted = [ua.ReadValueId(node, attribute) for node, attribute in some]
            request = ua.ReadParameters(0, ua.TimestampsToReturn.Both, wanted)
            call = partial(self.connection.session.read, request)
            return await unless_too_many(self.connection, call)

        try:
            return await in_portions(asked, portion(self.limits.nodes_per_read), read)
        except TooManyError as error:
            raise SourceUnavailableError(f"Read: {error}") from error

    async def properties(
        self, nodes: Sequence[ua.NodeId]
    ) -> list[Mapping[str, ua.NodeId]]:
        """Return the properties of each node by their browse name."""
        asked = [
            ua.BrowseDescription(
                NodeId=node,
                BrowseDirection=ua.BrowseDirection.Forward,
                ReferenceTypeId=_HAS_PROPERTY,
                ResultMask=ua.BrowseResultMask.BrowseName,
            )
            for node in nodes
        ]
        found = await self.references(asked)
        return [
            {str(each.BrowseName.Name): each.NodeId for each in references}
            for references in found
        ]

    async def references(
        self, asked: Sequence[ua.BrowseDescription]
    ) -> list[list[ua.ReferenceDescription]]:
        """Browse; a node that cannot be browsed has no references."""

        async def browse(
            some: Sequence[ua.BrowseDescription],
        ) -> list[ua.BrowseResult]:
            request = ua.BrowseParameters(NodesToBrowse=list(some))
            call = partial(self.connection.session.browse, request)
            return await unless_too_many(self.connection, call)

        size = portion(self.limits.nodes_per_browse)
        try:
            results = await in_portions(asked, size, browse)
        except TooManyError as error:
            raise SourceUnavailableError(f"Browse: {error}") from error
        return [await self._all_of(result) for result in results]

    async def _all_of(self, result: ua.BrowseResult) -> list[ua.ReferenceDescription]:
        found = list(result.References or ())
        point = result.ContinuationPoint
        for _ in range(_CONTINUATIONS):
            if not point:
                break
            with self.connection.guarded():
                (more,) = await self.connection.session.browse_next(
                    ua.BrowseNextParameters(ContinuationPoints=[point])
                )
            found += more.References or ()
            point = more.ContinuationPoint
        return found
