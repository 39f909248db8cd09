"""An OPC UA server whose tags count: its truth is known, and it can misbehave.

For trying clients: what it showed is in its `Record`, which outlives it like the
historian of a plant, and it can forget, refuse and come back different.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_server import InternalServer
from asyncua.ua.ua_binary import uatcp_to_binary

from sim_plant.servers.history import BoundedHistory, Ring, utc_datetime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from asyncua.server.internal_session import InternalSession

URI = "urn:wheeltapper:counting"
APPLICATION_URI = URI + ":server"
_SHORTEST_SESSION_MS = 500.0
_NS_PER_US = 1_000
_ERROR: Any = ua.MessageType.Error  # bytes, where the library declares an enum


@dataclass(frozen=True)
class Knobs:
    """How the server is. `namespaces_before` ours shift its index.

    Its clock is `clock_off_s` ahead of the machine's.
    """

    tags: int = 5
    period_s: float = 0.1
    history: bool = True
    page_rows: int = 1_000
    namespaces_before: int = 0
    max_sessions: int | None = None
    clock_off_s: float = 0.0
    certificate: Path | None = None
    private_key: Path | None = None


@dataclass
class Record:
    """What was shown: by tag, source time (microseconds) and value."""

    truth: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    rings: dict[str, Ring] = field(default_factory=dict)
    counted: int = 0


class _Limited(InternalServer):
    """Has room for so many sessions, and no more."""

    max_sessions: int | None = None
    refused = 0

    def create_session(self, name: str, *given: Any, **named: Any) -> InternalSession:  # noqa: ANN401 - the library's signature
        full = self.max_sessions is not None and self.sessions >= self.max_sessions
        if named.get("external") and full:
            self.refused += 1
            raise ServiceError(ua.StatusCodes.BadTooManySessions)
        return super().create_session(name, *given, **named)

    @property
    def sessions(self) -> int:
        return len(self._external_sessions)

    async def forget_sessions(self) -> None:
        for session in tuple(self._external_sessions.values()):
            await session.close_session(delete_subs=True)


class CountingServer:
    """A running server; use `counting_server`."""

    def __init__(self, record: Record, knobs: Knobs) -> None:
        self.port = 0
        self.record = record
        self.knobs = knobs
        self._inner = _Limited()
        self._inner.min_session_timeout_ms = _SHORTEST_SESSION_MS
        self._inner.max_sessions = knobs.max_sessions
        self._server = Server(iserver=self._inner)
        self._history = BoundedHistory(page_rows=knobs.page_rows)
        self._nodes: dict[str, ua.NodeId] = {}

    @property
    def sessions(self) -> int:
        """Sessions of clients that the server has now."""
        return self._inner.sessions

    @property
    def max_sessions(self) -> int | None:
        """For how many sessions there is room."""
        return self._inner.max_sessions

    @max_sessions.setter
    def max_sessions(self, most: int | None) -> None:
        self._inner.max_sessions = most

    @property
    def refused(self) -> int:
        """How many sessions were refused for want of room."""
        return self._inner.refused

    async def forget_sessions(self) -> None:
        """End every session, as if it had expired; the channels stay."""
        await self._inner.forget_sessions()

    async def forget_subscriptions(self) -> None:
        """Delete every subscription; the sessions stay."""
        service = self._inner.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))

    def forget_channels(self) -> None:
        """End every secure channel with the error that its token is not known."""
        reason = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadSecureChannelTokenUnknown))
        error = ua.ErrorMessage(reason, ua.String("the channel has expired"))
        assert self._server.bserver is not None
        for client in tuple(self._server.bserver.clients):
            if client.transport is not None:
                client.transport.write(uatcp_to_binary(_ERROR, error))
                client.transport.close()

    async def start(self, host: str, port: int) -> None:
        """Build the address space and listen.

        Raises:
            OSError: The port cannot be had.
        """
        server, knobs = self._server, self.knobs
        self._inner.history_manager.set_storage(self._history)
        await server.init()
        await server.set_application_uri(APPLICATION_URI)
        server.set_endpoint(f"opc.tcp://{host}:{port}/")
        await self._protect()
        server.disable_clock()  # the library's holds up every stop for a second
        server.set_attribute_value_callback(
            ua.NodeId.from_string(f"i={ua.ObjectIds.Server_ServerStatus_CurrentTime}"),
            self._current_time,
        )
        for number in range(knobs.namespaces_before):
            await server.register_namespace(f"{URI}:other-{number}")
        index = await server.register_namespace(URI)
        for number in range(knobs.tags):
            await self._add(f"count/{number}", index)
        await server.start()
        assert server.bserver is not None
        self.port = server.bserver.port

    async def stop(self) -> None:
        """Hang up, stop listening, and leave no task behind."""
        assert self._server.bserver is not None
        for client in tuple(self._server.bserver.clients):
            if client.transport is not None:
                client.transport.abort()
        await self.forget_subscriptions()
        await self.forget_sessions()
        await self._server.stop()

    async def count(self) -> None:
        """Show the next number of every tag, period by period, until cancelled."""
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            self.record.counted += 1
            for name, node in self._nodes.items():
                await self._show(name, node, float(self.record.counted))
            next_s = max(next_s + self.knobs.period_s, loop.time())
            await asyncio.sleep(next_s - loop.time())

    def _now_ns(self) -> int:
        return time.time_ns() + round(self.knobs.clock_off_s * 1e9)

    def _current_time(self, *_: object) -> ua.DataValue:
        return ua.DataValue(ua.Variant(utc_datetime(self._now_ns())))

    async def _protect(self) -> None:
        knobs = self.knobs
        if knobs.certificate is None or knobs.private_key is None:
            self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
            return
        policy = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt
        self._server.set_security_policy([policy])
        await self._server.load_certificate(knobs.certificate)
        await self._server.load_private_key(knobs.private_key)

    async def _add(self, name: str, index: int) -> None:
        node_id = ua.NodeId(ua.String(name), ua.Int16(index))
        node = await self._server.nodes.objects.add_variable(
            node_id, ua.QualifiedName(name, index), 0.0, ua.VariantType.Double
        )
        self._nodes[name] = node_id
        self.record.truth.setdefault(name, [])
        if not self.knobs.history:
            return
        ring = self.record.rings.get(name)
        self.record.rings[name] = self._history.add(
            node_id, ua.VariantType.Double, ring=ring
        )
        for access in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
            await node.set_attr_bit(access, ua.AccessLevel.HistoryRead)

    async def _show(self, name: str, node_id: ua.NodeId, value: float) -> None:
        now_us = self._now_ns() // _NS_PER_US
        when = utc_datetime(now_us * _NS_PER_US)
        shown = ua.DataValue(
            ua.Variant(value, ua.VariantType.Double),
            SourceTimestamp=when,
            ServerTimestamp=when,
        )
        self.record.truth[name].append((now_us, value))
        if self.knobs.history:
            self.record.rings[name].append(now_us, value, 0)
        await self._server.write_attribute_value(node_id, shown)


@asynccontextmanager
async def counting_server(
    record: Record, knobs: Knobs, *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[CountingServer]:
    """Run a server that counts on from its record; a port of 0 becomes a free one."""
    server = CountingServer(record, knobs)
    await server.start(host, port)
    try:
        async with asyncio.TaskGroup() as tasks:
            counting = tasks.create_task(server.count(), name="sim_plant.counting")
            yield server
            counting.cancel()
    finally:
        await server.stop()
