"""The only writer of the buffer; says when it is safe.

The page to read first: what waits for the disk is in `group`, what keeps the file
in shape in `upkeep`, what the cloud still wants in `outbox`.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import aiosqlite

from appliance.domain.diagnostic import Diagnostic
from appliance.storage import outbox
from appliance.storage.cipher import connecting
from appliance.storage.clock import (
    OFFSETS_SQL,
    corrected_columns,
    note_clock,
    offsets_of,
    read_eras,
    read_offsets,
    stamped_spans,
)
from appliance.storage.connection import (
    StoreOpenError,
    StoreUnavailableError,
    Writer,
    is_damage,
    writing_alone,
)
from appliance.storage.counters import IN_FLIGHT, status_of
from appliance.storage.disk import Disk, SameFile
from appliance.storage.group import GroupCommit
from appliance.storage.history import (
    BLOCKS_SQL,
    ROWS_SQL,
    assemble,
    history_of,
    statement_for,
)
from appliance.storage.mending import Mender, Place
from appliance.storage.newest import note_unfilled, resume_points
from appliance.storage.opening import Opened, open_whole
from appliance.storage.reading import connect_to_read
from appliance.storage.records import (
    DELIVERED,
    mark,
    outbox_counter,
    register_tags,
)
from appliance.storage.upkeep import Upkeep
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from appliance.config.model import StorageSettings
    from appliance.domain.batch import Batch
    from appliance.domain.era import ClockOffset, Era
    from appliance.domain.event import Event, Gap
    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag, TagId
    from appliance.storage.chunks import Columns
    from appliance.storage.history import History
    from appliance.storage.outbox import StreamStatus
    from appliance.storage.retention import Usage

log = logging.getLogger(__name__)

_FETCHED_ROWS = 64
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
        found: list[Opened] = []

        def opening() -> sqlite3.Connection:
            connection, opened = open_whole(
                path, settings.quota_bytes, place.connect, clock.utc_ns()
            )
            found.append(opened)
            return connection

        writer = Writer(opening)
        try:
            await writer.open()
            store = BufferStore(
                place,
                writer,
                found[-1],
                settings=settings,
                clock=clock,
                memory_bytes=memory_bytes,
            )
            try:
                yield store
            finally:
                await store.close()
        finally:
            await writer.close()


class BufferStore:
    """`append`, `enqueue`, `queue_gap` only queue; what is awaited is safe on return.

    While the disk refuses, `healthy` is False and every commit period tries again.
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
        self._place = place
        self._disk = disk = Disk(writer)
        self._reader: aiosqlite.Connection | None = None
        self._read_generation = 0
        self._opens_reader = asyncio.Lock()
        self._settings = settings
        self._clock = clock
        self._committed = Counter(opened.counters)
        self._mender = Mender(
            place,
            disk,
            writer,
            opened,
            clock=clock,
            committed=self._committed,
            reopened=self._use_fresh,
        )
        self._group = GroupCommit(
            disk, clock, committed=self._committed, memory_bytes=memory_bytes
        )
        self._upkeep = self._make_upkeep()
        self._one_at_a_time = asyncio.Lock()
        self._folded_s = clock.now_s()

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
        return self._upkeep.tiers

    @property
    def usage(self) -> Usage | None:
        """What the buffer took on disk when it was last measured."""
        return self._upkeep.usage

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the buffer, while it is."""
        found = self._mender.diagnostics
        if self.healthy:
            return found
        waiting = self.counters()[IN_FLIGHT]
        return (
            Diagnostic(
                "disk",
                f"nothing can be recorded ({self.last_error}); {waiting} samples, the"
                " newest, wait in memory",
                "make room on the disk, or mount it for writing; recording goes on by"
                " itself",
                priority="high",
            ),
            *found,
        )

    def take_news(self) -> list[Event]:
        """Return what people should know of the buffer, once."""
        news = list(self._mender.news)
        self._mender.news.clear()
        return news

    async def register(self, tags: Sequence[Tag]) -> dict[TagId, int]:
        """Return the number of each tag, for ever.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        numbers = await self._disk.change(partial(register_tags, tags=tags))
        self._mender.tags |= {numbers[tag.id]: tag for tag in tags}
        return numbers

    async def resume_points(self) -> dict[int, int]:
        """Return up to which source time the past of each tag number is here, whole.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        return await self._disk.ask(resume_points)

    async def note_unfilled(self, from_ns: Mapping[int, int]) -> None:
        """Remember which tags still lack something, since when, instead of before.

        Raises:
            StoreUnavailableError: The disk refused.
        """
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
        """Commit a declared gap, and all that is queued.

        Raises:
            StoreUnavailableError: Not committed yet; as with `append_event`.
        """
        await self._group.append_gap(gap)

    async def flush(self) -> None:
        """Commit what is queued now.

        Raises:
            StoreUnavailableError: The disk refused; all of it stays queued.
        """
        await self._group.flush()

    async def run(self) -> None:
        """Commit every `commit_period_s`, and keep the file in shape, for ever."""
        while True:
            await self._clock.sleep(self._settings.commit_period_s)
            try:
                await self.flush()
                if self._clock.now_s() - self._folded_s >= self._settings.chunk_s:
                    await self.fold()
            except StoreUnavailableError:
                log.debug("to be tried again: %s", self.last_error)
            await self._retain_if_possible()

    async def care(self) -> None:
        """Look for damage, and salvage what a damaged file still holds, for ever."""
        await self._mender.run()

    async def look(self) -> None:
        """Check the next rows of the file; a damaged one is replaced at once.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        await self._mender.look()

    async def salvage(self) -> None:
        """Bring over all that damaged files, set aside, still hold.

        Raises:
            StoreUnavailableError: The disk refused; it goes on the next time.
        """
        await self._mender.salvage()

    async def fold(self) -> None:
        """Turn all that is committed into chunks, and merge a few small ones.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        self._folded_s = self._clock.now_s()
        async with self._one_at_a_time:
            await self._upkeep.fold()
            await self._upkeep.merge()

    async def retain(self) -> None:
        """Bring file and outbox under their quotas, in bounded steps.

        It goes by order, not by time, so a clock that jumps drops nothing.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        async with self._one_at_a_time:
            await self._upkeep.retain()

    async def outbox_read(
        self,
        stream: Stream,
        after: int,
        limit: int,
        *,
        max_bytes: int = outbox.READ_MAX_BYTES,
    ) -> list[tuple[int, bytes]]:
        """Return contiguous rows from the first one beyond `after`, at most `limit`.

        And no more than `max_bytes`, nor than half a frame of the link; at least one.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        if self._mender.held:
            return []  # older rows are still on their way here from a wreck
        asked = {"after": after, "limit": limit}
        weights = await self._fetch(outbox.WEIGHTS_SQL[stream], asked)
        span = outbox.span_to_read([(row[0], row[1]) for row in weights], max_bytes)
        if span is None:
            return []
        # Acknowledged meanwhile: a row less at the front, and still no hole.
        wanted = {"first": span[0], "through": span[1]}
        rows = await self._fetch(outbox.READ_SQL[stream], wanted)
        return [(row[0], row[1]) for row in rows]

    async def outbox_ack(self, epoch: str, stream: Stream, through: int) -> int:
        """Remove the rows up to a number, as delivered; return how many there were.

        Raises:
            AckRefusedError: Another database's epoch, or a number never given.
            StoreUnavailableError: The disk refused.
        """
        if epoch != self.epoch:
            raise outbox.AckRefusedError(f"{epoch} is not the epoch {self.epoch}")
        if self._mender.held:
            raise StoreUnavailableError("rows of the outbox are being salvaged")
        work = partial(outbox.acknowledge, stream=stream, through=through)
        counted: Counter[str] = await self._disk.change(work, self._committed.update)
        return counted[outbox_counter(stream, DELIVERED)]

    async def outbox_status(self) -> dict[Stream, StreamStatus]:
        """Return where every stream stands. Raises StoreUnavailableError."""
        oldest = await self._disk.ask(outbox.oldest)
        return {
            stream: status_of(self._committed, stream, oldest_ns=oldest[stream])
            for stream in Stream
        }

    async def history(
        self, tag: int, from_ns: int, to_ns: int, *, points: int
    ) -> History:
        """Return a tag's committed rows in [from_ns, to_ns], thinned to `points`.

        Lowest and highest values survive the thinning.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        offsets = offsets_of(await self._fetch(OFFSETS_SQL, {}))
        parts, damaged = [], 0
        for low, high in stamped_spans(from_ns, to_ns, offsets):
            columns, broken = await self._assembled(tag, low, high, points=points)
            parts.append(columns)
            damaged += broken
        whole = corrected_columns(parts, offsets, from_ns=from_ns, to_ns=to_ns)
        return history_of(whole, points, damaged)

    async def clock_record(self) -> tuple[tuple[Era, ...], tuple[ClockOffset, ...]]:
        """Return the eras of the clock, and what is known of them, oldest first.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        eras = await self._disk.ask(read_eras)
        return eras, await self._disk.ask(read_offsets)

    async def note_clock(self, era: Era | None, offsets: Sequence[ClockOffset]) -> None:
        """Append to the record of the clock.

        Raises:
            StoreUnavailableError: The disk refused.
        """
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
        await self._close_reader()

    def _make_upkeep(self) -> Upkeep:
        return Upkeep(
            SameFile(self._disk), self._place.path, self._settings, self._committed
        )

    def _use_fresh(self) -> None:
        """The file was replaced: nothing that is known of the old one is of use."""
        self._disk.generation += 1
        self._upkeep = self._make_upkeep()

    async def _reading(self) -> aiosqlite.Connection:
        """Return the connection that reads the file of now. Raises sqlite3.Error."""
        async with self._opens_reader:
            if self._reader is None or self._read_generation != self._disk.generation:
                await self._close_reader()
                self._read_generation = self._disk.generation
                self._reader = await aiosqlite.Connection(
                    partial(connect_to_read, self._place.path, shared=True),
                    _FETCHED_ROWS,
                )
            return self._reader

    async def _close_reader(self) -> None:
        if self._reader is not None:
            await self._reader.close()
            self._reader = None

    async def _retain_if_possible(self) -> None:
        try:
            await self.retain()
        except StoreUnavailableError:
            log.debug("retention is to be tried again: %s", self.last_error)

    async def _assembled(
        self, tag: int, from_ns: int, to_ns: int, *, points: int
    ) -> tuple[Columns, int]:
        """Return the rows stamped in [from_ns, to_ns], and how many blocks are bad."""
        span = {"tag": tag, "from": from_ns, "to": to_ns}
        ((rows,),) = await self._fetch(ROWS_SQL, span)
        for statement in dict.fromkeys((statement_for(rows, points), BLOCKS_SQL)):
            blocks = await self._fetch(statement, span)
            work = partial(assemble, blocks, tag, from_ns=from_ns, to_ns=to_ns)
            columns, damaged = await asyncio.to_thread(work)
            if not damaged:
                break
        return columns, damaged

    async def _fetch(
        self, sql: str, parameters: Mapping[str, int]
    ) -> list[tuple[Any, ...]]:
        """Read beside the writer, so that a slow fsync holds up no screen."""
        generation = self._disk.generation
        try:
            reader = await self._reading()
            rows = await reader.execute_fetchall(sql, parameters)
        except (sqlite3.Error, StoreOpenError, ValueError) as error:
            # ValueError: closed meanwhile, for the file was replaced
            if is_damage(error):
                await self._disk.condemn(str(error), generation)
            raise StoreUnavailableError(str(error)) from error
        return [tuple(row) for row in rows]
