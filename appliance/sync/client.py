"""The paho client of one connection: who we are to the broker, and how we reach it."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from appliance.sync.protocol import Protocol
from appliance.sync.proxy import Proxy, ask_tunnel
from appliance.sync.reasons import Packet

if TYPE_CHECKING:
    from collections.abc import Callable

    from paho.mqtt.client import SocketLike

KEEPALIVE_S = 60
SESSION_EXPIRY_S = 3600
DIAL_WITHIN_S = 5.0
GATHER_MAX_BYTES = 65_536
UNANSWERED_MAX_S = 30
_IDLE_S, _BETWEEN_S, _PROBES = 15, 5, 3
_ARRIVALS_UNANSWERED_MAX = 20
_REASON_AT = {
    0x20: (Packet.CONNACK, 1),
    0x40: (Packet.PUBACK, 2),
    0x90: (Packet.SUBACK, -1),
    0xE0: (Packet.DISCONNECT, 0),
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is, and who we are to it. `subscribe` is read at QoS 1.

    With `session_expiry_s` the session outlives the connection, so that what the fleet
    says meanwhile is kept. With `websocket_path` MQTT travels inside a WebSocket.
    """

    host: str
    port: int
    client_id: str
    subscribe: str | None = None
    session_expiry_s: int = 0
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    websocket_path: str | None = None
    proxy: Proxy | None = None


class UplinkClient(Client):
    """Writes many packets at once, and counts (plain MQTT, before TLS and WebSocket).

    paho hands every packet to the socket by itself. Between `gather` and `flush` they
    are put together; what the socket did not take then goes before anything else.
    `line` is a second name of the socket that TLS and WebSocket are wrapped around:
    shutting it down ends whatever waits for it, in any thread.
    """

    def __init__(
        self,
        address: Address,
        *,
        count: Callable[[int], None],
        **options: Any,  # noqa: ANN401 - as paho takes them
    ) -> None:
        self.line: socket.socket | None = None
        self.heard: tuple[Packet, int] | None = None
        """The reason code in the packet that paho reads, or could not read."""
        self.tls_failure: ssl.SSLError | None = None
        """What the other side said of our certificate after the handshake."""
        self._opened: socket.socket | None = None
        self._proxy_to = address.proxy
        self._count_written = count
        self._gathering = False
        self._gathered = bytearray()
        super().__init__(
            CallbackAPIVersion.VERSION2,
            address.client_id,
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

    def abandon(self) -> None:
        """End whatever waits for the socket, in any thread."""
        if self.line is not None:
            with contextlib.suppress(OSError):
                self.line.shutdown(socket.SHUT_RDWR)

    def let_go(self) -> None:
        """Give up the second name of the socket."""
        if self.line is not None:
            self.line.close()
            self.line = None

    def peer_certificate(self) -> bytes | None:
        """Return the broker's certificate (DER), where there is TLS."""
        place = self.socket()
        inner = getattr(place, "_socket", place)  # inside the WebSocket
        if isinstance(inner, ssl.SSLSocket):
            return inner.getpeercert(binary_form=True)
        return None

    def _create_socket(self) -> SocketLike:
        try:
            return super()._create_socket()
        except BaseException:
            if self._opened is not None:  # paho leaves it open
                self._opened.close()
            raise

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        assert self._ssl_context is not None, "paho asks only where there is TLS"
        self._opened = wrapped = self._ssl_context.wrap_socket(
            tcp_sock, server_hostname=self._host, do_handshake_on_connect=False
        )
        wrapped.settimeout(DIAL_WITHIN_S)
        wrapped.do_handshake()
        return wrapped

    def _create_socket_connection(self) -> socket.socket:
        proxy = self._proxy_to
        to = (self._host, self._port) if proxy is None else (proxy.host, proxy.port)
        self._opened = raw = socket.create_connection(to, timeout=DIAL_WITHIN_S)
        watch_line(raw)
        self.line = raw.dup()
        if proxy is not None:
            ask_tunnel(raw, proxy, host=self._host, port=self._port)
        return raw

    def _packet_handle(self) -> MQTTErrorCode:
        self.heard = _reason_in(self._in_packet["command"], self._in_packet["packet"])
        told = super()._packet_handle()
        self.heard = None
        return told

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as error:  # paho tells its log alone
            self.tls_failure = error
            raise

    def _sock_send(self, buf: bytes | bytearray) -> int:
        if self._gathering and len(self._gathered) + len(buf) <= GATHER_MAX_BYTES:
            self._gathered += buf
            return len(buf)
        self._write_gathered()
        return self._send(buf)

    def _write_gathered(self) -> None:
        while self._gathered:
            written = self._send(self._gathered)
            if written == 0:  # a WebSocket frame went in part: the same again, later
                raise BlockingIOError
            del self._gathered[:written]

    def _send(self, content: bytes | bytearray) -> int:
        try:
            written = super()._sock_send(content)
        except BlockingIOError:
            raise
        except OSError:
            # The other side hung up; what it said of our certificate waits to be read.
            with contextlib.suppress(OSError):
                self._sock_recv(1)
            raise
        self._count_written(written)
        return written


def make_client(
    address: Address, protocol: Protocol, *, count: Callable[[int], None]
) -> UplinkClient:
    """Return a client that has not dialled; `count` is told the bytes of each write."""
    # MQTT 5 says it in CONNECT's own flag (see `connect_blocking`).
    options: dict[str, Any] = {}
    if protocol is Protocol.V311:
        options["clean_session"] = address.session_expiry_s == 0
    if address.websocket_path is not None:
        options["transport"] = "websockets"
    client = UplinkClient(
        address,
        count=count,
        protocol=MQTTProtocolVersion(int(protocol)),
        **options,
    )
    client.connect_timeout = DIAL_WITHIN_S
    client.max_inflight_messages = 0  # the drain keeps the window
    client.username = address.username
    client.password = address.password
    if address.tls is not None:
        client.tls_set_context(address.tls)
    if address.websocket_path is not None:
        client.ws_set_options(path=address.websocket_path)
    return client


def connect_blocking(client: Client, address: Address) -> None:
    """Resolve, connect, shake hands, send CONNECT; at most `DIAL_WITHIN_S` for each.

    Raises:
        OSError: Not reached, or TLS failed.
        ValueError: A broken host name.
        UplinkLostError: The proxy grants no tunnel.
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


def expiry_properties(expiry_s: int) -> Properties:
    """Return the properties of a PUBLISH that the broker drops after a time."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's
    properties.MessageExpiryInterval = expiry_s
    return properties


def watch_line(raw: socket.socket) -> None:
    """Let the kernel notice a dead line, by progress and not by elapsed time.

    A slow link that moves is never given up; one that acknowledges nothing for
    `UNANSWERED_MAX_S` is, also while it is idle.
    """
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE_S)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _BETWEEN_S)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MAX_S * 1000)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _reason_in(command: int, packet: bytes | bytearray) -> tuple[Packet, int] | None:
    """Return the reason code that a packet of MQTT 5 carries, or None."""
    kind, place = _REASON_AT.get(command & 0xF0, (None, 0))
    if kind is None or len(packet) <= max(place, 0):
        return None
    return kind, packet[place]
