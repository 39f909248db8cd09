"""What a broker's reason codes mean for us, and what to do about each. Pure.

The table holds every code that MQTT 5 (section 2.4 and the tables of CONNACK, PUBACK,
SUBACK, DISCONNECT) lets a server say there. 3.1.1 knows five refusals of CONNECT and
one of SUBSCRIBE; `CODE_OF_311` gives the code of 5 that says the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto


class Packet(StrEnum):
    """Where a reason code stands."""

    CONNACK = "CONNACK"
    PUBACK = "PUBACK"
    SUBACK = "SUBACK"
    DISCONNECT = "DISCONNECT"


class Course(Enum):
    """What to do about it."""

    GO_ON = auto()
    RETRY = auto()
    """Again soon: it passes by itself."""
    BACK_OFF = auto()
    """The broker asks for patience."""
    ASK_A_PERSON = auto()
    """Seldom, and with words: it does not pass by itself."""
    SMALLER = auto()
    """Again, with smaller packets."""
    OTHER_PROTOCOL = auto()
    """At once, with the other MQTT."""


@dataclass(frozen=True, slots=True)
class Advice:
    """A reason code, explained; `remedy` is for the person who must act, or empty."""

    packet: Packet
    code: int
    reason: str
    course: Course
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason


CODE_OF_311 = {0: 0x00, 1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}
"""Return codes of CONNACK in 3.1.1, as codes of 5."""

_FAILURE = 0x80
_SHALL = Course.ASK_A_PERSON
_RIGHTS = "let the broker's access list permit this client to {verb} below {topic}"
_TOPIC = "wheeltapper/v1/SITE/GATEWAY/#"
_ACCOUNT = "check [uplink] username, password_file and certificate_file at the broker"
_OURS = "report it with the support bundle: the packet was ours"
_ELSEWHERE = "set [uplink] host and port to where the broker is now"
_QUOTA = "raise the broker's quota for this client"
_LOG = "the broker's own log says why"
_KEEP = "another client uses this site and gateway id: give each gateway its own"

_CONNACK = {
    0x00: ("Success", Course.GO_ON, ""),
    0x80: ("Unspecified error", Course.BACK_OFF, _LOG),
    0x81: ("Malformed packet", Course.OTHER_PROTOCOL, ""),
    0x82: ("Protocol error", Course.OTHER_PROTOCOL, ""),
    0x83: ("Implementation specific error", Course.BACK_OFF, _LOG),
    0x84: ("Unsupported protocol version", Course.OTHER_PROTOCOL, ""),
    0x85: (
        "Client identifier not valid",
        _SHALL,
        "let the broker accept wheeltapper-SITE-GATEWAY, or shorten [site]",
    ),
    0x86: ("Bad user name or password", _SHALL, _ACCOUNT),
    0x87: ("Not authorized", _SHALL, _ACCOUNT),
    0x88: ("Server unavailable", Course.BACK_OFF, ""),
    0x89: ("Server busy", Course.BACK_OFF, ""),
    0x8A: ("Banned", _SHALL, "have the broker's administrator lift the ban"),
    0x8C: ("Bad authentication method", _SHALL, _ACCOUNT),
    0x90: ("Topic name invalid", _SHALL, _OURS),
    0x95: ("Packet too large", Course.SMALLER, ""),
    0x97: ("Quota exceeded", Course.BACK_OFF, _QUOTA),
    0x99: ("Payload format invalid", _SHALL, _OURS),
    0x9A: ("Retain not supported", _SHALL, _OURS),
    0x9B: ("QoS not supported", _SHALL, "let the broker take QoS 1"),
    0x9C: ("Use another server", Course.BACK_OFF, _ELSEWHERE),
    0x9D: ("Server moved", _SHALL, _ELSEWHERE),
    0x9F: ("Connection rate exceeded", Course.BACK_OFF, ""),
}
_PUBLISH = _RIGHTS.format(verb="publish", topic=_TOPIC)
_PUBACK = {
    0x00: ("Success", Course.GO_ON, ""),
    0x10: ("No matching subscribers", Course.GO_ON, ""),
    0x80: ("Unspecified error", Course.BACK_OFF, _LOG),
    0x83: ("Implementation specific error", Course.BACK_OFF, _LOG),
    0x87: ("Not authorized", _SHALL, _PUBLISH),
    0x90: ("Topic name invalid", _SHALL, _PUBLISH),
    0x91: ("Packet identifier in use", Course.RETRY, ""),
    0x97: ("Quota exceeded", Course.BACK_OFF, _QUOTA),
    0x99: ("Payload format invalid", _SHALL, "let the broker take binary payloads"),
}
_SUBSCRIBE = _RIGHTS.format(verb="subscribe", topic=_TOPIC)
_PLAIN = "let the broker grant a plain subscription"
_SUBACK = {
    0x00: ("Granted QoS 0", Course.GO_ON, ""),
    0x01: ("Granted QoS 1", Course.GO_ON, ""),
    0x02: ("Granted QoS 2", Course.GO_ON, ""),
    0x80: ("Unspecified error", _SHALL, _SUBSCRIBE),  # all that 3.1.1 can say
    0x83: ("Implementation specific error", Course.BACK_OFF, _LOG),
    0x87: ("Not authorized", _SHALL, _SUBSCRIBE),
    0x8F: ("Topic filter invalid", _SHALL, _SUBSCRIBE),
    0x91: ("Packet identifier in use", Course.RETRY, ""),
    0x97: ("Quota exceeded", Course.BACK_OFF, _QUOTA),
    0x9E: ("Shared subscription not supported", _SHALL, _PLAIN),
    0xA1: ("Subscription identifiers not supported", _SHALL, _PLAIN),
    0xA2: ("Wildcard subscription not supported", _SHALL, _PLAIN),
}
_DISCONNECT = {
    0x00: ("Normal disconnection", Course.RETRY, ""),
    0x80: ("Unspecified error", Course.BACK_OFF, _LOG),
    0x81: ("Malformed packet", Course.BACK_OFF, _OURS),
    0x82: ("Protocol error", Course.BACK_OFF, _OURS),
    0x83: ("Implementation specific error", Course.BACK_OFF, _LOG),
    0x87: ("Not authorized", _SHALL, _ACCOUNT),
    0x89: ("Server busy", Course.BACK_OFF, ""),
    0x8B: ("Server shutting down", Course.RETRY, ""),
    0x8C: ("Bad authentication method", _SHALL, _ACCOUNT),
    0x8D: ("Keep alive timeout", Course.RETRY, ""),
    0x8E: ("Session taken over", Course.BACK_OFF, _KEEP),
    0x8F: ("Topic filter invalid", _SHALL, _SUBSCRIBE),
    0x90: ("Topic name invalid", _SHALL, _PUBLISH),
    0x93: ("Receive maximum exceeded", Course.RETRY, "lower [uplink] window"),
    0x94: ("Topic alias invalid", Course.BACK_OFF, _OURS),
    0x95: ("Packet too large", Course.SMALLER, "lower [uplink] max_payload_bytes"),
    0x96: ("Message rate too high", Course.BACK_OFF, ""),
    0x97: ("Quota exceeded", Course.BACK_OFF, _QUOTA),
    0x98: ("Administrative action", Course.BACK_OFF, "ask the broker's administrator"),
    0x99: ("Payload format invalid", _SHALL, "let the broker take binary payloads"),
    0x9A: ("Retain not supported", _SHALL, _OURS),
    0x9B: ("QoS not supported", _SHALL, "let the broker take QoS 1"),
    0x9C: ("Use another server", Course.BACK_OFF, _ELSEWHERE),
    0x9D: ("Server moved", _SHALL, _ELSEWHERE),
    0x9E: ("Shared subscription not supported", _SHALL, _PLAIN),
    0x9F: ("Connection rate exceeded", Course.BACK_OFF, ""),
    0xA0: ("Maximum connect time", Course.RETRY, ""),
    0xA1: ("Subscription identifiers not supported", _SHALL, _PLAIN),
    0xA2: ("Wildcard subscription not supported", _SHALL, _PLAIN),
}
TABLE = {
    Packet.CONNACK: _CONNACK,
    Packet.PUBACK: _PUBACK,
    Packet.SUBACK: _SUBACK,
    Packet.DISCONNECT: _DISCONNECT,
}


def advise(packet: Packet, code: int) -> Advice:
    """Return what to do about a code of MQTT 5; a code of no standard is one, too."""
    known = TABLE[packet].get(code)
    if known is not None:
        return Advice(packet, code, *known)
    reason = f"reason code 0x{code:02x}, which MQTT does not know in {packet}"
    if code < _FAILURE and packet is not Packet.DISCONNECT:
        return Advice(packet, code, reason, Course.GO_ON)
    return Advice(packet, code, reason, Course.BACK_OFF, _LOG)
