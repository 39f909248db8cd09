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

from appliance.storage import outbox
from appliance.storage.connection import (
    StoreUnavailableError,
    Writer,
    connect,
    read_only_uri,
    writing_alone,
)
from appliance.storage.counters import status_of
from appliance.storage.disk import Disk
from appliance.storage.group import GroupCommit
from appliance.storage.history import BLOCKS_SQL, History, assemble, thinned
from appliance.storage.newest import note_unfilled, resume_points
from appliance.storage.opening import Opened, begin, open_connection
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
    from appliance.domain.event import Event, Gap
    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag, TagId
    from appliance.storage.outbox import StreamStatus
    from appliance.storage.retention import Usage

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
    connect: Callable[[Path], sqlite3.Connection] = connect,
) -> AsyncIterator[BufferStore]:
    """Open the buffer for writing; leaving commits the rest and closes it.

    Nothing is committed periodically until somebody awaits `store.run()`.

    Raises:
        StoreOpenError: Another process writes it, a newer release wrote it, it is
            damaged, or the file system does not give what durability rests on.
    """
    with writing_alone(path):
        writer = Writer(partial(open_connection, path, settings.quota_bytes, connect))
        try:
            await writer.open()
            opened = await writer.run(partial(begin, path=path, now_ns=clock.utc_ns()))
            async with aiosqlite.connect(
                read_only_uri(path), uri=True, isolation_level=None
            ) as reader:
                await reader.execute("PRAGMA wal_autocheckpoint=0")
                store = BufferStore(
                    Disk(writer),
                    reader,
                    opened,
                    path=path,
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
        disk: Disk,
        reader: aiosqlite.Connection,
        opened: Opened,
        *,
        path: Path,
        settings: StorageSettings,
        clock: Clock,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.epoch = opened.epoch
        self._disk = disk
        self._reader = reader
        self._settings = settings
        self._clock = clock
        self._committed = Counter(opened.counters)
        self._group = GroupCommit(
            disk, clock, committed=self._committed, memory_bytes=memory_bytes
        )
        self._upkeep = Upkeep(disk, path, settings, self._committed)
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
    def usage(self) -> Usage | None:
        """What the buffer took on disk when it was last measured."""
        return self._upkeep.usage

    async def register(self, tags: Sequence[Tag]) -> dict[TagId, int]:
        """Return the number of each tag, for ever.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        return await self._disk.change(partial(register_tags, tags=tags))

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
        self, stream: Stream, after: int, limit: int
    ) -> list[tuple[int, bytes]]:
        """Return contiguous rows from the first one beyond `after`, at most `limit`.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        rows = await self._fetch(
            outbox.READ_SQL[stream], {"after": after, "limit": limit}
        )
        return outbox.contiguous([(row[0], row[1]) for row in rows])

    async def outbox_ack(self, epoch: str, stream: Stream, through: int) -> int:
        """Remove the rows up to a number, as delivered; return how many there were.

        Raises:
            AckRefusedError: Another database's epoch, or a number never given.
            StoreUnavailableError: The disk refused.
        """
        if epoch != self.epoch:
            raise outbox.AckRefusedError(f"{epoch} is not the epoch {self.epoch}")
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
        rows = await self._fetch(BLOCKS_SQL, {"tag": tag, "from": from_ns, "to": to_ns})
        work = partial(assemble, rows, tag, from_ns=from_ns, to_ns=to_ns)
        columns, damaged = await asyncio.to_thread(work)
        kept = thinned(columns, points)
        return History(
            kept.source_time_ns,
            kept.value,
            kept.quality,
            damaged,
            kept.server_time_ns,
        )

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

    async def _retain_if_possible(self) -> None:
        try:
            await self.retain()
        except StoreUnavailableError:
            log.debug("retention is to be tried again: %s", self.last_error)

    async def _fetch(
        self, sql: str, parameters: Mapping[str, int]
    ) -> list[tuple[Any, ...]]:
        """Read beside the writer, so that a slow fsync holds up no screen."""
        try:
            rows = await self._reader.execute_fetchall(sql, parameters)
        except sqlite3.Error as error:
            raise StoreUnavailableError(str(error)) from error
        return [tuple(row) for row in rows]
