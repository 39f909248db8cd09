"""The paho client of one connection: who we are to the broker."""

from __future__ import annotations

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


class CountingClient(Client):
    """Counts what is written to the socket (plain MQTT, before TLS)."""

    count: Callable[[int], None]

    def _sock_send(self, buf: bytes | bytearray) -> int:
        written = super()._sock_send(buf)
        self.count(written)
        return written


def make_client(
    address: Address, protocol: Protocol, *, count: Callable[[int], None]
) -> CountingClient:
    """Return a client that has not dialled; `count` is told the bytes of each write."""
    # MQTT 5 says it in CONNECT's own flag (see `connect_blocking`).
    session: dict[str, Any] = {}
    if protocol is Protocol.V311:
        session["clean_session"] = address.session_expiry_s == 0
    client = CountingClient(
        CallbackAPIVersion.VERSION2,
        address.client_id,
        protocol=MQTTProtocolVersion(int(protocol)),
        reconnect_on_failure=False,
        **session,
    )
    client.count = count
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
