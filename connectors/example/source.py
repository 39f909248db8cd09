"""The example source: read a file, yield a batch, again and again.

Every source has this shape:

- the constructor remembers its settings and does nothing else;
- `open` connects, hands out an iterator of batches, and closes what it opened;
- a loss is `SourceUnavailableError`. Never retry here: `acquisition.supervise` does
  it, with growing patience, and shows the gap to everybody.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import batch_of, judged
from appliance.domain.ports import SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.example.config import ExampleSettings

STATUS_BAD_NO_DATA = 0x809B_0000
"""The file has no number for this key (OPC UA BadNoData)."""


class ExampleSource:
    """Yields the numbers of a file once per period."""

    def __init__(self, settings: ExampleSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._tags = settings.tag_table()

    @property
    def name(self) -> str:
        """Name used in logs, metrics and the configuration."""
        return self._settings.name

    @property
    def groups(self) -> Mapping[str, Sequence[TagId]]:
        """All tags in one group: one reading of the file confirms them all."""
        return {self._group: [tag.id for tag in self._tags]}

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        """Yield batches until the file can no longer be read.

        Raises:
            SourceUnavailableError: The file cannot be read.
        """
        await self._read(numbers)  # so that a missing file is noticed at once
        async with aclosing(self._run(numbers)) as batches:
            yield batches

    async def _run(self, numbers: Mapping[TagId, int]) -> AsyncGenerator[Batch, None]:
        while True:
            yield await self._read(numbers)
            await self._clock.sleep(self._settings.period_s)

    async def _read(self, numbers: Mapping[TagId, int]) -> Batch:
        """Read the file once: one batch, whatever is good or bad in it."""
        try:
            # Anything that can block runs in a thread: the event loop serves others.
            text, written_ns = await asyncio.to_thread(self._blocking_read)
        except (OSError, UnicodeError) as error:
            raise SourceUnavailableError(f"{self._settings.file}: {error}") from error
        found = parse(text)
        keys = [tag.key for tag in self._settings.tags]
        # `judged` makes bad what is out of range or not a number: every source's duty.
        value = np.array([found.get(key, math.nan) for key in keys])
        quality, status = judged(
            value,
            np.array(
                [0 if key in found else STATUS_BAD_NO_DATA for key in keys], np.uint32
            ),
            low=np.array([tag.range_low for tag in self._tags]),
            high=np.array([tag.range_high for tag in self._tags]),
        )
        return batch_of(
            [numbers[tag.id] for tag in self._tags],
            value,
            # The values are as old as the file, however often we read it.
            source_time_ns=written_ns,
            receive_time_ns=self._clock.utc_ns(),
            quality=quality,
            status=status,
            group=self._group,
        )

    def _blocking_read(self) -> tuple[str, int]:
        with self._settings.file.open(encoding="utf-8") as file:
            text = file.read()
        return text, self._settings.file.stat().st_mtime_ns

    @property
    def _group(self) -> str:
        # Group names are unique in the hub, so the source's name is part of them.
        return f"{self.name}.file"


def parse(text: str) -> dict[str, float]:
    r"""Return the numbers by key; a line that is not `key number` says nothing.

    The pure part stands apart from the I/O, so it can be tested without any.

    >>> parse("speed 1480.5\nflow off\n")
    {'speed': 1480.5}
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        key, _, number = line.strip().partition(" ")
        try:
            found[key] = float(number)
        except ValueError:
            continue
    return found
