"""Who is measured: our safety process, and the loop that anybody would write."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from appliance.link.client import LinkRefusedError, connect
from benchmarks.trip.matrix import SCAN_S, configuration
from benchmarks.trip.plc import LANES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appliance.link.client import LinkClient
    from benchmarks.trip.plc import Memory


class Ours:
    """The safety process; between two demands an operator resets it."""

    name = "safety process"

    def __init__(self, folder: Path, port: int, priority: int) -> None:
        self._folder = folder
        config = folder / "bench.toml"
        config.write_text(configuration(port, priority))
        places = ("--state-dir", str(folder), "--run-dir", str(folder))
        self.words = ("-m", "appliance", "safety", "-c", str(config), *places)
        self._link: LinkClient | None = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Dial its socket once it listens."""
        async with asyncio.timeout(30):
            while not (self._folder / "safety.sock").exists():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        async with connect(self._folder / "safety.sock", process="bench") as link:
            self._link = link
            yield

    async def make_ready(self, memory: Memory) -> None:
        """Reset until it is permitted, and wait for the permit."""
        assert self._link is not None
        async with asyncio.timeout(60):
            while not memory.risen.is_set():
                try:
                    await self._link.request("reset")
                    await memory.risen.wait()
                except LinkRefusedError:
                    await asyncio.sleep(SCAN_S)


class Bare:
    """The loop that anybody would write first; the PLC is reset by hand."""

    name = "bare asyncio + pymodbus loop"

    def __init__(self, _folder: Path, port: int, priority: int) -> None:
        self.words = ("-m", "benchmarks.trip.bare", str(port), str(priority))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Nothing to dial."""
        yield

    async def make_ready(self, memory: Memory) -> None:
        """Set the coils, as a panel would."""
        await asyncio.sleep(2 * SCAN_S)  # it writes what it still believes
        for lane in range(LANES):
            memory.write_coil(lane, on=True)
