"""The simulated plant here, relays before it, safety in a process of its own.

Every transmitter has a calibrator on its loop, so that its value is known. Times are
those of the PLC's own scans (20 ms).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from appliance.link.client import LinkLostError, LinkRefusedError, connect
from benchmarks.faults.plan import HEALTHY
from sim_plant import scenario
from sim_plant.clock import PlantClock
from sim_plant.network import Relay
from sim_plant.plant import Plant
from sim_plant.plc import SCAN_PERIOD_S
from sim_plant.servers.modbus import ModbusFace
from sim_plant.servers.opcua import OpcUaFace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from sim_plant.truth import TruthEntry

HOST = "127.0.0.1"
READY_WITHIN_S = 60.0
OPCUA_EVERY_SCANS = 2
WATCHDOG_MS = 1500


@dataclass
class Rig:
    """The plant, the two ways to it, and what the PLC saw since `mark`."""

    plant: Plant
    clock: PlantClock
    folder: Path
    reads: Relay
    writes: Relay
    face: str
    modbus: ModbusFace
    opcua: OpcUaFace | None
    entries: list[TruthEntry] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None
    coil_fell_s: float | None = None
    stopped_s: float | None = None
    marked_s: float = 0.0
    entries_before: int = 0

    def mark(self) -> None:
        """Count times from now."""
        self.coil_fell_s = self.stopped_s = None
        self.marked_s = time.monotonic()
        self.entries_before = len(self.entries)

    @property
    def kinds_since_mark(self) -> list[str]:
        """What the plant's truth log got since `mark`."""
        return [entry.kind for entry in self.entries[self.entries_before :]]

    def flag(self, name: str, text: str = "") -> None:
        """Tell the saboteur."""
        (self.folder / name).write_text(text)

    def unflag(self, name: str) -> None:
        """Tell him that it is enough."""
        (self.folder / name).unlink()

    @property
    def seen_since_mark(self) -> str:
        """The same with its times, for whoever must find out."""
        began_s = self.clock.now_s() - (time.monotonic() - self.marked_s)
        seen = [
            f"{entry.kind} {entry.t_s - began_s:.2f}"
            for entry in self.entries[self.entries_before :]
        ]
        return f"{seen}, fell {self.coil_fell_s}, stopped {self.stopped_s}"

    @property
    def running(self) -> bool:
        """Whether the machine runs."""
        return self.plant.state.plc.running

    async def run(self) -> None:
        """Scan every 20 ms, until cancelled."""
        scans, due_s = 0, time.monotonic()
        while True:
            self.entries += self.plant.scan(self.clock.now_s())
            self._watch()
            scans += 1
            if self.opcua is not None and scans % OPCUA_EVERY_SCANS == 0:
                await self.opcua.publish()
            due_s = max(due_s + SCAN_PERIOD_S, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())

    def _watch(self) -> None:
        since_s = time.monotonic() - self.marked_s
        if self.coil_fell_s is None and not self.plant.memory.run_permit_request:
            self.coil_fell_s = since_s
        if self.stopped_s is None and not self.running:
            self.stopped_s = since_s

    async def until(self, wanted: Callable[[], bool], within_s: float = 10.0) -> None:
        """Wait for something in the plant.

        Raises:
            TimeoutError: It never came.
        """
        try:
            async with asyncio.timeout(within_s):
                while not wanted():  # noqa: ASYNC110 - a condition of another process
                    await asyncio.sleep(SCAN_PERIOD_S / 2)
        except TimeoutError as error:
            raise TimeoutError(self.seen_since_mark) from error

    async def ask(self, op: str, *, caller: str = "test", **args: Any) -> Any:  # noqa: ANN401 - msgpack
        """Ask safety; wait until it listens."""
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                try:
                    socket = self.folder / "safety.sock"
                    async with connect(socket, process=caller) as link:
                        return await link.request(op, **args)
                except LinkLostError:
                    await asyncio.sleep(0.02)

    async def status(
        self, wanted: Callable[[dict[str, Any]], bool], within_s: float = 10.0
    ) -> dict[str, Any]:
        """Return the first status that is as wanted.

        Raises:
            AssertionError: There was none.
        """
        status: dict[str, Any] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not status or not wanted(status):
                    status = await self.ask("status")
                    await asyncio.sleep(0.02)
        assert status, "no answer"
        assert wanted(status), status
        return status

    async def events(self, *names: str) -> list[dict[str, Any]]:
        """Return the committed events with these names, oldest first."""
        found = await self.ask("events.since", seq=0)
        return [event for event in found if event["name"] in names]

    async def make_ready(self) -> None:
        """Reset all, start the machine, and wait until it runs and all is energised."""
        refusal: str | None = ""
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while refusal is not None:
                    refusal = await self._refusal_of_reset()
        except TimeoutError as error:
            raise TimeoutError(f"no reset: {refusal}") from error
        control = self.plant.memory
        await self.until(lambda: self.plant.state.plc.run_permit)
        control.start = True
        await self.until(lambda: self.running and self.plant.state.plc.flush_valve_open)

    async def _refusal_of_reset(self) -> str | None:
        try:
            await self.ask("reset")
        except LinkRefusedError as error:
            await asyncio.sleep(0.05)
            return str(error)
        return None


@asynccontextmanager
async def plant_rig(folder: Path, face: str = "modbus") -> AsyncIterator[Rig]:
    """Run the plant; safety is started by `safety`."""
    plant = Plant(scenario.load("healthy"))
    plant.memory.watchdog_ms = WATCHDOG_MS
    for tag, value in HEALTHY.items():
        plant.inject(tag, value)
    clock = PlantClock()
    async with contextlib.AsyncExitStack() as opened:
        enter = opened.enter_async_context
        modbus = await enter(ModbusFace(plant, host=HOST, port=0))
        opcua = None
        if face == "opcua":
            opcua = await enter(OpcUaFace(plant, host=HOST, port=0, clock=clock))
        port = modbus.port if opcua is None else opcua.port
        reads = await enter(Relay(HOST, 0, server_port=port, seed=7))
        writes = await enter(Relay(HOST, 0, server_port=port, seed=8))
        clock.restart()
        if opcua is not None:
            await opcua.publish_all()
        rig = Rig(plant, clock, folder, reads, writes, face, modbus, opcua)
        async with asyncio.TaskGroup() as tasks:
            scanning = tasks.create_task(rig.run(), name="rig.plant")
            yield rig
            scanning.cancel()


@asynccontextmanager
async def safety(
    rig: Rig, text: str, *, stderr: int = subprocess.DEVNULL
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run safety, with its saboteur, on a configuration."""
    config = rig.folder / "safety.toml"
    config.write_text(text, encoding="utf-8")
    places = ("--state-dir", str(rig.folder), "--run-dir", str(rig.folder))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.faults.sabotage", str(rig.folder)),
        *("safety", "-c", str(config), *places),
        stderr=stderr,
    )
    rig.process = process
    try:
        yield process
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()
