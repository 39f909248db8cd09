"""What is said on the link: tagged structs in msgpack, behind a length.

Numpy-free, so that safety can speak it: columns travel as little-endian bytes.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import msgspec

PROTOCOL = 1
FRAME_MAX_BYTES = 8 * 1024 * 1024
LENGTH_BYTES = 4
_LENGTH = struct.Struct(">I")


class WireError(ValueError):
    """The bytes are not a message of ours."""


class TagEntry(msgspec.Struct, frozen=True):
    """A row of the tag table."""

    number: int
    name: str
    engineering_units: str = ""
    range_low: float | None = None
    range_high: float | None = None
    description: str = ""
    states: tuple[tuple[int, str], ...] = ()


class Hello(msgspec.Struct, tag="hello", frozen=True):
    """First message of either side; a server's carries its tag table."""

    protocol: int
    process: str
    epoch: str = ""
    tags: tuple[TagEntry, ...] = ()


class Subscribe(msgspec.Struct, tag="subscribe", frozen=True):
    """Ask for `batches` (all, in order), `newest` (per tag, coalesced), `events`."""

    what: tuple[str, ...]


class WaveformPart(msgspec.Struct, frozen=True):
    """A `Waveform`; `points` is float32 little-endian."""

    tag: int
    start_ns: int
    sample_rate_hz: float
    points: bytes
    quality: int
    status: int


class TextPart(msgspec.Struct, frozen=True):
    """A `Text`."""

    tag: int
    source_time_ns: int
    content: str | int
    quality: int
    status: int


class BatchMessage(msgspec.Struct, tag="batch", frozen=True):
    """A `Batch`; the columns are u32, i64, f64, u8 and u32, little-endian.

    `server_time_ns` (i64) is empty where the protocol has no second time.
    """

    tag: bytes
    source_time_ns: bytes
    value: bytes
    quality: bytes
    status: bytes
    receive_time_ns: int
    historical: bool = False
    group: str = ""
    confirms: bool = True
    waveforms: tuple[WaveformPart, ...] = ()
    texts: tuple[TextPart, ...] = ()
    server_time_ns: bytes = b""


class Lost(msgspec.Struct, tag="lost", frozen=True):
    """You were too slow: batches of this interval were not sent to you."""

    from_ns: int
    to_ns: int
    batches: int


class EventMessage(msgspec.Struct, tag="event", frozen=True):
    """An `Event`; `pending` until it is committed, then sent again with its `seq`."""

    kind: str
    name: str
    time_ns: int
    message: str
    asset: str = ""
    tag: str | None = None
    priority: str = ""
    actor: str = ""
    details: dict[str, str | int | float | bool | None] = {}
    pending: bool = True
    seq: int = 0


class Request(msgspec.Struct, tag="request", frozen=True):
    """Ask the owner to do `op`; `n` comes back in the reply."""

    n: int
    op: str
    args: dict[str, Any] = {}


class Reply(msgspec.Struct, tag="reply", frozen=True):
    """The answer to request `n`: a result, or an error in words."""

    n: int
    result: Any = None
    error: str | None = None


Message: TypeAlias = (
    Hello | Subscribe | BatchMessage | Lost | EventMessage | Request | Reply
)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)


def encode_frame(message: Message) -> bytes:
    """Return length and body.

    Raises:
        WireError: Longer than `FRAME_MAX_BYTES`.
    """
    body = _encoder.encode(message)
    if len(body) > FRAME_MAX_BYTES:
        raise WireError(f"a message of {len(body)} bytes is too long for a frame")
    return _LENGTH.pack(len(body)) + body


def frame_length(head: bytes) -> int:
    """Return the length announced by the first four bytes of a frame.

    Raises:
        WireError: Longer than `FRAME_MAX_BYTES`.
    """
    (length,) = _LENGTH.unpack(head)
    if length > FRAME_MAX_BYTES:
        raise WireError(f"a frame of {length} bytes is longer than allowed")
    return int(length)


def decode_body(body: bytes) -> Message:
    """Return the message of a frame's body.

    Raises:
        WireError: Not one of ours.
    """
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise WireError(str(error)) from error
