"""A server whose limits a test sets, and a source that talks to it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from asyncua import Server, ua
from asyncua.common.utils import ServiceError

from appliance.domain.batch import Batch
from connectors.opcua.config import OpcuaSettings
from connectors.opcua.source import OpcuaSource
from tests.contract.wires import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from asyncua.common.node import Node

    from appliance.domain.event import Gap
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId

URI = "urn:wheeltapper:limits"
FULL = ua.UInt32(ua.StatusCodes.BadTooManyMonitoredItems)


class Plant:
    """A server of our own loop, whose limits a test sets."""

    def __init__(self, server: Server, port: int, index: int) -> None:
        self.server = server
        self.port = port
        self.index = index

    async def add(self, name: str, content: object, **given: Any) -> Node:  # noqa: ANN401 - asyncua's
        return await self.server.nodes.objects.add_variable(
            ua.NodeId.from_string(f"ns={self.index};s={name}"), name, content, **given
        )

    def limit(
        self, *, per_call: int = 1 << 31, per_subscription: int = 1 << 31
    ) -> None:
        """Refuse calls that ask too much, and items beyond what a subscription takes.

        The server does not say so beforehand.
        """
        service = self.server.iserver.subscription_service
        create = service.create_monitored_items

        async def limited(
            params: ua.CreateMonitoredItemsParameters,
        ) -> list[ua.MonitoredItemCreateResult]:
            asked = params.ItemsToCreate
            if len(asked) > per_call:
                raise ServiceError(ua.StatusCodes.BadTooManyOperations)
            subscription = service.subscriptions[params.SubscriptionId]
            have = len(subscription.monitored_item_srv._monitored_items)
            room = max(0, per_subscription - have)
            params.ItemsToCreate = asked[:room]
            full = ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(FULL))
            return await create(params) + [full] * (len(asked) - room)

        replace_method(service, "create_monitored_items", limited)

    async def say(self, name: str, limit: int) -> None:
        """Have the server name a limit."""
        node = ua.NodeId.from_string(f"i={getattr(ua.ObjectIds, name)}")
        variant = ua.Variant(limit, ua.VariantType.UInt32)
        await self.server.get_node(node).write_value(variant)

    def source(
        self, clock: Clock, tags: list[dict[str, Any]], /, **given: object
    ) -> Opened:
        """Return a source of this server; `given` are keys of its TOML table."""
        return Opened(OpcuaSource(self.settings(tags, **given), clock))

    def settings(self, tags: list[dict[str, Any]], /, **given: object) -> OpcuaSettings:
        """Return settings of this server; `given` are keys of its TOML table."""
        table = {
            "name": "limits",
            "connector": "opcua",
            "url": f"opc.tcp://{LOOPBACK}:{self.port}/",
            "security": {"policy": "none", "allow_insecure": True},
            "publishing_interval_s": 0.05,
            "keep_alive_s": 0.2,
            "retry_s": 0.1,
            "tags": tags,
        }
        return OpcuaSettings.model_validate(table | given)


def replace_method(service: object, name: str, double: object) -> None:
    """Put another method in the place of one, as `limit` and `picky` must."""
    setattr(service, name, double)


class Opened:
    """A source and what has come out of it: by tag, value and status."""

    def __init__(self, source: OpcuaSource) -> None:
        self.source = source
        tags = [tag for group in source.groups.values() for tag in group]
        self.numbers = {tag: row for row, tag in enumerate(sorted(tags))}
        self.names: Mapping[int, TagId] = {n: t for t, n in self.numbers.items()}
        self.status: dict[str, int] = {}
        self.value: dict[str, Any] = {}
        self.rows: list[tuple[str, float, int]] = []
        self.confirmed: set[str] = set()
        self.batches: list[Batch] = []

    async def until(self, settled: Callable[[Opened], bool]) -> None:
        """Read until it is so."""
        async with asyncio.timeout(60), self.source.open(self.numbers) as batches:
            await self.take_until(batches, settled)

    async def take_until(
        self,
        batches: AsyncIterator[Batch | Gap],
        settled: Callable[[Opened], bool],
    ) -> None:
        async with asyncio.timeout(60):
            while not settled(self):
                given = await anext(batches)
                if isinstance(given, Batch):
                    self.note(given)

    def note(self, batch: Batch) -> None:
        self.batches.append(batch)
        if batch.confirms:
            self.confirmed.add(batch.group)
        for tag, value, status in zip(
            batch.tag.tolist(), batch.value.tolist(), batch.status.tolist(), strict=True
        ):
            self.status[self.names[tag]] = status
            self.value[self.names[tag]] = value
            self.rows.append((self.names[tag], value, batch.receive_time_ns))
        for text in batch.texts:
            self.status[self.names[text.tag]] = text.status
            self.value[self.names[text.tag]] = text.content

    @property
    def live(self) -> set[str]:
        return {tag for tag, status in self.status.items() if not status >> 30}


@asynccontextmanager
async def plant(*uris: str, port: int = 0) -> AsyncIterator[Plant]:
    """Run a server that has these namespaces before its own."""
    port = port or free_port()
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://{LOOPBACK}:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    for uri in uris:
        await server.register_namespace(uri)
    index = await server.register_namespace(URI)
    async with server:
        yield Plant(server, port, index)


def tag(name: str, **given: object) -> dict[str, Any]:
    return {"id": f"P-101/{name}", "node": f"nsu={URI};s={name}", **given}
