"""Rows of the outbox packed into payloads of bounded size."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from appliance.wire.outbox import Stream, encode_payload

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PLAIN_MAX_BYTES = 4 * 1024 * 1024
_RATIO_MAX = 8.0
_CAUTION = 0.9


class Progress(Enum):
    """How far a parcel has come."""

    WAITING = auto()
    SENT = auto()
    ACCEPTED = auto()


@dataclass(slots=True, eq=False)
class Parcel:
    """Contiguous rows `first..last` of one stream on their way, as one payload.

    The payload is forgotten when the broker has accepted it: the outbox keeps the rows.
    """

    stream: Stream
    epoch: str
    first: int
    last: int
    payload: bytes
    size_bytes: int
    progress: Progress = Progress.WAITING
    moved_s: float = 0.0


class Packer:
    """Packs rows of one stream; learns how well they compress.

    A payload exceeds the limit only where a single row does.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ratio = 1.0

    def pack(
        self,
        rows: Sequence[bytes],
        *,
        epoch: str,
        first: int,
        settled: int,
        max_bytes: int,
    ) -> Iterator[Parcel]:
        """Yield the parcels of contiguous rows; `first` numbers the first row."""
        begin = 0
        while begin < len(rows):
            plain_bytes = min(int(max_bytes * self._ratio), PLAIN_MAX_BYTES)
            count = _fitting(rows, begin, plain_bytes)
            payload = b""
            while True:
                piece = rows[begin : begin + count]
                payload = encode_payload(
                    epoch=epoch,
                    stream=self._stream,
                    first_seq=first + begin,
                    rows=piece,
                    settled=settled,
                )
                self._learn(piece, payload)
                if len(payload) <= max_bytes or count == 1:
                    break
                count = max(1, count // 2)
            yield Parcel(
                self._stream,
                epoch,
                first + begin,
                first + begin + count - 1,
                payload,
                len(payload),
            )
            begin += count

    def _learn(self, piece: Sequence[bytes], payload: bytes) -> None:
        ratio = _CAUTION * sum(map(len, piece)) / len(payload)
        self._ratio = min(max(ratio, 1.0), _RATIO_MAX)


def _fitting(rows: Sequence[bytes], begin: int, plain_bytes: int) -> int:
    """Return how many rows from `begin` fit into `plain_bytes`, at least one."""
    total = 0
    for index in range(begin, len(rows)):
        total += len(rows[index])
        if total > plain_bytes:
            return max(index - begin, 1)
    return len(rows) - begin
