"""Group commit: many batches, one fsync; and events, that do not wait for it.

Batches and outbox rows queue for the next commit (the stated loss on power failure
is one `commit_period_s`); an event returns when it is committed with
`synchronous=FULL`, together with all others that wait at that moment. While the
disk refuses, everything waits in memory within a bound and is tried again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from appliance.storage.backlog import Backlog, Loss, Taken
from appliance.storage.commit import commit_events, commit_taken
from appliance.storage.counters import outbox_counters, sample_counters
from appliance.storage.records import READ, row_of_event
from appliance.wire.outbox import Stream, encode_row

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from appliance.domain.batch import Batch
    from appliance.domain.event import Event, Gap
    from appliance.domain.ports import Clock
    from appliance.storage.disk import Disk

log = logging.getLogger(__name__)

EVENTS_MAX = 10_000
"""Events that wait for a disk that refuses; then the oldest become a declared gap."""


@dataclass(slots=True)
class _Waiting:
    """An event on its way to the disk; `seq` is its number once it is there."""

    event: Event
    seq: int | None = None


class GroupCommit:
    """What waits, and the commits that empty it. `committed` counts what is on disk."""

    def __init__(
        self, disk: Disk, clock: Clock, *, committed: Counter[str], memory_bytes: int
    ) -> None:
        self._disk = disk
        self._clock = clock
        self._committed = committed
        self._read = committed[READ]
        self._backlog = Backlog(memory_bytes)
        self._in_commit = Taken()
        self._events: list[_Waiting] = []
        self._one_at_a_time = asyncio.Lock()
        self._shedding = False

    def append(self, batch: Batch) -> None:
        """Queue a batch."""
        self._read += batch.sample_count
        self._say_shed(self._backlog.add(batch), "samples")

    def enqueue(self, stream: Stream, contents: Sequence[bytes], time_ns: int) -> None:
        """Queue rows of an outbox stream."""
        shed = self._backlog.add_rows(stream, contents, time_ns)
        self._say_shed(shed, "rows of the outbox")

    async def append_event(self, event: Event) -> int:
        """Commit an event. Raises StoreUnavailableError; then it still waits."""
        encode_row(row_of_event(event))  # what cannot be stored fails its own caller
        waiting = _Waiting(event)
        self._events.append(waiting)
        async with self._one_at_a_time:
            if waiting.seq is None:
                await self._commit_events()
        assert waiting.seq is not None, "committed, or raised"
        return waiting.seq

    def queue_gap(self, gap: Gap) -> None:
        """Queue a gap."""
        self._backlog.add_gap(gap)

    async def append_gap(self, gap: Gap) -> None:
        """Commit a gap. Raises StoreUnavailableError; then it still waits."""
        self.queue_gap(gap)
        await self.flush()

    async def flush(self) -> None:
        """Commit what waits. Raises StoreUnavailableError; then it still waits."""
        async with self._one_at_a_time:
            if self._events:
                await self._commit_events()
            taken = self._backlog.take()
            if taken or self._disk.last_error:
                await self._commit(taken)

    def counters(self) -> dict[str, int]:
        """Return the conservation law's counters (see `storage.counters`)."""
        flying = self._in_commit
        return {
            **sample_counters(
                self._committed,
                read=self._read,
                lost=self._backlog.lost_samples + flying.lost_samples,
                in_flight=self._backlog.sample_count + flying.sample_count,
            ),
            **outbox_counters(self._committed),
        }

    async def _commit(self, taken: Taken) -> None:
        """Commit; what is refused is queued again."""

        def settle(counted: Counter[str]) -> None:
            self._in_commit = Taken()
            self._committed.update(counted)
            self._disk.works()
            self._shedding = False

        def undo() -> None:
            self._in_commit = Taken()
            self._say_shed(self._backlog.put_back(taken), "samples and rows")

        self._in_commit = taken
        work = partial(commit_taken, taken=taken, now_ns=self._clock.utc_ns())
        await self._disk.change(work, settle, undo=undo)

    async def _commit_events(self) -> None:
        """Commit all waiting events in one transaction; what is refused waits."""
        waiting = list(self._events)

        def settle(result: tuple[list[int], Counter[str]]) -> None:
            numbers, counted = result
            for each, seq in zip(waiting, numbers, strict=True):
                each.seq = seq
            self._events = self._events[len(waiting) :]
            self._committed.update(counted)
            self._disk.works()

        work = partial(commit_events, events=[each.event for each in waiting])
        await self._disk.change(work, settle, undo=self._bound_events)

    def _bound_events(self) -> None:
        """Keep the newest events while the disk refuses; the others are a loss."""
        excess = max(0, len(self._events) - EVENTS_MAX)
        for each in self._events[:excess]:
            time_ns = each.event.time_ns
            self._backlog.lose(Stream.EVENT, Loss(time_ns, time_ns, 1))
        self._events = self._events[excess:]
        self._say_shed(excess, "events")

    def _say_shed(self, shed: int, what: str) -> None:
        if shed and not self._shedding:
            self._shedding = True
            log.error("memory is full: %d %s had to go; a gap is declared", shed, what)
