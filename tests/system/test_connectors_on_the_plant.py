"""The connectors on the simulated plant, a process of its own, by both protocols."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance.domain.event import Gap
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Quality
from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import load_connector
from tests.support.plant import running_plant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Source
    from appliance.domain.tag import TagId

pytestmark = pytest.mark.system

SPEED, HOURS, WAVE = "P-101/motor/speed", "P-101/hours_run", "P-101/DE/acceleration"
RUNNING = "P-101/running"


class Plant:
    """The plant's process and where it listens."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.ready = ready

    def kill(self) -> None:
        os.kill(self.ready["pid"], signal.SIGKILL)

    def opcua(self, *tags: str) -> Source:
        card = load_connector("opcua")
        node = "nsu=urn:wheeltapper:sim-plant;s="
        settings = card.settings.model_validate(
            {
                "name": "skid",
                "connector": "opcua",
                "url": self.ready["opcua_url"],
                "security": {"policy": "none", "allow_insecure": True},
                "keep_alive_s": 0.5,
                "tags": [
                    {"id": tag, "node": node + tag, "waveform": tag == WAVE}
                    for tag in tags
                ],
            }
        )
        return card.source(settings, SystemClock())

    def modbus_settings(self) -> dict[str, Any]:
        return {
            "name": "plc",
            "connector": "modbus",
            "host": self.ready["modbus_host"],
            "port": self.ready["modbus_port"],
            "period_s": 0.1,
            "timeout_s": 5.0,
            "tags": [
                {"id": SPEED, "table": "input", "address": 0, "factor": 0.1},
                {"id": HOURS, "table": "input", "address": 10, "type": "float32"},
                {"id": RUNNING, "table": "discrete", "address": 0},
            ],
            "points": [
                {"name": "run_permit", "table": "coil", "address": 0},
                {
                    "name": "heartbeat",
                    "table": "holding",
                    "address": 0,
                    "range": [0, 65_535],
                },
            ],
        }


@pytest.fixture(scope="module")
def plant() -> Iterator[Plant]:
    """One plant, for all who do it no harm."""
    with running_plant("healthy", "--disarmed") as ready:
        yield Plant(ready)


async def latest(source: Source) -> tuple[dict[str, float], list[Batch]]:
    """Read until every tag has come good; return the last values and all batches."""
    tags: list[TagId] = [tag for group in source.groups.values() for tag in group]
    names: dict[int, str] = dict(enumerate(tags))
    values: dict[str, float] = {}
    taken: list[Batch] = []
    async with (
        asyncio.timeout(60),
        source.open({tag: row for row, tag in enumerate(tags)}) as batches,
    ):
        async for batch in batches:
            if isinstance(batch, Gap):
                continue
            taken.append(batch)
            rows = zip(batch.tag, batch.value, batch.quality, strict=True)
            for number, value, quality in rows:
                if quality == Quality.GOOD:
                    values[names[int(number)]] = float(value)
            for wave in batch.waveforms:
                values[names[wave.tag]] = float(np.std(wave.points))
            if len(values) == len(tags):
                break
    return values, taken


async def test_both_protocols_show_the_same_machine(plant: Plant) -> None:
    by_opcua, _ = await latest(plant.opcua(SPEED, HOURS, RUNNING))
    card = load_connector("modbus")
    settings = card.settings.model_validate(plant.modbus_settings())
    by_modbus, _ = await latest(card.source(settings, SystemClock()))
    later, _ = await latest(plant.opcua(HOURS))
    assert by_modbus[SPEED] == pytest.approx(by_opcua[SPEED], rel=0.02)
    assert by_opcua[HOURS] - 1.0 <= by_modbus[HOURS] <= later[HOURS] + 1.0
    assert by_modbus[RUNNING] == by_opcua[RUNNING] == 1.0


async def test_a_vibration_burst_comes_whole(plant: Plant) -> None:
    _, batches = await latest(plant.opcua(WAVE))
    (burst, *_) = [wave for batch in batches for wave in batch.waveforms]
    assert burst.points.shape == (4096,)
    assert burst.sample_rate_hz == 10_240.0
    assert burst.quality is Quality.GOOD


async def test_the_permit_is_written_and_read_back(plant: Plant) -> None:
    card = load_connector("modbus")
    settings = card.settings.model_validate(plant.modbus_settings())
    output = card.output(settings, SystemClock())
    async with output.open():
        for beat in range(3):
            await output.write("heartbeat", beat, deadline_s=30.0)
        await output.write("run_permit", 1, deadline_s=30.0)
        await output.write("run_permit", 0, deadline_s=30.0)


async def test_a_killed_plant_is_a_loss_for_both() -> None:
    with running_plant("healthy", "--disarmed") as ready:
        await lose(Plant(ready))


async def lose(plant: Plant) -> None:
    """Kill a plant while both protocols read it; each must say so."""
    card = load_connector("modbus")
    settings = card.settings.model_validate(plant.modbus_settings())
    sources = (plant.opcua(SPEED), card.source(settings, SystemClock()))
    reading = [asyncio.Event(), asyncio.Event()]

    async def read_on(source: Source, started: asyncio.Event) -> None:
        tags = [tag for group in source.groups.values() for tag in group]
        numbers = {tag: row for row, tag in enumerate(tags)}
        with pytest.raises(SourceUnavailableError):  # noqa: PT012 - it ends by raising
            async with source.open(numbers) as batches:
                async for _ in batches:
                    started.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as readers:
        for source, started in zip(sources, reading, strict=True):
            readers.create_task(read_on(source, started))
        for started in reading:
            await started.wait()
        plant.kill()
