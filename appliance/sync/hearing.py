"""What paho calls back, as state that one connection waits for."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from appliance.sync.errors import UplinkLostError, UplinkRefusedError, error_of
from appliance.sync.news import Arrived, Published
from appliance.sync.reasons import Course, Packet, advise

if TYPE_CHECKING:
    from collections.abc import Callable

    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from appliance.sync.news import News

ARRIVALS_MAX = 256
QOS = 1
_NO_MATCHING_SUBSCRIBERS = 0x10
_NO_QOS = "the broker takes QoS 0 alone, so nothing would be acknowledged"
_REFUSED = {
    Packet.CONNACK: "the broker refuses us",
    Packet.PUBACK: "the broker refuses a message",
    Packet.SUBACK: "the broker refuses the subscription",
    Packet.DISCONNECT: "the broker ended the connection",
}


class Hearing:
    """Sets `wake` whenever the broker said something.

    Arrivals beyond `ARRIVALS_MAX` push out the oldest (`arrivals_lost`): an
    acknowledgement is cumulative, so a later one says as much. What the broker owes
    answers to is bounded by the caller's window. `end` is told an end with a reason,
    `lose` one without.
    """

    def __init__(
        self,
        client: Client,
        *,
        end: Callable[[UplinkLostError], None],
        lose: Callable[[UplinkLostError], None],
    ) -> None:
        self.wake = asyncio.Event()
        self.accepted = False
        self.subscribed = False
        self.window: int | None = None
        self.packet_max_bytes: int | None = None
        self.arrivals_lost = 0
        self._answers: deque[Published] = deque()
        self._arrivals: deque[Arrived] = deque()
        self._end = end
        self._lose = lose
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message

    def has_news(self) -> bool:
        """Tell whether there is something to take."""
        return bool(self._answers or self._arrivals)

    def take(self) -> News:
        """Return the oldest piece of news; PUBACKs first."""
        return (self._answers or self._arrivals).popleft()

    def refuse(self, packet: Packet, code: int) -> None:
        """Take a reason code that ends the connection."""
        self._end(error_of(_REFUSED[packet], advise(packet, code)))

    def _on_connect(
        self,
        _client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self.refuse(Packet.CONNACK, reason.value)
        elif getattr(properties, "MaximumQoS", QOS) < QOS:
            self._end(UplinkRefusedError(f"{_NO_QOS}; let the broker take QoS 1"))
        else:
            self.window = getattr(properties, "ReceiveMaximum", None)
            self.packet_max_bytes = getattr(properties, "MaximumPacketSize", None)
            self.accepted = True
            self.wake.set()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.refuse(Packet.DISCONNECT, reason.value)
        else:
            self._lose(UplinkLostError(f"the connection was lost: {reason}"))

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if reasons[0].is_failure:
            self.refuse(Packet.SUBACK, reasons[0].value)
        else:
            self.subscribed = True
            self.wake.set()

    def _on_publish(
        self,
        _client: Client,
        _userdata: object,
        mid: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        unheard = reason.value == _NO_MATCHING_SUBSCRIBERS
        advice = advise(Packet.PUBACK, reason.value)
        took = advice.course is Course.GO_ON
        self._answers.append(Published(mid, took, unheard, str(advice)))
        self.wake.set()

    def _on_message(
        self, _client: Client, _userdata: object, message: MQTTMessage
    ) -> None:
        if len(self._arrivals) >= ARRIVALS_MAX:
            self._arrivals.popleft()
            self.arrivals_lost += 1
        self._arrivals.append(Arrived(message.topic, bytes(message.payload)))
        self.wake.set()
