"""One MQTT connection: paho's protocol engine on our event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from paho.mqtt.enums import MQTTErrorCode

from appliance.runtime.tasks import alongside
from appliance.sync.client import make_client
from appliance.sync.dialling import dial, watch_line
from appliance.sync.errors import (
    ProtocolRefusedError,
    UnansweredError,
    UplinkLostError,
    UplinkRefusedError,
)
from appliance.sync.news import Arrived, Published

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from appliance.sync.client import Address, UplinkClient
    from appliance.sync.news import News
    from appliance.sync.protocol import Protocol

CONNECT_WITHIN_S = 10.0
ARRIVALS_MAX = 256
_MISC_PERIOD_S = 1.0
_PROTOCOL_NOT_SPOKEN = 0x84
_NO_MATCHING_SUBSCRIBERS = 0x10
_QOS = 1


class Connection:
    """A connection that the broker has accepted. Made by `connect` alone.

    Arrivals beyond `ARRIVALS_MAX` push out the oldest (`arrivals_lost`): an
    acknowledgement is cumulative, so a later one says as much. What the broker owes
    answers to is bounded by the caller's window.
    """

    def __init__(self, client: UplinkClient) -> None:
        self.arrivals_lost = 0
        self.window: int | None = None
        self.packet_max_bytes: int | None = None
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._watched: int | None = None
        self._writing = False
        self._answers: deque[Published] = deque()
        self._arrivals: deque[Arrived] = deque()
        self._wake = asyncio.Event()
        self._lost: UplinkLostError | None = None
        self._accepted = False
        self._subscribed = False
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what is published inside with few system calls."""
        self._client.gather()
        try:
            yield
        finally:
            self._flush()

    def publish(self, topic: str, payload: bytes) -> int:
        """Hand over a message at QoS 1; return the number that its PUBACK will carry.

        Only inside `together`.

        Raises:
            UplinkLostError: The connection has ended.
        """
        if self._lost is not None:
            raise self._lost
        told = self._client.publish(topic, payload, qos=_QOS)
        if told.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lose(UplinkLostError(f"publishing failed: {told.rc.name}"))
        return told.mid

    async def news(self) -> AsyncIterator[News]:
        """Yield what the broker says.

        Raises:
            UplinkLostError: The connection has ended.
        """
        while True:
            while self._answers:
                yield self._answers.popleft()
            while self._arrivals:
                yield self._arrivals.popleft()
            await self._until(self._has_news)

    async def open(self, address: Address) -> None:
        """Dial, and wait until the broker has accepted us and the subscription."""
        await dial(self._client, address)
        self._watch_reading()
        await self._until(lambda: self._accepted)
        if address.subscribe is not None:
            self._client.subscribe(address.subscribe, qos=_QOS)
            self._watch_writing()
            await self._until(lambda: self._subscribed)

    async def run_misc(self) -> None:
        """Let paho send its pings and notice their absence; until cancelled."""
        while True:
            await asyncio.sleep(_MISC_PERIOD_S)
            self._check(self._client.loop_misc())
            self._watch_writing()

    def close(self) -> None:
        """Say goodbye if the line takes it at once, and let go of the socket."""
        self._lost = self._lost or UplinkLostError("closed")
        self._unwatch()
        raw = self._client.socket()
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()
        if raw is not None:
            raw.close()

    def _has_news(self) -> bool:
        return bool(self._answers or self._arrivals)

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            if self._lost is not None:
                raise self._lost
            self._wake.clear()
            await self._wake.wait()

    def _watch_reading(self) -> None:
        raw = self._client.socket()
        if raw is None:
            raise UnansweredError("the broker hung up at once")
        if isinstance(raw, socket.socket):
            watch_line(raw)
        self._watched = raw.fileno()
        self._loop.add_reader(self._watched, self._read)
        self._watch_writing()

    def _read(self) -> None:
        try:
            self._check(self._client.loop_read())
            while self._pending():
                self._check(self._client.loop_read())
        except Exception as error:  # noqa: BLE001 - paho lets parsing errors out
            self._lose(UplinkLostError(f"the broker does not speak MQTT: {error!r}"))
        self._watch_writing()

    def _pending(self) -> bool:
        """Tell whether TLS holds bytes that the socket no longer shows."""
        pending = getattr(self._client.socket(), "pending", None)
        return self._lost is None and pending is not None and pending() > 0

    def _flush(self) -> None:
        try:
            self._client.flush()
        except OSError as error:
            self._lose(UplinkLostError(f"the connection was lost: {error}"))
        self._watch_writing()

    def _write(self) -> None:
        self._flush()
        self._check(self._client.loop_write())
        self._watch_writing()

    def _watch_writing(self) -> None:
        if self._watched is None or self._writing == self._client.want_write():
            return
        self._writing = not self._writing
        if self._writing:
            self._loop.add_writer(self._watched, self._write)
        else:
            self._loop.remove_writer(self._watched)

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._watched = None

    def _check(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lose(UplinkLostError(f"the connection was lost: {code.name}"))

    def _lose(self, error: UplinkLostError) -> None:
        if self._lost is not None:
            return
        told = isinstance(error, UplinkRefusedError | ProtocolRefusedError)
        if not self._accepted and not told:
            error = UnansweredError(str(error))
        self._lost = error
        self._unwatch()
        self._wake.set()

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.value == _PROTOCOL_NOT_SPOKEN:
            self._lose(ProtocolRefusedError("the broker does not speak this MQTT"))
        elif reason.is_failure:
            self._lose(UplinkRefusedError(f"the broker refuses us: {reason}"))
        else:
            self.window = getattr(properties, "ReceiveMaximum", None)
            self.packet_max_bytes = getattr(properties, "MaximumPacketSize", None)
            self._accepted = True
            self._wake.set()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._lose(UplinkLostError(f"the connection was lost: {reason}"))

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            refusal = f"the broker refuses the subscription: {reasons[0]}"
            self._lose(UplinkRefusedError(refusal))
        else:
            self._subscribed = True
            self._wake.set()

    def _on_publish(
        self,
        _client: Client,
        _userdata: object,
        mid: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        unheard = reason.value == _NO_MATCHING_SUBSCRIBERS
        answer = Published(mid, not reason.is_failure, unheard, str(reason))
        self._answers.append(answer)
        self._wake.set()

    def _on_message(
        self, _client: Client, _userdata: object, message: MQTTMessage
    ) -> None:
        if len(self._arrivals) >= ARRIVALS_MAX:
            self._arrivals.popleft()
            self.arrivals_lost += 1
        self._arrivals.append(Arrived(message.topic, bytes(message.payload)))
        self._wake.set()


@asynccontextmanager
async def connect(
    address: Address, protocol: Protocol, *, count: Callable[[int], None]
) -> AsyncIterator[Connection]:
    """Connect within `CONNECT_WITHIN_S`; `count` is told the bytes of each write.

    Raises:
        UplinkLostError: Not reached, refused, or silent.
    """
    connection = Connection(make_client(address, protocol, count=count))
    try:
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await connection.open(address)
        except TimeoutError as error:
            silence = f"the broker said nothing within {CONNECT_WITHIN_S:g} s"
            raise UplinkLostError(silence) from error
        async with alongside(connection.run_misc(), name="uplink.misc"):
            yield connection
    finally:
        connection.close()
