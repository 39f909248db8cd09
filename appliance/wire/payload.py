"""What an MQTT message carries: rows of one stream under contiguous numbers.

Schema 2 is the byte 2 and then zstd, without its magic and with the dictionary of
`wire.phrases`, of msgpack `[epoch, stream, first_seq, unsettled, numbers, places,
rows, columns]`. It stands for the numbers `first_seq .. first_seq + numbers - 1`.
`places` says which of them the rows have (empty: all, in order); the others were
merged into these rows, or withheld, and nothing more will come of them.
Schema 1 (`wire.outbox`) is read as well: it begins with zstd's magic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import zstandard

from appliance.wire.columns import pack, unpack
from appliance.wire.messages import WireError
from appliance.wire.outbox import (
    PAYLOAD_MAX_BYTES,
    ROW_TYPE,
    Row,
    Stream,
    decode_payload,
)
from appliance.wire.phrases import PHRASES

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = 2
NUMBERS_MAX = 1_000_000
"""More sequence numbers in one payload are not believed."""
_MARK = bytes([SCHEMA])
_STREAMS = tuple(Stream)
_SMALL_BYTES = 200_000
_SMALL_LEVEL, _LARGE_LEVEL = 19, 6

_DICTIONARY = zstandard.ZstdCompressionDict(
    PHRASES, dict_type=zstandard.DICT_TYPE_RAWCONTENT
)
_MAGICLESS = zstandard.FORMAT_ZSTD1_MAGICLESS


class _Body(msgspec.Struct, frozen=True, array_like=True):
    epoch: bytes
    stream: int
    first_seq: int
    unsettled: int
    numbers: int
    places: tuple[int, ...]
    rows: int
    columns: list[Any]


@dataclass(frozen=True, slots=True)
class Carried:
    """A payload that was opened: `rows[i]` has number `seqs[i]`, ascending."""

    schema: int
    epoch: str
    stream: Stream
    first_seq: int
    last_seq: int
    settled: int
    seqs: Sequence[int]
    rows: tuple[Row, ...]

    @property
    def absent(self) -> int:
        """Numbers that no row has: merged into the rows, or withheld."""
        return self.last_seq - self.first_seq + 1 - len(self.rows)


_encoder = msgspec.msgpack.Encoder()
_bodies = msgspec.msgpack.Decoder(_Body)


def encode(
    rows: Sequence[Row],
    *,
    epoch: str,
    stream: Stream,
    first_seq: int,
    settled: int,
    seqs: Sequence[int] = (),
    last_seq: int | None = None,
) -> bytes:
    """Return the payload of rows, in schema 2.

    `seqs` and `last_seq` are given where some numbers have no row of their own.
    """
    places = [seq - first_seq for seq in seqs]
    body = _Body(
        epoch=_short(epoch),
        stream=_STREAMS.index(stream),
        first_seq=first_seq,
        unsettled=first_seq - 1 - settled,
        numbers=len(rows) if last_seq is None else last_seq - first_seq + 1,
        places=tuple(b - a for a, b in pairwise([0, *places])),
        rows=len(rows),
        columns=pack(rows, ROW_TYPE[stream]),
    )
    plain = _encoder.encode(body)
    level = _SMALL_LEVEL if len(plain) < _SMALL_BYTES else _LARGE_LEVEL
    return _MARK + _compressor(level).compress(plain)


def open_payload(content: bytes) -> Carried:
    """Return what a payload of any schema carries. Input here is hostile.

    Raises:
        WireError: Broken, too long, of an unknown schema or stream, or with a broken
            row.
    """
    if content[:1] != _MARK:
        return _of_schema_1(content)
    try:
        body = _bodies.decode(_plain(content[1:]))
        return _carried(body)
    except WireError:
        raise
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as error:
        raise WireError(f"a broken payload: {error}") from error
    except (IndexError, OverflowError, RecursionError, TypeError) as error:
        raise WireError(f"a payload that makes no sense: {error}") from error


def _carried(body: _Body) -> Carried:
    if not 0 <= body.stream < len(_STREAMS):
        raise WireError(f"stream {body.stream} is unknown")
    if body.first_seq < 1 or not 0 <= body.unsettled < body.first_seq:
        raise WireError("a payload's numbers are below 1")
    if not 0 <= body.rows <= body.numbers <= NUMBERS_MAX:
        raise WireError(f"{body.rows} rows under {body.numbers} numbers")
    stream = _STREAMS[body.stream]
    seqs = _seqs(body)
    values = unpack(body.columns, ROW_TYPE[stream], body.rows)
    kind: Any = ROW_TYPE[stream]
    rows = tuple(msgspec.convert(values, list[kind]))
    return Carried(
        schema=SCHEMA,
        epoch=_long(body.epoch),
        stream=stream,
        first_seq=body.first_seq,
        last_seq=body.first_seq + body.numbers - 1,
        settled=body.first_seq - 1 - body.unsettled,
        seqs=seqs,
        rows=rows,
    )


def _seqs(body: _Body) -> Sequence[int]:
    first, last = body.first_seq, body.first_seq + body.numbers - 1
    if not body.places:
        if body.rows not in {0, body.numbers}:
            raise WireError("nothing says which numbers the rows have")
        return range(first, first + body.rows)
    seqs = [first + place for place in accumulate(body.places)]
    rising = all(step > 0 for step in body.places[1:]) and body.places[0] >= 0
    if len(seqs) != body.rows or not rising or seqs[-1] > last:
        raise WireError("rows whose numbers do not rise within the payload's")
    return seqs


def _of_schema_1(content: bytes) -> Carried:
    payload, rows = decode_payload(content)
    last = payload.first_seq + len(rows) - 1
    return Carried(
        schema=payload.schema,
        epoch=payload.epoch,
        stream=Stream(payload.stream),
        first_seq=payload.first_seq,
        last_seq=last,
        settled=payload.settled,
        seqs=range(payload.first_seq, last + 1),
        rows=rows,
    )


def _short(epoch: str) -> bytes:
    """Return a UUID as `u` and its 16 bytes, anything else as `t` and the text."""
    try:
        found = UUID(epoch)
    except ValueError:
        return b"t" + epoch.encode()
    return b"u" + found.bytes if str(found) == epoch else b"t" + epoch.encode()


def _long(short: bytes) -> str:
    if short[:1] == b"u":
        return str(UUID(bytes=short[1:]))
    return short[1:].decode()


@cache
def _compressor(level: int) -> zstandard.ZstdCompressor:
    """For one thread: the uplink's."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        dict_size=len(PHRASES),
        format=_MAGICLESS,
        write_content_size=True,
        write_checksum=False,
        write_dict_id=False,
    )
    return zstandard.ZstdCompressor(
        dict_data=_DICTIONARY, compression_params=parameters
    )


def _plain(content: bytes) -> bytes:
    size = zstandard.get_frame_parameters(content, format=_MAGICLESS).content_size
    if not 0 <= size <= PAYLOAD_MAX_BYTES:
        raise WireError(f"a payload of {size} bytes is not accepted")
    decompressor = zstandard.ZstdDecompressor(dict_data=_DICTIONARY, format=_MAGICLESS)
    return decompressor.decompress(content, PAYLOAD_MAX_BYTES)
