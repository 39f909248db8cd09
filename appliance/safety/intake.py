"""Reads one source for the scan; what is not there in time is taken by a later scan."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance.safety.channel import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.ports import Clock, Reader


class Intake:
    """One reader, asked at most once at a time.

    A read that outlasts its scan goes on: cutting it off would cost the connection.
    What it brings is as old as the moment it was asked for.
    """

    def __init__(self, reader: Reader, *, deadline_s: float, clock: Clock) -> None:
        self._reader = reader
        self._deadline_s = deadline_s
        self._clock = clock
        self._asked = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._arrived: dict[str, Reading] = {}

    @property
    def name(self) -> str:
        """Name of the source."""
        return self._reader.name

    async def run(self) -> None:
        """Read whenever asked, until cancelled."""
        async with self._reader.open():
            while True:
                await self._asked.wait()
                self._asked.clear()
                at_s = self._clock.now_s()
                for sample in await self._reader.read(self._deadline_s):
                    self._arrived[sample.tag] = Reading(sample, at_s)
                self._idle.set()

    def ask(self) -> None:
        """Begin a read, unless one is still under way."""
        if self._idle.is_set():
            self._idle.clear()
            self._asked.set()

    async def wait(self) -> None:
        """Wait until no read is under way."""
        await self._idle.wait()

    def take(self) -> Mapping[str, Reading]:
        """Return what arrived since the last call, by tag."""
        arrived, self._arrived = self._arrived, {}
        return arrived
