"""Rows of the outbox, and the payloads of schema 1 that carry them to the fleet.

A payload is zstd(msgpack) of `{schema, epoch, stream, first_seq, rows}`; the rows
are contiguous, so row *i* has sequence number `first_seq + i`. The key of a row
everywhere is `(site, gateway, epoch, stream, seq)`. Gateways send schema 2 now, see
`wire.payload`; the fleet reads both.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import zstandard

from appliance.wire.messages import WireError

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = 1
TOPIC_ROOT = "wheeltapper/v1"
ACK = "ack"
PAYLOAD_MAX_BYTES = 16 * 1024 * 1024
"""Longest decompressed payload: a bound against hostile input."""


class Stream(StrEnum):
    """The outbox streams; each is numbered for itself."""

    EVENT = "event"
    SUMMARY = "summary"
    HEALTH = "health"
    SNIPPET = "snippet"
    GAP = "gap"


class EventRow(msgspec.Struct, frozen=True, array_like=True):
    """An event (alarm, trip, anomaly, audit …)."""

    kind: str
    name: str
    time_ns: int
    message: str
    asset: str
    tag: str | None
    priority: str
    actor: str
    details: dict[str, Any]


class SummaryRow(msgspec.Struct, frozen=True, array_like=True):
    """Roll-up of one tag over one period (see `domain.summary`); None for NaN."""

    tag: str
    start_ns: int
    period_s: float
    count: int
    bad: int
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    last: float | None


class HealthRow(msgspec.Struct, frozen=True, array_like=True):
    """What is thought of an asset at one moment (see `domain.health`)."""

    asset: str
    time_ns: int
    score: float | None
    limit: float | None
    index: float | None
    anomaly: bool
    life_h: float | None
    life_low_h: float | None
    life_high_h: float | None
    cause: str
    model: str


class SnippetRow(msgspec.Struct, frozen=True, array_like=True):
    """A short piece of raw data around an event; `content` is zstd(float32 LE)."""

    tag: str
    start_ns: int
    sample_rate_hz: float
    points: int
    content: bytes
    reason: str


class GapRow(msgspec.Struct, frozen=True, array_like=True):
    """A declared gap (see `domain.event.Gap`)."""

    what: str
    reason: str
    from_ns: int
    to_ns: int
    count: int
    first: int
    through: int


Row: TypeAlias = EventRow | SummaryRow | HealthRow | SnippetRow | GapRow

ROW_TYPE: dict[Stream, type[msgspec.Struct]] = {
    Stream.EVENT: EventRow,
    Stream.SUMMARY: SummaryRow,
    Stream.HEALTH: HealthRow,
    Stream.SNIPPET: SnippetRow,
    Stream.GAP: GapRow,
}


class Payload(msgspec.Struct, frozen=True):
    """One MQTT message: contiguous rows of one stream, each already encoded.

    `settled` says that no row up to it is still to come: each was acknowledged before,
    or was lost at the gateway, which declares it in the gap stream.
    """

    schema: int
    epoch: str
    stream: str
    first_seq: int
    rows: tuple[msgspec.Raw, ...]
    settled: int = 0


class Ack(msgspec.Struct, frozen=True):
    """The fleet's word: rows up to `through` are committed in the lake."""

    epoch: str
    stream: str
    through: int


_encoder = msgspec.msgpack.Encoder()
_compressor = zstandard.ZstdCompressor(level=9)  # for one thread: the uplink's
_payloads = msgspec.msgpack.Decoder(Payload)
_acks = msgspec.msgpack.Decoder(Ack)
_rows = {stream: msgspec.msgpack.Decoder(kind) for stream, kind in ROW_TYPE.items()}


def encode_row(row: Row) -> bytes:
    """Return a row as it lies in the outbox."""
    return _encoder.encode(row)


def decode_row(stream: Stream, content: bytes) -> Row:
    """Return the row of a stream.

    Raises:
        WireError: Not a row of that stream.
    """
    try:
        row: Row = _rows[stream].decode(content)  # type: ignore[assignment] # by table
    except msgspec.MsgspecError as error:
        raise WireError(f"a broken {stream} row: {error}") from error
    return row


def encode_payload(
    *,
    epoch: str,
    stream: Stream,
    first_seq: int,
    rows: Sequence[bytes],
    settled: int = 0,
) -> bytes:
    """Return the payload of contiguous, already encoded rows."""
    payload = Payload(
        schema=SCHEMA,
        epoch=epoch,
        stream=stream,
        first_seq=first_seq,
        rows=tuple(msgspec.Raw(row) for row in rows),
        settled=settled,
    )
    return _compressor.compress(_encoder.encode(payload))


def decode_payload(content: bytes) -> tuple[Payload, tuple[Row, ...]]:
    """Return a payload and its rows.

    Raises:
        WireError: Not zstd, too long, not a payload, of an unknown schema or stream,
            or with a broken row.
    """
    try:
        plain = _decompress(content)
        payload = _payloads.decode(plain)
        stream = Stream(payload.stream)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as error:
        raise WireError(f"a broken payload: {error}") from error
    if payload.schema != SCHEMA:
        raise WireError(f"payload schema {payload.schema} is not {SCHEMA}")
    if payload.first_seq < 1:
        raise WireError("a payload's first_seq is below 1")
    if not 0 <= payload.settled < payload.first_seq:
        raise WireError("a payload's settled is not below its first_seq")
    return payload, tuple(decode_row(stream, bytes(row)) for row in payload.rows)


def encode_ack(ack: Ack) -> bytes:
    """Return an acknowledgement as it travels."""
    return _encoder.encode(ack)


def decode_ack(content: bytes) -> Ack:
    """Return the acknowledgement.

    Raises:
        WireError: Not one.
    """
    try:
        return _acks.decode(content)
    except msgspec.MsgspecError as error:
        raise WireError(f"a broken acknowledgement: {error}") from error


def topic(site: str, gateway: str, leaf: str) -> str:
    """Return `wheeltapper/v1/{site}/{gateway}/{leaf}`; leaf: a stream or `ack`."""
    return f"{TOPIC_ROOT}/{site}/{gateway}/{leaf}"


def parse_topic(text: str) -> tuple[str, str, str]:
    """Return (site, gateway, leaf) of a topic.

    Raises:
        WireError: Not one of ours.
    """
    root, _, rest = text.partition(f"{TOPIC_ROOT}/")
    parts = rest.split("/")
    if root or len(parts) != 3 or not all(parts):  # noqa: PLR2004 - three levels
        raise WireError(f"not a topic of ours: {text!r}")
    return parts[0], parts[1], parts[2]


def _decompress(content: bytes) -> bytes:
    size = zstandard.frame_content_size(content)
    if not 0 <= size <= PAYLOAD_MAX_BYTES:
        raise WireError(f"a payload of {size} bytes is not accepted")
    return zstandard.ZstdDecompressor().decompress(content, PAYLOAD_MAX_BYTES)
