"""The paho client of one connection: who we are to the broker."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from appliance.sync.protocol import Protocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

KEEPALIVE_S = 60
SESSION_EXPIRY_S = 3600
DIAL_WITHIN_S = 5.0
GATHER_MAX_BYTES = 65_536
_ARRIVALS_UNANSWERED_MAX = 20


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, and who we are to it. `subscribe` is read at QoS 1.

    With `session_expiry_s` the session outlives the connection, so that what the fleet
    says meanwhile is kept.
    """

    host: str
    port: int
    client_id: str
    subscribe: str | None = None
    session_expiry_s: int = 0
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = None


class UplinkClient(Client):
    """Writes many packets at once, and counts (plain MQTT, before TLS).

    paho hands every packet to the socket by itself. Between `gather` and `flush` they
    are put together; what the socket did not take then goes before anything else.
    """

    def __init__(
        self,
        client_id: str,
        *,
        count: Callable[[int], None],
        **options: Any,  # noqa: ANN401 - as paho takes them
    ) -> None:
        self._count_written = count
        self._gathering = False
        self._gathered = bytearray()
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id,
            reconnect_on_failure=False,
            **options,
        )

    def gather(self) -> None:
        """Begin to put packets together, up to `GATHER_MAX_BYTES`."""
        self._gathering = True

    def flush(self) -> None:
        """Write what was put together, as far as the socket takes it.

        Raises:
            OSError: The connection is lost.
        """
        self._gathering = False
        with contextlib.suppress(BlockingIOError):
            self._write_gathered()

    def want_write(self) -> bool:
        """Tell whether something waits for the socket."""
        return bool(self._gathered) or super().want_write()

    def _sock_send(self, buf: bytes | bytearray) -> int:
        if self._gathering and len(self._gathered) + len(buf) <= GATHER_MAX_BYTES:
            self._gathered += buf
            return len(buf)
        self._write_gathered()
        written = super()._sock_send(buf)
        self._count_written(written)
        return written

    def _write_gathered(self) -> None:
        while self._gathered:
            written = super()._sock_send(self._gathered)
            self._count_written(written)
            del self._gathered[:written]


def make_client(
    address: Address, protocol: Protocol, *, count: Callable[[int], None]
) -> UplinkClient:
    """Return a client that has not dialled; `count` is told the bytes of each write."""
    # MQTT 5 says it in CONNECT's own flag (see `connect_blocking`).
    session: dict[str, Any] = {}
    if protocol is Protocol.V311:
        session["clean_session"] = address.session_expiry_s == 0
    client = UplinkClient(
        address.client_id,
        count=count,
        protocol=MQTTProtocolVersion(int(protocol)),
        **session,
    )
    client.connect_timeout = DIAL_WITHIN_S
    client.max_inflight_messages = 0  # the drain keeps the window
    client.username = address.username
    client.password = address.password
    if address.tls is not None:
        client.tls_set_context(address.tls)
    return client


def connect_blocking(client: Client, address: Address) -> None:
    """Resolve, connect, shake hands, send CONNECT; at most `DIAL_WITHIN_S` for each.

    Raises:
        OSError: Not reached, or TLS failed.
        ValueError: A broken host name.
    """
    five = client.protocol is MQTTProtocolVersion.MQTTv5
    if not five or address.session_expiry_s == 0:
        client.connect(address.host, address.port, keepalive=KEEPALIVE_S)
        return
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's
    properties.SessionExpiryInterval = address.session_expiry_s
    properties.ReceiveMaximum = _ARRIVALS_UNANSWERED_MAX
    client.connect(
        address.host,
        address.port,
        keepalive=KEEPALIVE_S,
        clean_start=False,
        properties=properties,
    )
