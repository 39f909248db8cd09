"""Reads a source as the hub does, and keeps book of what arrives."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np

from appliance.acquisition.supervisor import SourceState, supervise
from appliance.domain.sample import Quality
from appliance.runtime.backoff import Backoff
from appliance.runtime.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.event import Gap
    from appliance.domain.ports import Source
    from appliance.domain.tag import TagId

FIRST_RETRY_S, LONGEST_RETRY_S, JITTER = 0.1, 1.0, 0.2


class Watch:
    """What has arrived: by tag number, source times (microseconds) and values.

    A live value that arrives again with its time of before is a standing value that
    was shown as bad meanwhile: `shown_again`. Any other second arrival is a duplicate.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.clock = SystemClock()
        tags = [tag for group in source.groups.values() for tag in group]
        self.numbers: Mapping[TagId, int] = {tag: n for n, tag in enumerate(tags)}
        self.received: dict[int, dict[int, float]] = {n: {} for n in range(len(tags))}
        self.newest_us = dict.fromkeys(range(len(tags)), 0)
        self.batches = self.historical = self.duplicates = self.shown_again = 0
        self.is_bad = dict.fromkeys(range(len(tags)), True)
        self.gaps: list[Gap] = []
        self.state: SourceState | None = None
        self.reasons: list[str] = []
        self._changed = asyncio.Event()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[None]:
        """Keep the source running."""
        spread = random.Random(0).random  # noqa: S311 - jitter that can be repeated
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S, jitter=JITTER, spread=spread)
        async with asyncio.TaskGroup() as tasks:
            work = supervise(
                self.source,
                self.numbers,
                self._deliver,
                declare=self._declare,
                clock=self.clock,
                backoff=backoff,
                on_change=self._on_change,
            )
            reading = tasks.create_task(work, name="recovery.reading")
            yield
            reading.cancel()

    async def until(self, holds: Callable[[], bool], *, within_s: float) -> None:
        """Wait until something holds that depends on what arrives.

        Raises:
            TimeoutError: It does not.
        """
        async with asyncio.timeout(within_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def until_lost(self, *, within_s: float = 10.0) -> None:
        """Wait for the loss to be noticed and shown: every tag bad."""
        await self.until(lambda: all(self.is_bad.values()), within_s=within_s)

    async def until_live_after(self, when_us: int, *, within_s: float) -> None:
        """Wait until every tag is good again with a value younger than this."""

        def is_back() -> bool:
            young = all(newest > when_us for newest in self.newest_us.values())
            return young and not any(self.is_bad.values())

        await self.until(is_back, within_s=within_s)

    def _deliver(self, batch: Batch) -> None:
        self.batches += 1
        good = batch.quality == Quality.GOOD
        for number, time_us, value in zip(
            batch.tag[good].tolist(),
            (batch.source_time_ns[good] // 1000).tolist(),
            batch.value[good].tolist(),
            strict=True,
        ):
            self._take(number, time_us, value=value, historical=batch.historical)
        if not batch.historical:
            for number in np.unique(batch.tag).tolist():
                self.is_bad[number] = not good[batch.tag == number][-1]
        self._changed.set()

    def _take(
        self, number: int, time_us: int, *, value: float, historical: bool
    ) -> None:
        known = self.received[number]
        if historical:
            self.historical += 1
            self.duplicates += time_us in known
        elif time_us == self.newest_us[number]:
            self.shown_again += 1
        else:
            self.duplicates += time_us in known
            self.newest_us[number] = max(time_us, self.newest_us[number])
        known[time_us] = value

    def _declare(self, _source: str, gap: Gap) -> None:
        self.gaps.append(gap)
        self._changed.set()

    def _on_change(self, _source: str, state: SourceState, reason: str) -> None:
        self.state = state
        if reason:
            self.reasons.append(reason)
        self._changed.set()
