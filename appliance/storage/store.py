"""The only writer of the buffer; says when it is safe.

The page to read first: what waits for the disk is in `group`, what is done as time
goes by in `rounds`, what the cloud still wants in `dispatch`, the past in `onlooker`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from appliance.storage.cipher import connecting
from appliance.storage.clock import note_clock, read_eras, read_offsets
from appliance.storage.connection import StoreUnavailableError, writing_alone
from appliance.storage.counters import IN_FLIGHT
from appliance.storage.disk import Disk
from appliance.storage.dispatch import Dispatch
from appliance.storage.group import GroupCommit
from appliance.storage.mending import Mender, Place
from appliance.storage.newest import note_unfilled, resume_points
from appliance.storage.onlooker import Onlooker
from appliance.storage.opening import open_writer
from appliance.storage.outbox import READ_MAX_BYTES
from appliance.storage.records import mark, register_tags
from appliance.storage.rounds import Rounds

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from appliance.config.model import StorageSettings
    from appliance.domain.batch import Batch
    from appliance.domain.diagnostic import Diagnostic
    from appliance.domain.era import ClockOffset, Era
    from appliance.domain.event import Event, Gap
    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag, TagId
    from appliance.storage.connection import Writer
    from appliance.storage.history import History
    from appliance.storage.opening import Opened
    from appliance.storage.outbox import StreamStatus
    from appliance.storage.retention import Usage
    from appliance.wire.outbox import Stream

log = logging.getLogger(__name__)

MEMORY_BYTES = 32 * 1024 * 1024
"""What may wait for a disk that refuses, of samples and of outbox rows each."""


@asynccontextmanager
async def open_store(
    path: Path,
    settings: StorageSettings,
    clock: Clock,
    *,
    memory_bytes: int = MEMORY_BYTES,
    connect: Callable[[Path], sqlite3.Connection] | None = None,
) -> AsyncIterator[BufferStore]:
    """Open the buffer for writing; leaving commits the rest and closes it.

    A damaged file is set aside, and what can be read of it salvaged by `store.care()`.
    Nothing is committed periodically until somebody awaits `store.run()`.

    Raises:
        StoreOpenError: Another process writes it, a newer release wrote it, its key
            is missing, or the file system does not give what durability rests on.
    """
    with writing_alone(path):
        if connect is None:
            connect = await asyncio.to_thread(connecting, path, settings.key_file)
        place = Place(path, settings.quota_bytes, connect)
        opening = open_writer(path, settings.quota_bytes, connect, clock=clock)
        async with opening as (writer, opened):
            store = BufferStore(
                place,
                writer,
                opened,
                settings=settings,
                clock=clock,
                memory_bytes=memory_bytes,
            )
            try:
                yield store
            finally:
                await store.close()


class BufferStore:
    """`append`, `enqueue`, `queue_gap` only queue; what is awaited is safe on return.

    While the disk refuses, `healthy` is False and every commit period tries again;
    whatever is awaited, but `run`, `care` and `close`, raises StoreUnavailableError.
    """

    def __init__(
        self,
        place: Place,
        writer: Writer,
        opened: Opened,
        *,
        settings: StorageSettings,
        clock: Clock,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.epoch = opened.epoch
        self._disk = disk = Disk(writer)
        self._clock = clock
        committed = Counter(opened.counters)
        self._mender = Mender(
            place,
            disk,
            writer,
            opened,
            clock=clock,
            committed=committed,
            reopened=self._use_fresh,
        )
        self._group = GroupCommit(
            disk, clock, committed=committed, memory_bytes=memory_bytes
        )
        self._rounds = Rounds(
            self._group,
            disk,
            place.path,
            settings=settings,
            clock=clock,
            committed=committed,
        )
        self._onlooker = Onlooker(place.path, disk)
        self._dispatch = Dispatch(
            disk, self._onlooker, self._mender, epoch=self.epoch, committed=committed
        )

    @property
    def last_error(self) -> str:
        """Why the last write failed; empty while all is well."""
        return self._disk.last_error

    @property
    def healthy(self) -> bool:
        """Whether the disk takes what we write."""
        return not self._disk.last_error

    @property
    def tiers(self) -> Mapping[int, int]:
        """What each tier took when it was last measured: bytes by period in seconds."""
        return self._rounds.upkeep.tiers

    @property
    def usage(self) -> Usage | None:
        """What the buffer took on disk when it was last measured."""
        return self._rounds.upkeep.usage

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the buffer, while it is."""
        waiting = self.counters()[IN_FLIGHT]
        return (*self._disk.diagnostics(waiting), *self._mender.diagnostics)

    def take_news(self) -> list[Event]:
        """Return what people should know of the buffer, once."""
        news = list(self._mender.news)
        self._mender.news.clear()
        return news

    async def register(self, tags: Sequence[Tag]) -> dict[TagId, int]:
        """Return the number of each tag, for ever."""
        numbers = await self._disk.change(partial(register_tags, tags=tags))
        self._mender.tags |= {numbers[tag.id]: tag for tag in tags}
        return numbers

    async def resume_points(self) -> dict[int, int]:
        """Return up to which source time the past of each tag number is here, whole."""
        return await self._disk.ask(resume_points)

    async def note_unfilled(self, from_ns: Mapping[int, int]) -> None:
        """Remember which tags still lack something, since when, instead of before."""
        await self._disk.change(partial(note_unfilled, from_ns=from_ns))

    def append(self, batch: Batch) -> None:
        """Queue a batch for the next group commit."""
        self._group.append(batch)

    def enqueue(self, stream: Stream, contents: Sequence[bytes], time_ns: int) -> None:
        """Queue rows of an outbox stream for the next group commit."""
        self._group.enqueue(stream, contents, time_ns)

    async def append_event(self, event: Event) -> int:
        """Commit an event; return its sequence number in the event stream.

        Raises:
            StoreUnavailableError: Not committed yet. The event stays in memory and
                is committed as soon as the disk allows; do not append it again.
        """
        return await self._group.append_event(event)

    def queue_gap(self, gap: Gap) -> None:
        """Queue a declared gap for the next commit."""
        self._group.queue_gap(gap)

    async def append_gap(self, gap: Gap) -> None:
        """Commit a declared gap, and all that is queued; else it stays queued."""
        await self._group.append_gap(gap)

    async def flush(self) -> None:
        """Commit what is queued now; what is refused stays queued."""
        await self._group.flush()

    async def run(self) -> None:
        """Commit every `commit_period_s`, and keep the file in shape, for ever."""
        await self._rounds.run()

    async def care(self) -> None:
        """Look for damage, and salvage what a damaged file still holds, for ever."""
        await self._mender.run()

    async def look(self) -> None:
        """Check the next rows of the file; a damaged one is replaced at once."""
        await self._mender.look()

    async def salvage(self) -> None:
        """Bring over what damaged files still hold; what is left, the next time."""
        await self._mender.salvage()

    async def fold(self) -> None:
        """Turn all that is committed into chunks, and merge a few small ones."""
        await self._rounds.fold()

    async def retain(self) -> None:
        """Bring file and outbox under their quotas, in bounded steps, by order."""
        await self._rounds.retain()

    async def outbox_read(
        self, stream: Stream, after: int, limit: int, *, max_bytes: int = READ_MAX_BYTES
    ) -> list[tuple[int, bytes]]:
        """Return contiguous rows from the first one beyond `after`, at most `limit`.

        And no more than `max_bytes`, nor than half a frame of the link; at least one.
        """
        return await self._dispatch.read(stream, after, limit, max_bytes=max_bytes)

    async def outbox_ack(self, epoch: str, stream: Stream, through: int) -> int:
        """Remove the rows up to a number, as delivered; return how many there were.

        Raises:
            AckRefusedError: Another database's epoch, or a number never given.
        """
        return await self._dispatch.acknowledge(epoch, stream, through)

    async def outbox_status(self) -> dict[Stream, StreamStatus]:
        """Return where every stream stands."""
        return await self._dispatch.status()

    async def history(
        self, tag: int, from_ns: int, to_ns: int, *, points: int
    ) -> History:
        """Return a tag's committed rows in [from_ns, to_ns], thinned to `points`.

        Lowest and highest values survive the thinning.
        """
        return await self._onlooker.history(tag, from_ns, to_ns, points=points)

    async def clock_record(self) -> tuple[tuple[Era, ...], tuple[ClockOffset, ...]]:
        """Return the eras of the clock, and what is known of them, oldest first."""
        eras = await self._disk.ask(read_eras)
        return eras, await self._disk.ask(read_offsets)

    async def note_clock(self, era: Era | None, offsets: Sequence[ClockOffset]) -> None:
        """Append to the record of the clock."""
        await self._disk.change(partial(note_clock, era=era, offsets=offsets))

    def counters(self) -> dict[str, int]:
        """Return the conservation law's counters (see `storage.counters`)."""
        return self._group.counters()

    async def close(self) -> None:
        """Commit the rest and mark the shutdown as clean, where the disk allows."""
        try:
            await self.flush()
            now_ns = self._clock.utc_ns()
            await self._disk.change(partial(mark, now_ns=now_ns, clean_shutdown=True))
        except StoreUnavailableError as error:
            log.error("the buffer could not be closed cleanly: %s", error)  # noqa: TRY400 - it ends here; a trace says nothing more
        self._mender.close()
        await self._onlooker.close()

    def _use_fresh(self) -> None:
        """The file was replaced: nothing that is known of the old one is of use."""
        self._disk.generation += 1
        self._rounds.use_fresh()
