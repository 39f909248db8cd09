"""What the store does by itself as time goes by: commit, fold, retain."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from appliance.storage.connection import StoreUnavailableError
from appliance.storage.disk import SameFile
from appliance.storage.upkeep import Upkeep

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from appliance.config.model import StorageSettings
    from appliance.domain.ports import Clock
    from appliance.storage.disk import Disk
    from appliance.storage.group import GroupCommit

log = logging.getLogger(__name__)


class Rounds:
    """Commits the `group`, and keeps the file at `path` in shape, one step at a time.

    `fold` and `retain` raise StoreUnavailableError where the disk refuses.
    """

    def __init__(
        self,
        group: GroupCommit,
        disk: Disk,
        path: Path,
        *,
        settings: StorageSettings,
        clock: Clock,
        committed: Counter[str],
    ) -> None:
        self._group = group
        self._disk = disk
        self._path = path
        self._settings = settings
        self._clock = clock
        self._committed = committed
        self._one_at_a_time = asyncio.Lock()
        self._folded_s = clock.now_s()
        self.use_fresh()

    def use_fresh(self) -> None:
        """The file was replaced: nothing that is known of the old one is of use."""
        same = SameFile(self._disk)
        self.upkeep = Upkeep(same, self._path, self._settings, self._committed)

    async def run(self) -> None:
        """Commit every `commit_period_s`, and keep the file in shape, for ever."""
        while True:
            await self._clock.sleep(self._settings.commit_period_s)
            try:
                await self._group.flush()
                if self._clock.now_s() - self._folded_s >= self._settings.chunk_s:
                    await self.fold()
            except StoreUnavailableError:
                log.debug("to be tried again: %s", self._disk.last_error)
            await self._retain_if_possible()

    async def fold(self) -> None:
        """Turn all that is committed into chunks, and merge a few small ones."""
        self._folded_s = self._clock.now_s()
        async with self._one_at_a_time:
            await self.upkeep.fold()
            await self.upkeep.merge()

    async def retain(self) -> None:
        """Bring file and outbox under their quotas, in bounded steps.

        It goes by order, not by time, so a clock that jumps drops nothing.
        """
        async with self._one_at_a_time:
            await self.upkeep.retain()

    async def _retain_if_possible(self) -> None:
        try:
            await self.retain()
        except StoreUnavailableError:
            log.debug("retention is to be tried again: %s", self._disk.last_error)
