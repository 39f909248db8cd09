"""MQTT in, acknowledgements out: paho in its own thread, the lake in ours."""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from appliance.runtime.backoff import Backoff
from appliance.wire.outbox import TOPIC_ROOT, Stream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from paho.mqtt.client import ConnectFlags, DisconnectFlags
    from paho.mqtt.reasoncodes import ReasonCode

    from fleet.ingest import Acknowledgement

log = logging.getLogger(__name__)

UNANSWERED_MAX = 200
WAITING_MAX = 1000
KEEPALIVE_S = 30
SESSION_EXPIRY_S = 7 * 86_400
FILTERS = tuple(f"{TOPIC_ROOT}/+/+/{stream}" for stream in Stream)
_PROTOCOL_NOT_SPOKEN = 0x84
_QOS = 1
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    client_id: str
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What arrived. The broker gives it again until `Subscriber.done` is told."""

    topic: str
    content: bytes
    client: Client
    mid: int
    qos: int


class Subscriber:
    """Keeps a persistent session at the broker, in a thread of its own.

    MQTT 5 is asked for without properties first: some brokers that do not speak it
    choke on them instead of refusing. Messages wait in `inbox`; when it is full the
    thread stops reading, so the broker keeps them. `ready` is called at each
    successful subscription, with the version of MQTT.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        ready: Callable[[int], None],
        spread: Callable[[], float],
    ) -> None:
        self.inbox: queue.Queue[Message] = queue.Queue(WAITING_MAX)
        self._broker = broker
        self._ready = ready
        self._backoff = Backoff(0.2, 5.0, jitter=0.5, spread=spread)
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._proven = False
        self._client: Client | None = None
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._lost_for: str | None = None
        self._thread = threading.Thread(
            target=self._run, name="fleet.subscriber", daemon=True
        )

    def start(self) -> None:
        """Begin to dial; the broker need not be there yet."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the broker; the session stays there."""
        self._stop.set()
        while not self.inbox.empty():  # so that a full inbox holds up nobody
            self.inbox.get_nowait()
        self._thread.join(timeout=5.0)

    def publish(self, told: Sequence[Acknowledgement]) -> None:
        """Tell the gateways; what cannot be sent now is asked for again."""
        client = self._client
        if client is not None:
            for each in told:
                client.publish(each.topic, each.content, qos=_QOS)

    @staticmethod
    def done(messages: Sequence[Message]) -> None:
        """Tell the broker that it may forget messages."""
        for message in messages:
            message.client.ack(message.mid, message.qos)

    def _run(self) -> None:
        while not self._stop.is_set():
            client = self._make_client()
            self._ended.clear()
            try:
                self._connect(client)
            except (OSError, ValueError) as error:
                self._note_loss(str(error))
            else:
                # paho's own thread, so that only one thread ever writes the socket.
                client.loop_start()
                while not (self._stop.is_set() or self._ended.wait(_LOOK_S)):
                    pass
                self._client = None
                client.disconnect()
                client.loop_stop()
            self._stop.wait(self._backoff.next_s())

    def _make_client(self) -> Client:
        broker = self._broker
        five = self._protocol is MQTTProtocolVersion.MQTTv5
        session: dict[str, Any] = {} if five else {"clean_session": False}
        asking = five and not self._proven
        client = Client(
            CallbackAPIVersion.VERSION2,
            f"{broker.client_id}-ask" if asking else broker.client_id,
            protocol=self._protocol,
            reconnect_on_failure=False,
            manual_ack=True,
            **session,
        )
        client.username = broker.username
        client.password = broker.password
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self, client: Client) -> None:
        host, port = self._broker.host, self._broker.port
        five = self._protocol is MQTTProtocolVersion.MQTTv5
        if not (five and self._proven):
            client.connect(host, port, keepalive=KEEPALIVE_S)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = UNANSWERED_MAX
        client.connect(
            host,
            port,
            keepalive=KEEPALIVE_S,
            clean_start=False,
            properties=properties,
        )

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.value == _PROTOCOL_NOT_SPOKEN:
            self._protocol = MQTTProtocolVersion.MQTTv311
            log.info("the broker does not speak MQTT 5; 3.1.1 is tried")
            self._ended.set()
        elif reason.is_failure:
            self._note_loss(f"it refuses us: {reason}")
            self._ended.set()
        elif self._protocol is MQTTProtocolVersion.MQTTv5 and not self._proven:
            self._proven = True
            client.disconnect()
        else:
            client.subscribe([(each, _QOS) for each in FILTERS])

    def _on_subscribe(
        self,
        client: Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._note_loss(f"it refuses the subscription: {refused[0]}")
            return
        self._backoff.reset()
        self._client = client
        if self._lost_for is not None:
            log.info("the broker is back")
        self._lost_for = None
        self._ready(int(self._protocol))

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure and not self._stop.is_set():
            self._note_loss(str(reason))
        self._ended.set()

    def _on_message(
        self, client: Client, _userdata: object, message: MQTTMessage
    ) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "\N{REPLACEMENT CHARACTER}"
        each = Message(topic, bytes(message.payload), client, message.mid, message.qos)
        while not self._stop.is_set():
            try:
                self.inbox.put(each, timeout=0.5)
            except queue.Full:
                continue
            return

    def _note_loss(self, reason: str) -> None:
        if self._lost_for is None:
            where = f"{self._broker.host}:{self._broker.port}"
            log.warning("the broker %s is lost: %s", where, reason)
        self._lost_for = reason
