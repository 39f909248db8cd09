"""The broker's side: keep a connection, send what the drain says, hear the answers."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.runtime.backoff import Backoff
from appliance.runtime.tasks import alongside
from appliance.sync.client import SESSION_EXPIRY_S, Address
from appliance.sync.connection import connect
from appliance.sync.credentials import password, tls_context
from appliance.sync.errors import (
    ProtocolRefusedError,
    UnansweredError,
    UplinkLostError,
    UplinkRefusedError,
)
from appliance.sync.news import Arrived, Published
from appliance.wire.outbox import ACK, Stream, decode_ack, topic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.config import SiteSettings, UplinkSettings
    from appliance.domain.ports import Clock
    from appliance.sync.connection import Connection
    from appliance.sync.drain import Drain
    from appliance.sync.parcel import Parcel
    from appliance.sync.protocol import Protocol, ProtocolChoice

log = logging.getLogger(__name__)

RETRY_FIRST_S, RETRY_LONGEST_S = 0.5, 3.0
REFUSED_FIRST_S, REFUSED_LONGEST_S = 5.0, 60.0
STALLED_S = 120.0
PACKET_ROOM_BYTES = 512
"""What a PUBLISH may add to its payload: header, topic, properties."""
_TICK_S = 1.0


class Uplink:
    """Runs the drain over one broker, for as long as it is left to.

    The loss of the broker is logged once, and its return once; so is each reason for
    which the broker refuses a stream. `changed` is called when there may be something
    to mark or room to read.
    """

    def __init__(
        self,
        site: SiteSettings,
        settings: UplinkSettings,
        drain: Drain,
        *,
        choice: ProtocolChoice,
        clock: Clock,
        spread: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.wake = asyncio.Event()
        self._site = site
        self._settings = settings
        self._drain = drain
        self._choice = choice
        self._clock = clock
        self._changed = changed
        self._retry = Backoff(RETRY_FIRST_S, RETRY_LONGEST_S, jitter=0.5, spread=spread)
        self._refused = Backoff(
            REFUSED_FIRST_S, REFUSED_LONGEST_S, jitter=0.5, spread=spread
        )
        self._connected = False
        self._lost_for: str | None = None
        self._parcels: dict[int, Parcel] = {}
        self._complained: dict[Stream, str] = {}
        self._topics = {
            stream: topic(site.id, site.gateway, stream) for stream in Stream
        }
        self._ack_topic = topic(site.id, site.gateway, ACK)
        self._counts = {"bytes_written": 0, "connections": 0, "acks_broken": 0}

    @property
    def counters(self) -> Mapping[str, int]:
        """MQTT bytes written, connections made, broken acknowledgements."""
        return dict(self._counts)

    @property
    def state(self) -> str:
        """`connected`, or why not."""
        return "connected" if self._connected else self._lost_for or "not yet connected"

    async def run(self) -> None:
        """Connect, converse, and begin again; until cancelled."""
        while True:
            try:
                await self._once()
            except ProtocolRefusedError as error:
                self._choice.refused(self._clock.now_s())
                self._note_loss(error)
                delay_s = self._retry.next_s()
            except UplinkRefusedError as error:
                self._note_loss(error)
                delay_s = self._refused.next_s()
            except UplinkLostError as error:
                if isinstance(error, UnansweredError):
                    self._choice.hung_up(self._clock.now_s())
                self._note_loss(error)
                delay_s = self._retry.next_s()
            await self._clock.sleep(delay_s)

    async def _once(self) -> None:
        protocol = self._choice.next(self._clock.now_s())
        address = self._address()
        if not self._choice.proven:
            await self._ask(address, protocol)
        async with connect(address, protocol, count=self._count) as connection:
            self._welcome(connection, protocol)
            try:
                async with (
                    alongside(self._send(connection), name="uplink.send"),
                    alongside(self._watch(), name="uplink.watch"),
                ):
                    await self._listen(connection)
            finally:
                self._connected = False
                self._parcels.clear()
                self._drain.disconnected(self._clock.now_s())

    async def _ask(self, address: Address, protocol: Protocol) -> None:
        """Find out whether the broker speaks this MQTT, under another name."""
        asking = replace(
            address,
            client_id=f"{address.client_id}-ask",
            subscribe=None,
            session_expiry_s=0,
        )
        async with connect(asking, protocol, count=self._count):
            self._choice.worked()

    def _address(self) -> Address:
        settings = self._settings
        return Address(
            host=settings.host,
            port=settings.port,
            client_id=f"wheeltapper-{self._site.id}-{self._site.gateway}",
            subscribe=self._ack_topic if settings.acknowledged_by == "fleet" else None,
            session_expiry_s=SESSION_EXPIRY_S,
            tls=tls_context(settings),
            username=settings.username,
            password=password(settings),
        )

    def _welcome(self, connection: Connection, protocol: Protocol) -> None:
        most = connection.packet_max_bytes
        self._drain.connected(
            window=connection.window,
            payload_max_bytes=None if most is None else most - PACKET_ROOM_BYTES,
        )
        self._choice.worked()
        self._connected = True
        self._counts["connections"] += 1
        where = f"{self._settings.host}:{self._settings.port}"
        if self._lost_for is None:
            log.info("the uplink to %s is up (MQTT %s)", where, protocol.name)
        else:
            log.info("the uplink to %s is back (MQTT %s)", where, protocol.name)
        self._lost_for = None

    async def _send(self, connection: Connection) -> None:
        while True:
            self.wake.clear()
            with connection.together():
                self._send_all(connection)
            self._changed()
            await self.wake.wait()

    def _send_all(self, connection: Connection) -> None:
        most = connection.packet_max_bytes
        while True:
            now_s = self._clock.now_s()
            parcel = self._drain.next_parcel(now_s)
            if parcel is None:
                break
            self._drain.sent(parcel, now_s)
            if most is not None and len(parcel.payload) + PACKET_ROOM_BYTES > most:
                self._refuse(parcel, f"a row is larger than {most} bytes")
                continue
            mid = connection.publish(self._topics[parcel.stream], parcel.payload)
            self._parcels[mid] = parcel

    async def _listen(self, connection: Connection) -> None:
        async for news in connection.news():
            match news:
                case Published():
                    self._answered(news)
                case Arrived():
                    self._acknowledged(news)
            self.wake.set()
            self._changed()

    async def _watch(self) -> None:
        """Notice patience that ends, and a broker that owes answers for too long."""
        while True:
            await self._clock.sleep(_TICK_S)
            now_s = self._clock.now_s()
            if self._drain.stalled_s(now_s) > STALLED_S:
                raise UplinkLostError(f"the broker owes answers since {STALLED_S:g} s")
            self._drain.check_patience(now_s)
            self.wake.set()
            self._changed()

    def _answered(self, answer: Published) -> None:
        parcel = self._parcels.pop(answer.mid, None)
        if parcel is None:
            return
        unheard = answer.no_subscribers and self._settings.acknowledged_by == "broker"
        if not answer.took or unheard:
            self._refuse(parcel, answer.reason)
            return
        self._retry.reset()
        self._refused.reset()
        self._complained.pop(parcel.stream, None)
        self._drain.accepted(parcel, self._clock.now_s())

    def _refuse(self, parcel: Parcel, reason: str) -> None:
        self._drain.refused(parcel, self._clock.now_s())
        if self._complained.get(parcel.stream) != reason:
            self._complained[parcel.stream] = reason
            where = self._topics[parcel.stream]
            log.error("the broker refuses %s: %s; the rows stay", where, reason)

    def _acknowledged(self, arrived: Arrived) -> None:
        try:
            ack = decode_ack(arrived.content)
            stream = Stream(ack.stream)
        except ValueError as error:  # WireError is one
            self._counts["acks_broken"] += 1
            log.warning("an acknowledgement is broken: %s", error)
            return
        self._drain.acknowledged(
            stream, ack.epoch, ack.through, now_s=self._clock.now_s()
        )

    def _note_loss(self, error: UplinkLostError) -> None:
        if self._lost_for is None:
            log.warning("the uplink is down: %s", error)
        self._lost_for = str(error)

    def _count(self, written: int) -> None:
        self._counts["bytes_written"] += written
