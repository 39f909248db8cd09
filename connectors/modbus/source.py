"""The Modbus devices of one connection or bus, as a source."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from appliance.runtime.tasks import companions
from connectors.modbus.bus import Bus
from connectors.modbus.line import Line
from connectors.modbus.resident import Resident

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Mapping,
        Sequence,
    )

    from appliance.domain.batch import Batch
    from appliance.domain.diagnostic import Diagnostic
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.modbus.config import ModbusSettings

_JITTER = random.SystemRandom()


class ModbusSource:
    """Polls devices and yields one batch per poll of a group of one of them.

    Modbus carries no time: the source time of a value is the moment it was asked
    for, so it is never fresher than the truth. A poll that was due while the
    consumer was busy is skipped, never made up for.

    What the devices have taught outlives the connection: their limits, the addresses
    they refuse, and which of them are silent.
    """

    def __init__(
        self,
        settings: ModbusSettings,
        clock: Clock,
        spread: Callable[[], float] = _JITTER.random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._residents = [
            Resident(settings, device, spread) for device in settings.device_table
        ]

    @property
    def name(self) -> str:
        """Name used in logs, metrics and the configuration."""
        return self._settings.name

    @property
    def groups(self) -> Mapping[str, Sequence[TagId]]:
        """Tags by what confirms them: `source.group`, or `source.device.group`."""
        return {
            group.name: group.ids for each in self._residents for group in each.groups
        }

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Name the devices that are silent, and the tags that are refused."""
        return tuple(
            diagnostic for each in self._residents for diagnostic in each.diagnostics()
        )

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        """Connect, and yield batches until the connection is lost.

        Raises:
            SourceUnavailableError: The connection failed or was lost.
        """
        async with AsyncExitStack() as connected:
            lines: list[Line] = []
            for _ in range(self._settings.connections):
                lines.append(await Line.connect(self._settings, self._clock))
                connected.callback(lines[-1].close)
            bus = Bus(self._residents, numbers, self._clock)
            async with _merged([bus.run(line) for line in lines]) as batches:
                yield batches


@asynccontextmanager
async def _merged(
    runs: Sequence[AsyncGenerator[Batch, None]],
) -> AsyncIterator[AsyncIterator[Batch]]:
    """Yield what comes of any; the loss of one is the loss of all.

    Between several runs and their consumer stands a queue of one batch for each; who
    finds it full waits, and then skips the polls that it missed.
    """
    if len(runs) == 1:
        async with aclosing(runs[0]) as batches:
            yield batches
        return
    queue: asyncio.Queue[Batch] = asyncio.Queue(maxsize=len(runs))
    async with companions() as tasks:
        for number, run in enumerate(runs):
            tasks.start(_pass_on(run, queue), name=f"modbus.line.{number}")
        async with aclosing(_taken_from(queue)) as batches:
            yield batches


async def _pass_on(
    run: AsyncGenerator[Batch, None], queue: asyncio.Queue[Batch]
) -> None:
    async with aclosing(run) as batches:
        async for batch in batches:
            await queue.put(batch)


async def _taken_from(queue: asyncio.Queue[Batch]) -> AsyncGenerator[Batch, None]:
    while True:
        yield await queue.get()
