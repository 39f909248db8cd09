"""The broker's side: keep a connection, send what the drain says, hear the answers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from appliance.runtime.tasks import alongside
from appliance.sync.client import SESSION_EXPIRY_S
from appliance.sync.connection import ask, connect
from appliance.sync.credentials import address_of
from appliance.sync.diagnosis import Diagnosis
from appliance.sync.errors import (
    PacketTooLargeError,
    ProtocolRefusedError,
    UnansweredError,
    UplinkLostError,
)
from appliance.sync.news import Arrived, Published
from appliance.sync.patience import Patience
from appliance.sync.traffic import Traffic
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

PACKET_ROOM_BYTES = 512
"""What a PUBLISH may add to its payload: header, topic, properties."""
_TICK_S = 1.0
_LEAST_BYTES = 1_000
_LINGER_TICKS = 5
"""So long the fleet may take to acknowledge what was urgent."""


class WindowClosedError(Exception):
    """There is no reason to stay connected: not a loss."""


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
        traffic: Traffic | None = None,
    ) -> None:
        self.wake = asyncio.Event()
        self.traffic = traffic or Traffic(settings)
        self._site = site
        self._settings = settings
        self._drain = drain
        self._choice = choice
        self._clock = clock
        self._changed = changed
        self._idle_ticks = 0
        self._patience = Patience(spread)
        self._payload_max_bytes = settings.max_payload_bytes
        self.diagnosis = Diagnosis(settings)
        self._connected = False
        self._lost_for: str | None = None
        self._parcels: dict[int, Parcel] = {}
        self._complained: dict[Stream, str] = {}
        self._topics = {
            stream: topic(site.id, site.gateway, stream) for stream in Stream
        }
        self._by_fleet = settings.acknowledged_by == "fleet"
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
            await self._until_allowed()
            try:
                await self._once()
            except WindowClosedError as error:
                log.info("the uplink pauses: %s", error)
                self._lost_for = str(error)
                continue
            except UplinkLostError as error:
                self._learn(error)
                self._note_loss(error)
                delay_s = self._patience.after(error)
            await self._clock.sleep(delay_s)

    async def _until_allowed(self) -> None:
        """Wait for a window, or for something that is worth a connection at any time.

        What is due is read into the drain meanwhile.
        """
        while not self.traffic.is_open(self._clock.utc_ns()):
            if self._drain.urgent:
                return
            self._lost_for = self._pause()
            self._changed()
            await self._clock.sleep(_TICK_S)

    def _pause(self) -> str:
        waits = self.traffic.waits_for(self._clock.now_s(), self._clock.utc_ns())
        return f"pausing: {waits}"

    async def _once(self) -> None:
        protocol = self._choice.next(self._clock.now_s())
        address = address_of(
            self._site,
            self._settings,
            subscribe=self._ack_topic if self._by_fleet else None,
        )
        if not self._choice.proven:
            await ask(address, protocol, count=self._count)
            self._choice.worked()
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
                self.traffic.meter.disconnected(self._clock.now_s())

    def _welcome(self, connection: Connection, protocol: Protocol) -> None:
        most = connection.packet_max_bytes
        self.traffic.meter.connected(self._clock.now_s())
        self._drain.connected(
            self._clock.now_s(),
            window=connection.window,
            payload_max_bytes=self._payload_max_bytes
            if most is None
            else min(most - PACKET_ROOM_BYTES, self._payload_max_bytes),
        )
        self._choice.worked()
        self._connected = True
        self.diagnosis.connected(connection.broker_certificate())
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
            may_send = self.traffic.may_send(now_s, self._clock.utc_ns())
            parcel = self._drain.next_parcel(now_s, urgent_only=not may_send)
            if parcel is None:
                break
            self._drain.sent(parcel, now_s)
            if most is not None and len(parcel.payload) + PACKET_ROOM_BYTES > most:
                self._refuse(parcel, f"a row is larger than {most} bytes")
                continue
            # What the fleet did not fetch is sent again: old copies would pile up.
            expiry_s = SESSION_EXPIRY_S if self._by_fleet else None
            where = self._topics[parcel.stream]
            mid = connection.publish(where, parcel.payload, expiry_s=expiry_s)
            self._parcels[mid] = parcel
            self.traffic.meter.sent(mid, parcel.size_bytes, now_s)

    async def _listen(self, connection: Connection) -> None:
        async for news in connection.news():
            match news:
                case Published():
                    self._answered(news)
                case Arrived():
                    self._acknowledged(news)
            if not connection.has_news:  # answers come in hundreds; once is enough
                self.wake.set()
                self._changed()

    async def _watch(self) -> None:
        """Notice patience that ends, and a broker that owes answers for too long."""
        while True:
            await self._clock.sleep(_TICK_S)
            now_s = self._clock.now_s()
            patience_s = self.traffic.meter.stalled_after_s
            if self._drain.stalled_s(now_s) > patience_s:
                self.traffic.meter.stalled()
                raise UplinkLostError(f"the broker owes answers since {patience_s:g} s")
            self._drain.check_patience(now_s)
            self._leave_when_closed()
            self.wake.set()
            self._changed()

    def _leave_when_closed(self) -> None:
        """End a connection for which there is no reason any more.

        Raises:
            WindowClosedError: The window has closed, and nothing urgent is on its way.
        """
        busy = self._drain.urgent or self._drain.outstanding > 0
        if busy:
            self._idle_ticks = 0
        elif not self.traffic.is_open(self._clock.utc_ns()):
            self._idle_ticks += 1
            if self._idle_ticks > _LINGER_TICKS:
                raise WindowClosedError(self._pause())

    def _answered(self, answer: Published) -> None:
        meter = self.traffic.meter
        meter.answered(answer.mid, self._clock.now_s())
        self._drain.measured(
            flying_max_bytes=meter.flying_max_bytes,
            payload_max_bytes=self.traffic.payload_max_bytes,
        )
        parcel = self._parcels.pop(answer.mid, None)
        if parcel is None:
            return
        unheard = answer.no_subscribers and self._settings.acknowledged_by == "broker"
        if not answer.took or unheard:
            self._refuse(parcel, answer.reason)
            return
        self._patience.reset()
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

    def _learn(self, error: UplinkLostError) -> None:
        match error:
            case ProtocolRefusedError():
                self._choice.refused(self._clock.now_s())
            case UnansweredError():
                self._choice.hung_up(self._clock.now_s())
            case PacketTooLargeError():
                self._payload_max_bytes = max(
                    self._payload_max_bytes // 2, _LEAST_BYTES
                )
        self.diagnosis.lost(error)

    def _note_loss(self, error: UplinkLostError) -> None:
        if self._lost_for is None:
            log.warning("the uplink is down: %s", error)
        self._lost_for = str(error)

    def _count(self, written: int) -> None:
        self._counts["bytes_written"] += written
        now_s, utc_ns = self._clock.now_s(), self._clock.utc_ns()
        self.traffic.wrote(written, now_s, utc_ns=utc_ns)
