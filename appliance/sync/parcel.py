"""Rows of the outbox packed into payloads of bounded size."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from appliance.sync.coarsen import Span, merge
from appliance.sync.policy import EVERYTHING, is_urgent
from appliance.wire.messages import WireError
from appliance.wire.outbox import Stream, SummaryRow, decode_row, encode_payload
from appliance.wire.payload import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from appliance.sync.coarsen import Plan
    from appliance.sync.policy import Policy
    from appliance.wire.outbox import Row

PLAIN_MAX_BYTES = 4 * 1024 * 1024
_RATIO_MAX = 40.0
_CAUTION = 0.9


class Progress(Enum):
    """How far a parcel has come."""

    WAITING = auto()
    SENT = auto()
    ACCEPTED = auto()


@dataclass(slots=True, eq=False)
class Parcel:
    """Contiguous numbers `first..last` of one stream on their way, as one payload.

    The payload is forgotten when the broker has accepted it: the outbox keeps the rows.
    An urgent one may go at any time.
    """

    stream: Stream
    epoch: str
    first: int
    last: int
    payload: bytes
    size_bytes: int
    urgent: bool = False
    progress: Progress = Progress.WAITING
    moved_s: float = 0.0


class Packer:
    """Packs rows of one stream; learns how well they compress.

    A payload exceeds the limit only where a single row does, or rows that were merged.
    With a `plan`, rows may be merged to `coarse_s`; `planned` is called before a number
    is sent of which the plan knew nothing.
    """

    def __init__(
        self,
        stream: Stream,
        policy: Policy = EVERYTHING,
        *,
        plan: Plan | None = None,
        planned: Callable[[], None] = lambda: None,
    ) -> None:
        self.coarse_s = 0.0
        self.merged_rows = 0
        self._stream = stream
        self._policy = policy
        self._plan = plan
        self._planned = planned
        self._ratio = 1.0

    def begin(self, epoch: str) -> None:
        """Note that the rows are of another outbox."""
        if self._plan is not None:
            self._plan.begin(epoch)

    def settle(self, through: int) -> None:
        """Note up to where the outbox needs nothing any more."""
        if self._plan is not None:
            self._plan.settle(through)

    def at_once(self, after: int) -> int:
        """Return how many rows must be read at once after a number."""
        return 1 if self._plan is None else self._plan.room_for(after)

    def pack(
        self,
        rows: Sequence[bytes],
        *,
        epoch: str,
        first: int,
        settled: int,
        max_bytes: int,
    ) -> Iterator[Parcel]:
        """Yield the parcels of contiguous rows; `first` numbers the first row.

        Rows at the end of which the plan wants more at once are left out.
        """
        for span in self._spans(first, first + len(rows) - 1):
            piece = rows[span.first - first : span.last - first + 1]
            if span.period_s > 0.0:
                self.merged_rows += len(piece)
                yield self._merged(piece, epoch, span, settled=settled)
            else:
                yield from self._plain(
                    piece,
                    epoch=epoch,
                    first=span.first,
                    settled=settled,
                    max_bytes=max_bytes,
                )

    def _spans(self, first: int, last: int) -> list[Span]:
        if self._plan is None:
            return [Span(first, last, 0.0)]
        before = list(self._plan.spans)
        spans = list(self._plan.extend(first, last, self.coarse_s))
        if self._plan.spans != before:
            self._planned()
        return spans

    def _plain(
        self,
        rows: Sequence[bytes],
        *,
        epoch: str,
        first: int,
        settled: int,
        max_bytes: int,
    ) -> Iterator[Parcel]:
        begin = 0
        while begin < len(rows):
            plain_bytes = min(int(max_bytes * self._ratio), PLAIN_MAX_BYTES)
            count = _fitting(rows, begin, plain_bytes)
            while True:
                piece = rows[begin : begin + count]
                parcel = self._parcel(piece, epoch, first + begin, settled=settled)
                self._learn(piece, parcel.payload)
                if parcel.size_bytes <= max_bytes or count == 1:
                    break
                count = max(1, count // 2)
            yield parcel
            begin += count

    def _merged(
        self, rows: Sequence[bytes], epoch: str, span: Span, *, settled: int
    ) -> Parcel:
        found = self._decoded(rows)
        numbered = [
            (span.first + place, row)
            for place, row in enumerate(found or ())
            if isinstance(row, SummaryRow)
        ]
        if len(numbered) != len(rows):
            return self._parcel(rows, epoch, span.first, settled=settled)
        merged = merge(numbered, span.period_s)
        payload = encode(
            [row for _, row in merged],
            epoch=epoch,
            stream=self._stream,
            first_seq=span.first,
            settled=settled,
            seqs=[seq for seq, _ in merged],
            last_seq=span.last,
        )
        return Parcel(self._stream, epoch, span.first, span.last, payload, len(payload))

    def _parcel(
        self, rows: Sequence[bytes], epoch: str, first: int, *, settled: int
    ) -> Parcel:
        """Return the parcel of rows as they lie in the outbox.

        A row that is not understood goes as it is, in schema 1: the fleet may know
        more.
        """
        found = self._decoded(rows)
        payload = None
        if found is not None:
            payload = _columns(found, epoch, self._stream, first=first, settled=settled)
        if payload is None:
            payload = encode_payload(
                epoch=epoch,
                stream=self._stream,
                first_seq=first,
                rows=rows,
                settled=settled,
            )
        last = first + len(rows) - 1
        urgent = any(map(is_urgent, found or ()))
        return Parcel(
            self._stream, epoch, first, last, payload, len(payload), urgent=urgent
        )

    def _decoded(self, rows: Sequence[bytes]) -> list[Row] | None:
        try:
            return [
                self._policy.released(decode_row(self._stream, row)) for row in rows
            ]
        except WireError:
            return None

    def _learn(self, piece: Sequence[bytes], payload: bytes) -> None:
        ratio = _CAUTION * sum(map(len, piece)) / len(payload)
        self._ratio = min(max(ratio, 1.0), _RATIO_MAX)


def _columns(
    rows: Sequence[Row], epoch: str, stream: Stream, *, first: int, settled: int
) -> bytes | None:
    try:
        return encode(
            rows, epoch=epoch, stream=stream, first_seq=first, settled=settled
        )
    except OverflowError:
        return None


def _fitting(rows: Sequence[bytes], begin: int, plain_bytes: int) -> int:
    """Return how many rows from `begin` fit into `plain_bytes`, at least one."""
    total = 0
    for index in range(begin, len(rows)):
        total += len(rows[index])
        if total > plain_bytes:
            return max(index - begin, 1)
    return len(rows) - begin
