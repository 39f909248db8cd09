"""The safety process against the simulated plant, over Modbus, as real processes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from pymodbus.client import AsyncModbusTcpClient

from appliance.link.client import LinkLostError, LinkRefusedError, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.alone]

SETPOINT = 4.0
WITHIN_S = 60.0
CONFIG = """\
config_version = 1

[site]
id = "plant-7"
gateway = "gw-1"

[safety]
mode = "armed"
scan_period_s = 0.1

[[safety.sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
port = {port}
timeout_s = 0.3

{tags}

[[safety.sources.tags]]
id = "P-101/running"
table = "discrete"
address = 0

[[safety.sources.points]]
name = "permit"
table = "coil"
address = 0

[[safety.sources.points]]
name = "heartbeat"
table = "holding"
address = 0
range = [0, 65535]

[[safety.initiators]]
id = "P-101 vibration high-high"
channels = ["P-101/DE/vibration_rms", "P-101/DE/vibration_rms_B", \
"P-101/DE/vibration_rms_C"]
setpoint = {setpoint}
deadband = 0.3
on_delay_s = 0.2
vote = "2oo3"
process_safety_time_s = 5.0
cause = "Bearing damage"
consequence = "Seizure"
action = "Inspect the bearing"

[[safety.elements]]
id = "P-101 motor"
output = "plc"
point = "permit"
heartbeat = "heartbeat"
feedback = "P-101/running"

[safety.matrix]
"P-101 vibration high-high" = ["P-101 motor"]
"""
TRANSMITTER = """\
[[safety.sources.tags]]
id = "P-101/DE/vibration_rms{letter}"
table = "input"
address = {address}
factor = 0.001
fault_raw = 0xFFFF
range_low = 0.0
range_high = 50.0
"""
START_COIL, RUNNING, WATCHDOG_TRIPPED = 1, 0, 2


@dataclass
class Plant:
    """The simulated plant: its panel and its truth."""

    panel: AsyncModbusTcpClient
    port: int
    truth_path: Path

    async def lamp(self, address: int) -> bool:
        answer = await self.panel.read_discrete_inputs(address, count=1, device_id=1)
        return bool(answer.bits[0])

    async def press_start(self) -> None:
        await self.panel.write_coil(START_COIL, value=True, device_id=1)

    def truth(self, kind: str) -> list[dict[str, Any]]:
        lines = map(json.loads, self.truth_path.read_text().splitlines())
        return [line for line in lines if line["kind"] == kind]


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(WITHIN_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
        await process.communicate()


@asynccontextmanager
async def plant(folder: Path, scenario: str, *words: str) -> AsyncIterator[Plant]:
    truth = folder / "truth.jsonl"
    arguments = ("-m", "sim_plant", scenario, "--truth", str(truth), *words)
    async with program(*arguments) as process:
        assert process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            ready = json.loads(await process.stdout.readline())
        panel = AsyncModbusTcpClient("127.0.0.1", port=ready["modbus_port"])
        assert await panel.connect()
        try:
            yield Plant(panel, ready["modbus_port"], truth)
        finally:
            panel.close()


def write_config(folder: Path, port: int, setpoint: float = SETPOINT) -> Path:
    letters = (("", 4), ("_B", 12), ("_C", 13))
    tags = "\n".join(TRANSMITTER.format(letter=n, address=a) for n, a in letters)
    path = folder / "wheeltapper.toml"
    path.write_text(CONFIG.format(port=port, tags=tags, setpoint=setpoint))
    return path


def safety(folder: Path) -> tuple[str, ...]:
    places = ("--state-dir", str(folder), "--run-dir", str(folder))
    config = str(folder / "wheeltapper.toml")
    return ("-m", "appliance", "safety", "-c", config, *places)


async def ask(folder: Path, op: str, **args: object) -> Any:  # noqa: ANN401 - msgpack
    """Ask safety; wait until it listens."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                async with connect(folder / "safety.sock", process="test") as link:
                    return await link.request(op, **args)
            except LinkLostError:
                await asyncio.sleep(0.05)


async def until(
    folder: Path, wanted: Callable[[dict[str, Any]], bool], within_s: float = WITHIN_S
) -> dict[str, Any]:
    status: dict[str, Any] = {}
    try:
        async with asyncio.timeout(within_s):
            while not status or not wanted(status):
                status = await ask(folder, "status")
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"never so: {status}")
    return status


async def until_lamp(plant: Plant, address: int, *, on: bool) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await plant.lamp(address) is not on:
            await asyncio.sleep(0.02)


async def reset_and_start(folder: Path, plant: Plant) -> None:
    await until(folder, lambda s: s["elements"][0]["stop"] == "confirmed")
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                assert (await ask(folder, "reset"))["committed"]
                break
            except LinkRefusedError:
                await asyncio.sleep(0.05)
    await until_lamp(plant, 1, on=True)
    assert not await plant.lamp(RUNNING), "a reset never starts the machine"
    await plant.press_start()
    await until_lamp(plant, RUNNING, on=True)


@pytest.mark.requirement("A4")
@pytest.mark.requirement("A6")
async def test_it_comes_up_tripped_and_a_reset_never_restarts(tmp_path: Path) -> None:
    async with plant(tmp_path, "healthy") as pump:
        write_config(tmp_path, pump.port)
        async with program(*safety(tmp_path)):
            status = await until(tmp_path, lambda s: s["scan"]["scans"] > 3)
            assert status["tripped"]
            assert status["first_out"] == "power-up"
            await reset_and_start(tmp_path, pump)
            await ask(tmp_path, "stop", reason="end of the test")
            await until_lamp(pump, RUNNING, on=False)
            status = await until(tmp_path, lambda s: s["tripped"])
            assert status["first_out"] == "operator's stop"
            assert pump.truth("stopped")[-1]["cause"] == "run_permit"


@pytest.mark.requirement("A15")
async def test_vibration_above_the_setpoint_stops_the_machine(tmp_path: Path) -> None:
    marks = ("--fault-at", "3", "--speed", "360000")
    mark = f"P-101/DE/vibration_rms>{SETPOINT}"
    async with plant(tmp_path, "bearing-wear", *marks, "--mark", mark) as pump:
        write_config(tmp_path, pump.port)
        async with program(*safety(tmp_path)):
            await reset_and_start(tmp_path, pump)
            await until_lamp(pump, RUNNING, on=False)
            status = await until(
                tmp_path, lambda s: s["elements"][0]["stop"] == "confirmed"
            )
            assert status["first_out"] == "P-101 vibration high-high"
            news = await ask(tmp_path, "events.since", seq=0)
            names = [event["name"] for event in news]
            assert names.index("demand") < names.index("first_out", 1)
        assert pump.truth("stop_seen")
        assert not pump.truth("watchdog_tripped")


@pytest.mark.requirement("A4")
@pytest.mark.requirement("A12")
async def test_a_killed_safety_is_a_stopped_machine_and_comes_up_tripped(
    tmp_path: Path,
) -> None:
    async with plant(tmp_path, "healthy") as pump:
        write_config(tmp_path, pump.port)
        async with program(*safety(tmp_path)) as process:
            await reset_and_start(tmp_path, pump)
            process.kill()
            await process.wait()
            await until_lamp(pump, RUNNING, on=False)
            assert pump.truth("stopped")[-1]["cause"] == "watchdog"
        async with program(*safety(tmp_path)):
            status = await until(tmp_path, lambda s: s["scan"]["scans"] > 3)
            assert status["tripped"]
            assert status["first_out"] == "power-up"
            assert not await pump.lamp(RUNNING)
            await reset_and_start(tmp_path, pump)


@pytest.mark.requirement("A12")
async def test_a_stopped_process_is_a_stopped_machine(tmp_path: Path) -> None:
    async with plant(tmp_path, "healthy") as pump:
        write_config(tmp_path, pump.port)
        async with program(*safety(tmp_path)) as process:
            await reset_and_start(tmp_path, pump)
            process.send_signal(signal.SIGSTOP)
            try:
                await until_lamp(pump, WATCHDOG_TRIPPED, on=True)
                await until_lamp(pump, RUNNING, on=False)
            finally:
                process.send_signal(signal.SIGCONT)
            status = await until(tmp_path, lambda s: s["tripped"])
            assert status["first_out"] == "scan overrun"
            await reset_and_start(tmp_path, pump)
