"""What waits in memory for the next commit; bounded, and nothing leaves unsaid.

Policy DROP_OLDEST: while the disk refuses, the newest stay. What had to go is a
`Loss`, and becomes a declared gap with the first commit that succeeds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from appliance.domain.event import Gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.domain.batch import Batch
    from appliance.wire.outbox import Stream

GAPS_MAX = 1000
REASONS_MAX = 100
SEVERAL = "several reasons, while the disk refused"
_ROW_BYTES = 25
_EACH_BYTES = 200  # of Python objects around the columns


@dataclass(frozen=True, slots=True)
class Loss:
    """How many were lost from memory, and in which interval."""

    from_ns: int
    to_ns: int
    count: int

    def and_then(self, later: Loss) -> Loss:
        """Return both as one."""
        return Loss(
            min(self.from_ns, later.from_ns),
            max(self.to_ns, later.to_ns),
            self.count + later.count,
        )


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A row of an outbox stream that has no number yet."""

    stream: Stream
    time_ns: int
    content: bytes


@dataclass(slots=True)
class Taken:
    """What one commit writes."""

    batches: list[Batch] = field(default_factory=list)
    rows: list[Enqueued] = field(default_factory=list)
    losses: dict[Stream | None, Loss] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    alive: bool = False

    @property
    def sample_count(self) -> int:
        """Samples of all batches."""
        return sum(batch.sample_count for batch in self.batches)

    def rows_of(self, stream: Stream) -> list[Enqueued]:
        """Return the rows of one stream, in order."""
        return [row for row in self.rows if row.stream == stream]

    @property
    def lost_samples(self) -> int:
        """Samples lost before, which this commit declares."""
        loss = self.losses.get(None)
        return 0 if loss is None else loss.count

    def __bool__(self) -> bool:
        return bool(self.batches or self.rows or self.losses or self.gaps or self.alive)


class Backlog:
    """Batches and outbox rows, each within `limit_bytes`.

    Losses of samples lie at None, those of rows at their stream.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._batches: deque[Batch] = deque()
        self._batch_bytes = 0
        self._rows: deque[Enqueued] = deque()
        self._row_bytes = 0
        self._losses: dict[Stream | None, Loss] = {}
        self._gaps: list[Gap] = []
        self._alive = False
        self.sample_count = 0
        """Samples that wait here (a commit that is under way holds its own)."""

    def add(self, batch: Batch) -> int:
        """Queue a batch; return how many samples had to go."""
        self._alive = True
        if not batch.sample_count:
            return 0
        self._batches.append(batch)
        self._batch_bytes += weight(batch)
        self.sample_count += batch.sample_count
        return self._shed_batches()

    def add_rows(self, stream: Stream, contents: Sequence[bytes], time_ns: int) -> int:
        """Queue outbox rows; return how many rows had to go."""
        self._rows.extend(Enqueued(stream, time_ns, each) for each in contents)
        self._row_bytes += sum(len(each) + _EACH_BYTES for each in contents)
        return self._shed_rows()

    def add_gap(self, gap: Gap) -> None:
        """Queue a declared gap; beyond a bound, gaps of one kind become one.

        Each reason keeps its own while there are not too many, then they share one.
        """
        full = len(self._gaps) >= GAPS_MAX
        if full and self._widen(gap):
            return
        if len(self._gaps) >= GAPS_MAX + REASONS_MAX:
            gap = replace(gap, reason=SEVERAL)
            if self._widen(gap):
                return
        self._gaps.append(gap)

    def take(self) -> Taken:
        """Take everything; give it back with `put_back` if it was not committed."""
        taken = Taken(
            list(self._batches), list(self._rows), self._losses, self._gaps, self._alive
        )
        self._batches.clear()
        self._rows.clear()
        self._batch_bytes = self._row_bytes = self.sample_count = 0
        self._losses, self._gaps, self._alive = {}, [], False
        return taken

    def put_back(self, taken: Taken) -> int:
        """Queue again, before what came meanwhile; return how many had to go."""
        self._batches.extendleft(reversed(taken.batches))
        self._batch_bytes += sum(map(weight, taken.batches))
        self.sample_count += taken.sample_count
        self._rows.extendleft(reversed(taken.rows))
        self._row_bytes += sum(len(row.content) + _EACH_BYTES for row in taken.rows)
        self._alive = self._alive or taken.alive
        for what, loss in taken.losses.items():
            self.lose(what, loss)
        self._gaps = taken.gaps + self._gaps
        return self._shed_batches() + self._shed_rows()

    def lose(self, what: Stream | None, loss: Loss) -> None:
        """Note a loss, to be declared by the next commit."""
        known = self._losses.get(what)
        self._losses[what] = loss if known is None else known.and_then(loss)

    @property
    def lost_samples(self) -> int:
        """Samples lost and not yet declared on disk."""
        loss = self._losses.get(None)
        return 0 if loss is None else loss.count

    def _widen(self, gap: Gap) -> bool:
        """Put it into one of its kind and reason; say whether there was one."""
        for place, known in enumerate(self._gaps):
            if (known.what, known.reason) == (gap.what, gap.reason):
                self._gaps[place] = _widened(known, gap)
                return True
        return False

    def _shed_batches(self) -> int:
        shed = 0
        while self._batch_bytes > self._limit_bytes:
            oldest = self._batches.popleft()
            self._batch_bytes -= weight(oldest)
            self.sample_count -= oldest.sample_count
            shed += oldest.sample_count
            at_ns = oldest.receive_time_ns
            self.lose(None, Loss(at_ns, at_ns, oldest.sample_count))
        return shed

    def _shed_rows(self) -> int:
        shed = 0
        while self._row_bytes > self._limit_bytes:
            oldest = self._rows.popleft()
            self._row_bytes -= len(oldest.content) + _EACH_BYTES
            shed += 1
            self.lose(oldest.stream, Loss(oldest.time_ns, oldest.time_ns, 1))
        return shed


def _widened(gap: Gap, more: Gap) -> Gap:
    """Return both as one; a stream's own numbers are then no longer known."""
    known = gap.count >= 0 and more.count >= 0
    return Gap(
        gap.what,
        gap.reason,
        min(gap.from_ns, more.from_ns),
        max(gap.to_ns, more.to_ns),
        gap.count + more.count if known else -1,
    )


def weight(batch: Batch) -> int:
    """Return about how many bytes of memory a batch holds."""
    return (
        _EACH_BYTES
        + _ROW_BYTES * len(batch)
        + (0 if batch.server_time_ns is None else batch.server_time_ns.nbytes)
        + sum(_EACH_BYTES + each.points.nbytes for each in batch.waveforms)
        + sum(_EACH_BYTES + len(str(each.content)) for each in batch.texts)
    )
