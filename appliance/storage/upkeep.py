"""The maintenance of the file: fold, merge, retain; one small step after the other."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from appliance.storage import fold, outbox, retention, tiers
from appliance.storage.connection import pages_bytes_of, wal_bytes_of
from appliance.storage.newest import note_newest
from appliance.storage.packing import DamagedError
from appliance.storage.records import (
    DECLARED_GAPS,
    DROPPED,
    PENDING_BYTES,
    outbox_counter,
)
from appliance.storage.rollups import coarser_s
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    import sqlite3
    from collections import Counter
    from pathlib import Path

    from appliance.config.model import StorageSettings
    from appliance.storage.disk import SameFile
    from appliance.storage.fold import Folded
    from appliance.storage.retention import Usage

log = logging.getLogger(__name__)

_HIGH, _LOW = 0.85, 0.80
"""Parts of what the pages may take: above the first, retention works until below the
second. What lies above belongs to events."""
_STEPS_MAX = 40
_LATE_MAX = 1000
_OUTBOX_PART = 0.9
_STEP_BYTES = 4 * 1024 * 1024
_STEP_PART = 32


class Upkeep:
    """One caller at a time. Raises StoreUnavailableError where the disk refuses."""

    def __init__(
        self,
        disk: SameFile,
        path: Path,
        settings: StorageSettings,
        committed: Counter[str],
    ) -> None:
        self._disk = disk
        self._path = path
        self._settings = settings
        self._committed = committed
        self._pages_bytes = pages_bytes_of(settings.quota_bytes)
        self._wal_bytes = wal_bytes_of(settings.quota_bytes)
        self._damaged_segment = 0
        self._window_ns = -(2**62)
        self._late: dict[int, None] = {}
        # What one transaction rewrites lies in the log once more until a checkpoint.
        self._step_bytes = min(_STEP_BYTES, settings.quota_bytes // _STEP_PART)
        self.usage: Usage | None = None
        self.tiers: dict[int, int] = {}

    async def fold(self) -> None:
        """Turn every segment there is now into chunks."""
        through = await self._disk.ask(fold.last_segment)
        while stored := await self._disk.ask(
            partial(
                fold.read_segments,
                after=self._damaged_segment,
                through=through,
                limit_bytes=self._step_bytes,
            )
        ):
            folded = await asyncio.to_thread(fold.folded, stored)
            if damaged := folded.damaged:
                log.error("segments %s are damaged; run `buffer repair`", damaged)
                self._damaged_segment = max(damaged)
            await self._disk.change(partial(_replace_segments, folded=folded))
            self._note_late(folded)
        await self._disk.change(retention.join_gaps)

    async def merge(self) -> bool:
        """Merge the small chunks of a few tags of an hour; say whether any were.

        Of the next hour in the order of time, and of one that was filled later.
        """
        late = next(iter(self._late), None)
        if late is not None:
            del self._late[late]
            if await self._merge_window(late):
                self._late[late] = None
        return await self._merge_next() or late is not None

    async def _merge_next(self) -> bool:
        window_ns = await self._disk.ask(
            partial(fold.next_window, from_ns=self._window_ns)
        )
        newest_ns = await self._disk.ask(_newest_window)
        if window_ns is None or newest_ns is None or window_ns >= newest_ns:
            return False
        more = await self._merge_window(window_ns)
        self._window_ns = window_ns if more else window_ns + fold.WINDOW_NS
        return True

    async def _merge_window(self, window_ns: int) -> bool:
        """Merge some of an hour; say whether there may be more."""
        chunks = await self._disk.ask(
            partial(fold.read_small, window_ns=window_ns, limit_bytes=self._step_bytes)
        )
        if not chunks:
            return False
        try:
            blocks = await asyncio.to_thread(
                lambda: fold.pack_blocks(fold.unpack_chunks(chunks))
            )
        except DamagedError:
            log.exception("a chunk is damaged; run `buffer repair`")
            return False
        ids = [chunk.id for chunk in chunks]
        await self._disk.change(partial(_replace_chunks, ids=ids, blocks=blocks))
        return True

    def _note_late(self, folded: Folded) -> None:
        """A backfill lies in hours that were merged before: they are visited again."""
        for block in folded.blocks:
            window_ns = _window_of(block.start_ns)
            if window_ns < self._window_ns and len(self._late) < _LATE_MAX:
                self._late[window_ns] = None

    async def retain(self) -> None:
        """Bring the file and the outbox under their quotas, in bounded steps."""
        await self._shed_outbox()
        usage = await self._measure()
        if usage.used_bytes > _HIGH * self._pages_bytes:
            await self.fold()
            await self._lose_enough()
        if usage.wal_bytes > self._wal_bytes:
            await self._disk.ask(_checkpoint)
        if usage.free_bytes > (1 - _HIGH) * self._pages_bytes:
            await self._disk.ask(retention.give_back)

    async def _lose_enough(self) -> None:
        for _ in range(_STEPS_MAX):
            usage = await self._measure()
            if usage.used_bytes <= _LOW * self._pages_bytes:
                return
            if not await self._lose_some():
                log.error("the buffer is over its quota with events alone")
                return

    async def _lose_some(self) -> bool:
        """Give up a little of the lowest class; False where nothing is left."""
        for table in ("waveform", "text"):
            drop = partial(
                retention.drop_oldest, table=table, limit_bytes=self._step_bytes
            )
            if await self._disk.change(drop, self._count_dropped):
                return True
        if await self._lose_resolution():
            return True
        for stream in outbox.SHED_ORDER:
            need_bytes = max(self._pending_bytes(stream) // 10, 1)
            if await self._shed(stream, need_bytes, tiers.REASON):
                return True
        drop = partial(retention.drop_events, limit_bytes=self._step_bytes)
        return await self._disk.change(drop) > 0

    async def _lose_resolution(self) -> bool:
        """Thin out the oldest of the tier furthest over its share, or drop of the last.

        False where there are no samples at all.
        """
        tier = await self._disk.ask(tiers.fullest_tier)
        if tier is None:
            return False
        chunks = await self._disk.ask(
            partial(tiers.oldest_chunks, period_s=tier, limit_bytes=self._step_bytes)
        )
        if coarser_s(tier) is None:
            await self._disk.change(partial(tiers.drop_chunks, chunks=chunks))
            return True
        tails = await self._disk.ask(partial(tiers.tails_of, chunks=chunks))
        thinned = await asyncio.to_thread(tiers.thinned_out, chunks, tails)
        replace = partial(tiers.replace_chunks, chunks=chunks, thinned=thinned)
        await self._disk.change(replace, self._committed.update)
        return True

    async def _shed_outbox(self) -> None:
        quota = self._settings.outbox_quota_bytes
        if self._pending_bytes(*Stream) <= quota:
            return
        for stream in outbox.SHED_ORDER:
            for _ in range(_STEPS_MAX):
                excess = self._pending_bytes(*Stream) - int(_OUTBOX_PART * quota)
                if excess <= 0 or not await self._shed(stream, excess, "outbox quota"):
                    break

    async def _shed(self, stream: Stream, need_bytes: int, reason: str) -> bool:
        work = partial(outbox.shed, stream=stream, need_bytes=need_bytes, reason=reason)
        counted: Counter[str] = await self._disk.change(work, self._committed.update)
        return counted[outbox_counter(stream, DECLARED_GAPS)] > 0

    def _count_dropped(self, count: int) -> None:
        self._committed.update({DROPPED: count})

    def _pending_bytes(self, *streams: Stream) -> int:
        return sum(
            self._committed[outbox_counter(stream, PENDING_BYTES)] for stream in streams
        )

    async def _measure(self) -> Usage:
        self.usage = await self._disk.ask(partial(retention.measure, path=self._path))
        self.tiers = await self._disk.ask(tiers.weights)
        return self.usage


def _replace_segments(connection: sqlite3.Connection, folded: Folded) -> None:
    # First what goes: its pages are used again.
    fold.delete_segments(connection, folded.whole)
    fold.insert_blocks(connection, folded.blocks)
    note_newest(connection, folded.newest)


def _replace_chunks(
    connection: sqlite3.Connection, ids: list[int], blocks: list[fold.Block]
) -> None:
    fold.delete_chunks(connection, ids)
    fold.insert_blocks(connection, blocks)


def _newest_window(connection: sqlite3.Connection) -> int | None:
    """Return the hour that is still being written."""
    (newest_ns,) = connection.execute("SELECT max(start_ns) FROM times").fetchone()
    return None if newest_ns is None else _window_of(newest_ns)


def _window_of(time_ns: int) -> int:
    return time_ns // fold.WINDOW_NS * fold.WINDOW_NS


def _checkpoint(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
