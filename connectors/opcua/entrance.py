"""The door of one server: a channel, and the session in it.

Everything here is how asyncua connects; what is lost and who is told is the business of
`connection`. Numpy-free, because safety uses it.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from asyncua import Client, ua
from asyncua.client.ua_session import UaSession

from appliance.domain.ports import SourceUnavailableError
from connectors.opcua.handover import PublishBridge
from connectors.opcua.own_certificates import uri_of
from connectors.opcua.security import Security

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncua.client.ua_client import UASocketProtocol
    from asyncua.common.utils import Buffer

    from appliance.domain.ports import Clock
    from appliance.runtime.pki.own import OwnPair
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.entry import Entry

log = logging.getLogger(__name__)


class _QuietSession(UaSession):
    """A session whose owner publishes himself."""

    def ensure_publish_loop(self) -> None:
        """Start no task: nobody would own it."""

    async def request(self, request: object) -> Buffer:
        """Send a request and return its answer; the caller's patience is the limit."""
        return await self._send_request(request, timeout=0)


class Entrance:
    """A client with its session, and how it gets in and out.

    `own` is the certificate that we show. `resumed` says that the session is the one
    of before.
    """

    def __init__(
        self,
        client: Client,
        settings: OpcuaSettings,
        clock: Clock,
        *,
        security: Security | None = None,
        own: OwnPair | None = None,
    ) -> None:
        self._client = client
        self._security = security or Security(settings, clock)
        self._own = own
        self._bridge = PublishBridge(client)
        self._settings = settings
        self._clock = clock
        self._renewed_s = self._answered_s = clock.now_s()
        self._patience_s = max(settings.timeout_s, 3 * settings.keep_alive_s)
        self._lost = False
        self._keeps_session = False
        self.resumed = False
        self.session = _QuietSession(client.uaclient)
        self.node_ids: Sequence[ua.NodeId | None] = ()
        client.uaclient.session = self.session

    @property
    def is_lost(self) -> bool:
        """Whether it failed, so that the server may still have the session."""
        return self._lost

    def close(self) -> None:
        """Drop the connection at once, saying so if somebody can still hear it.

        Otherwise the server forgets the session in time.
        """
        protocol = self._client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            transport = protocol.transport
            if not self._lost and not self._keeps_session:
                self._say_goodbye(protocol)
            if transport.get_write_buffer_size():
                transport.abort()
        self._lost = True
        self._client.disconnect_socket()

    def _say_goodbye(self, protocol: UASocketProtocol) -> None:
        """Ask the server to forget the session, and wait for no answer.

        A server that is only slow would otherwise keep one for every attempt of ours.
        """
        if protocol.authentication_token.is_null():
            return
        request = ua.CloseSessionRequest()
        request.DeleteSubscriptions = True
        with suppress(Exception):
            # The public call waits for the answer, which this must not do.
            protocol._send_request(request).cancel()  # noqa: SLF001

    async def _open_channel(self, entry: Entry) -> None:
        client = self._client
        self._security.secure(client, entry, self._own)
        await client.connect_socket()
        await client.send_hello()
        with self._security.presenting(self._own):
            await client.open_secure_channel()

    async def _enter(self, entry: Entry, resume: Entrance | None) -> None:
        client = self._client
        if resume is not None and await self._take_up(resume, entry):
            return
        with self._security.presenting(self._own):
            await client.create_session()
        await self._security.activate(client, entry)

    async def _take_up(self, lost: Entrance, entry: Entry) -> bool:
        """Activate the session of a lost connection on this one (Part 4, 6.7).

        False if the server has forgotten it, or will not give it to us.
        """
        client, before = self._client, lost._client
        token = lost.session.authentication_token
        if token.is_null() or self._own != lost._own:
            return False
        # What CreateSession answered is private in asyncua, and the session needs it.
        client._server_nonce = before._server_nonce  # noqa: SLF001
        client._policy_ids = before._policy_ids  # noqa: SLF001
        client.session_timeout = before.session_timeout
        policy = client.security_policy
        policy.peer_certificate = (
            policy.peer_certificate or before.security_policy.peer_certificate
        )
        self.session.restore_authentication_token(token)
        try:
            await self._security.activate(client, entry)
        except (ua.UaStatusCodeError, SourceUnavailableError) as refusal:
            log.info("source %s: a new session: %s", self._settings.name, refusal)
            self.session.reset_authentication_token()
            client._server_nonce = None  # noqa: SLF001
            return False
        # Should this connection fail at once, the next attempt begins from here.
        before._server_nonce = client._server_nonce  # noqa: SLF001
        self.session._subscription_callbacks.update(  # noqa: SLF001
            lost.session._subscription_callbacks  # noqa: SLF001
        )
        self.resumed = self._keeps_session = True
        return True


def client_of(settings: OpcuaSettings) -> Client:
    """Return a client that calls itself as configured; nothing is connected."""
    client = Client(settings.url, timeout=settings.timeout_s)
    client.application_uri = uri_of(settings, None)
    client.name = client.description = f"wheeltapper {settings.name}"
    client.session_timeout = round(settings.effective_session_timeout_s * 1000)
    return client
