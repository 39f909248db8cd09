"""One MQTT connection: paho's protocol engine on our event loop."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from appliance.runtime.tasks import alongside
from appliance.sync.client import expiry_properties, make_client
from appliance.sync.dialling import dial, explained
from appliance.sync.errors import UnansweredError, UplinkLostError
from appliance.sync.hearing import QOS, Hearing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from appliance.sync.client import Address, UplinkClient
    from appliance.sync.news import News
    from appliance.sync.protocol import Protocol

CONNECT_WITHIN_S = 10.0
_MISC_PERIOD_S = 1.0
_FAILURE = 0x80


class Connection:
    """A connection that the broker has accepted. Made by `connect` alone."""

    def __init__(self, client: UplinkClient, address: Address) -> None:
        self._client = client
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._hearing = Hearing(client, end=self._end, lose=self._lose)
        self._watched: int | None = None
        self._writing = False
        self._lost: UplinkLostError | None = None

    @property
    def window(self) -> int | None:
        """How many messages the broker takes before it has acknowledged any."""
        return self._hearing.window

    @property
    def packet_max_bytes(self) -> int | None:
        """The longest packet that the broker takes."""
        return self._hearing.packet_max_bytes

    @property
    def arrivals_lost(self) -> int:
        """How many arrivals were pushed out by newer ones."""
        return self._hearing.arrivals_lost

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what is published inside with few system calls."""
        self._client.gather()
        try:
            yield
        finally:
            self._flush()

    def publish(
        self, topic: str, payload: bytes, *, expiry_s: int | None = None
    ) -> int:
        """Hand over a message at QoS 1; return the number that its PUBACK will carry.

        Only inside `together`. After `expiry_s` a broker that speaks MQTT 5 forgets a
        copy that nobody fetched.

        Raises:
            UplinkLostError: The connection has ended.
        """
        if self._lost is not None:
            raise self._lost
        five = self._client.protocol is MQTTProtocolVersion.MQTTv5
        properties = expiry_properties(expiry_s) if five and expiry_s else None
        told = self._client.publish(topic, payload, qos=QOS, properties=properties)
        if told.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lose(UplinkLostError(f"publishing failed: {told.rc.name}"))
        return told.mid

    async def news(self) -> AsyncIterator[News]:
        """Yield what the broker says.

        Raises:
            UplinkLostError: The connection has ended.
        """
        while True:
            while self._hearing.has_news():
                yield self._hearing.take()
            await self._until(self._hearing.has_news)

    @property
    def has_news(self) -> bool:
        """Whether more is there already than what `news` has yielded."""
        return self._hearing.has_news()

    def broker_certificate(self) -> bytes | None:
        """Return the broker's certificate (DER), where there is TLS."""
        return self._client.peer_certificate()

    async def open(self) -> None:
        """Dial, and wait until the broker has accepted us and the subscription."""
        await dial(self._client, self._address)
        self._watch_reading()
        await self._until(lambda: self._hearing.accepted)
        if self._address.subscribe is not None:
            self._client.subscribe(self._address.subscribe, qos=QOS)
            self._watch_writing()
            await self._until(lambda: self._hearing.subscribed)

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
        self._client.let_go()

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            if self._lost is not None:
                raise self._lost
            self._hearing.wake.clear()
            await self._hearing.wake.wait()

    def _watch_reading(self) -> None:
        raw = self._client.socket()
        if raw is None:
            self._lose(UnansweredError("the broker hung up at once"))
            raise self._lost or UnansweredError("the broker hung up at once")
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
        """Note an end that the broker gave no reason for, unless one is known."""
        failure, heard = self._client.tls_failure, self._client.heard
        if failure is not None:
            self._end(explained(failure, self._address))
        elif heard is not None and heard[1] >= _FAILURE:
            self._hearing.refuse(*heard)  # a code that paho does not know
        elif self._hearing.accepted:
            self._end(error)
        else:
            self._end(UnansweredError(str(error)))

    def _end(self, error: UplinkLostError) -> None:
        if self._lost is None:
            self._lost = error
            self._unwatch()
            self._hearing.wake.set()


@asynccontextmanager
async def connect(
    address: Address, protocol: Protocol, *, count: Callable[[int], None]
) -> AsyncIterator[Connection]:
    """Connect within `CONNECT_WITHIN_S`; `count` is told the bytes of each write.

    Raises:
        UplinkLostError: Not reached, refused, or silent.
    """
    client = make_client(address, protocol, count=count)
    connection = Connection(client, address)
    try:
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                await connection.open()
        except TimeoutError as error:
            silence = f"the broker said nothing within {CONNECT_WITHIN_S:g} s"
            raise UplinkLostError(silence) from error
        async with alongside(connection.run_misc(), name="uplink.misc"):
            yield connection
    finally:
        connection.close()


async def ask(
    address: Address, protocol: Protocol, *, count: Callable[[int], None]
) -> None:
    """Find out whether the broker speaks this MQTT, under another name.

    Raises:
        UplinkLostError: As `connect` does.
    """
    asking = replace(
        address,
        client_id=f"{address.client_id}-ask",
        subscribe=None,
        session_expiry_s=0,
    )
    async with connect(asking, protocol, count=count):
        return
