"""Where batches wait for a busy consumer: bounded, and the oldest are lost."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from appliance.domain.batch import Batch
    from appliance.domain.ports import SourceUnavailableError

log = logging.getLogger(__name__)


class Inbox:
    """An iterator of batches that ends with the error given to `fail`.

    Overflow policy: drop the oldest. `lost` counts the samples dropped.
    """

    def __init__(self, source: str, capacity: int) -> None:
        self.lost = 0
        self._source = source
        self._capacity = capacity
        self._waiting: deque[Batch] = deque()
        self._error: SourceUnavailableError | None = None
        self._changed = asyncio.Event()
        self._overflowing = False

    def put(self, batch: Batch) -> None:
        """Add a batch; never waits."""
        if len(self._waiting) >= self._capacity:
            self.count_lost(self._waiting.popleft().sample_count)
        self._waiting.append(batch)
        self._changed.set()

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

    async def __anext__(self) -> Batch:
        while not self._waiting:
            if self._error is not None:
                raise self._error
            self._changed.clear()
            await self._changed.wait()
        batch = self._waiting.popleft()
        if self._overflowing and not self._waiting:
            self._overflowing = False
            log.warning("source %s: lost %d samples so far", self._source, self.lost)
        return batch
