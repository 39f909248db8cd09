"""Where batches wait for a busy consumer: bounded, live ones first."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Self

from appliance.domain.event import Gap

if TYPE_CHECKING:
    from appliance.domain.batch import Batch
    from appliance.domain.ports import SourceUnavailableError

log = logging.getLogger(__name__)

_HISTORICAL = 4
_GAPS = 1000


class Inbox:
    """An iterator of batches that ends with the error given to `fail`.

    Overflow policy of live batches: drop the oldest; `lost` counts the samples
    dropped. Historical ones come when no live one waits, and whoever offers them
    waits for room. Gaps come first; beyond a thousand the oldest are dropped.
    """

    def __init__(self, source: str, capacity: int) -> None:
        self.lost = 0
        self._source = source
        self._capacity = capacity
        self._waiting: deque[Batch] = deque()
        self._historical: deque[Batch] = deque()
        self._gaps: deque[Gap] = deque(maxlen=_GAPS)
        self._error: SourceUnavailableError | None = None
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._overflowing = False

    def put(self, batch: Batch) -> None:
        """Add a live batch; never waits."""
        if len(self._waiting) >= self._capacity:
            self.count_lost(self._waiting.popleft().sample_count)
        self._waiting.append(batch)
        self._changed.set()

    def add(self, given: Batch | Gap) -> None:
        """Add either; never waits."""
        if isinstance(given, Gap):
            self.put_gap(given)
        else:
            self.put(given)

    def put_gap(self, gap: Gap) -> None:
        """Add what is known to be missing; never waits."""
        self._gaps.append(gap)
        self._changed.set()

    async def offer(self, batch: Batch) -> None:
        """Add a historical batch as soon as there is room."""
        while len(self._historical) >= _HISTORICAL:
            self._room.clear()
            await self._room.wait()
        self._historical.append(batch)
        self._changed.set()

    async def history_taken(self) -> None:
        """Wait until no historical batch waits any more."""
        while self._historical:
            self._room.clear()
            await self._room.wait()

    def count_lost(self, samples: int) -> None:
        """Count samples that were lost here or before; logged once per episode."""
        self.lost += samples
        if samples and not self._overflowing:
            self._overflowing = True
            log.warning("source %s: samples are lost: too slow", self._source)

    def fail(self, error: SourceUnavailableError) -> None:
        """Let the iterator raise this when what waits has been taken."""
        self._error = error
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Batch | Gap:
        while not (self._gaps or self._waiting or self._historical):
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()
        if self._gaps:
            return self._gaps.popleft()
        if not self._waiting:
            self._room.set()
            return self._historical.popleft()
        batch = self._waiting.popleft()
        if self._overflowing and not self._waiting:
            self._overflowing = False
            log.warning("source %s: lost %d samples so far", self._source, self.lost)
        return batch
