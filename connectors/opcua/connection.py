"""One session with one server: the only module that knows how asyncua connects.

Numpy-free, because safety uses it. asyncua's own reconnection, watchdogs and publish
loop are left out: a loss is an exception here, and who opened connects anew.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from asyncua import Client, ua
from asyncua.client.ua_session import UaSession
from asyncua.crypto import security_policies

from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.credentials import credential_path
from connectors.opcua.config import parse_node

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appliance.domain.ports import Clock
    from connectors.opcua.config import OpcuaSettings

_SESSION_TIMEOUT_MS = 30_000
_LEAVE_WITHIN_S = 2.0
_NAMESPACE_ARRAY = f"i={ua.ObjectIds.Server_NamespaceArray}"

_POLICIES = {
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes256Sha256RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}


class _QuietSession(UaSession):
    """A session whose owner publishes himself."""

    def ensure_publish_loop(self) -> None:
        """Start no task: nobody would own it."""


class Connection:
    """An activated session, until it fails; then it stays failed: connect anew.

    `session` offers the services of OPC UA Part 4; use it inside `guarded`.
    `node_ids` are those of the nodes given to `connect`, None where the server does
    not know the namespace.
    """

    def __init__(self, client: Client, settings: OpcuaSettings, clock: Clock) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._renewed_s = self._answered_s = clock.now_s()
        self._patience_s = max(settings.timeout_s, 3 * settings.keep_alive_s)
        self._lost = False
        self.session = _QuietSession(client.uaclient)
        self.node_ids: Sequence[ua.NodeId | None] = ()
        client.uaclient.session = self.session

    @classmethod
    async def connect(
        cls, settings: OpcuaSettings, clock: Clock, *, nodes: Sequence[str] = ()
    ) -> Self:
        """Connect and find the nodes.

        Raises:
            SourceUnavailableError: Nobody answers, or we are not let in.
        """
        client = Client(settings.url, timeout=settings.timeout_s)
        client.application_uri = settings.application_uri
        client.name = client.description = f"wheeltapper {settings.name}"
        client.session_timeout = _SESSION_TIMEOUT_MS
        connection = cls(client, settings, clock)
        try:
            with connection.guarded():
                await connection._enter()
                await connection._find(nodes)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Turn whatever asyncua raises inside into `SourceUnavailableError`."""
        if self._lost:
            raise SourceUnavailableError(f"{self._settings.url}: the session is lost")
        try:
            yield
        except SourceUnavailableError:
            raise
        except asyncio.CancelledError:
            # A server that is slow is not lost, one that has long been silent is.
            if self._clock.now_s() - self._answered_s > self._patience_s:
                self.close()
            raise
        except Exception as error:
            # A malformed message makes asyncua's parser raise almost anything.
            self.close()
            reason = str(error) or type(error).__name__
            raise SourceUnavailableError(f"{self._settings.url}: {reason}") from error
        self._answered_s = self._clock.now_s()

    async def renew_if_due(self) -> None:
        """Renew the secure channel when three quarters of its life are over.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        life_s = self._client.secure_channel_timeout / 1000
        if self._clock.now_s() - self._renewed_s < 0.75 * life_s:
            return
        with self.guarded():
            await self._client.open_secure_channel(renew=True)
            self._client.uaclient.revolve_security_token()
        self._renewed_s = self._clock.now_s()

    async def read(self, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        """Return the values of nodes as the server has them now, with both times.

        Raises:
            SourceUnavailableError: The connection is lost.
        """
        await self.renew_if_due()
        wanted = [ua.ReadValueId(node, ua.AttributeIds.Value) for node in nodes]
        request = ua.ReadParameters(0, ua.TimestampsToReturn.Both, wanted)
        with self.guarded():
            values = await self.session.read(request)
            if len(values) != len(nodes):
                raise ua.UaError(f"{len(values)} values answered to {len(nodes)} asked")
        return values

    async def publish(
        self, acknowledge: list[ua.SubscriptionAcknowledgement], *, within_s: float
    ) -> ua.PublishResponse:
        """Ask for the next notification message.

        Raises:
            SourceUnavailableError: The connection is lost, or silent for too long.
        """
        await self.renew_if_due()
        with self.guarded():
            try:
                async with asyncio.timeout(within_s):
                    answer = await self.session.publish(acknowledge)
            except TimeoutError as error:
                raise ua.UaError(f"no keep-alive for {within_s:g} s") from error
            answer.ResponseHeader.ServiceResult.check()
        return answer

    async def leave(self) -> None:
        """Close the session politely, if there is anybody to be polite to."""
        if not self._lost:
            with suppress(Exception):
                async with asyncio.timeout(_LEAVE_WITHIN_S):
                    await self.session.close_session(delete_subscriptions=True)
                    await self._client.close_secure_channel()
        self.close()

    def close(self) -> None:
        """Drop the connection at once; the server forgets the session in time."""
        self._lost = True
        protocol = self._client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()
        self._client.disconnect_socket()

    async def _enter(self) -> None:
        client, security = self._client, self._settings.security
        password = None
        if security.password_file is not None:
            place = credential_path(security.password_file)
            text = await asyncio.to_thread(place.read_text, "utf-8")
            password = text.rstrip("\r\n")
        if security.policy != "none":
            assert security.certificate is not None
            assert security.private_key is not None
            assert security.server_certificate is not None
            policy: type[Any] = _POLICIES[security.policy]
            await client.set_security(
                policy,
                credential_path(security.certificate),
                credential_path(security.private_key),
                server_certificate=str(credential_path(security.server_certificate)),
                mode=ua.MessageSecurityMode.SignAndEncrypt,
            )
        await client.connect_sessionless()
        await client.create_session()
        await client.activate_session(security.user, password)

    async def _find(self, nodes: Sequence[str]) -> None:
        (value,) = await self.read([ua.NodeId.from_string(_NAMESPACE_ARRAY)])
        uris: list[str] = [] if value.Value is None else value.Value.Value or []
        self.node_ids = [_node_id(text, uris) for text in nodes]


def _node_id(text: str, uris: Sequence[str]) -> ua.NodeId | None:
    uri, identifier = parse_node(text)
    if uri is None:
        return ua.NodeId.from_string(identifier)
    if uri not in uris:
        return None
    return ua.NodeId.from_string(f"ns={uris.index(uri)};{identifier}")
