from __future__ import annotations

import logging
from collections import Counter
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest

from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION, Quality
from connectors.modbus.breaker import FAILURES_TO_OPEN
from connectors.modbus.bus import Bus
from connectors.modbus.resident import Resident
from connectors.modbus.source import ModbusSource
from connectors.modbus.station import NoAnswerError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from appliance.domain.batch import Batch
    from appliance.domain.tag import TagId
    from connectors.modbus.config import Device, ModbusSettings
    from connectors.modbus.line import Line
    from connectors.modbus.planner import Block
    from tests.unit.connectors.fakes import SetClock

    Build = Callable[..., ModbusSettings]

ANSWER_S = 0.02
TIMEOUT_S = 0.5


@dataclass
class Wire:
    """A bus on which a request takes its time, and silence the whole time-out."""

    clock: SetClock
    silent: set[int] = field(default_factory=set)
    behind_gateway: set[int] = field(default_factory=set)
    connected: bool = True
    asked: Counter[int] = field(default_factory=Counter)

    def station(self, device: Device) -> Place:
        return Place(self, device)


class Place:
    """One device of it; every register holds the number of the device."""

    def __init__(self, line: Wire, device: Device) -> None:
        self.line = line
        self.device = device

    async def read(self, block: Block) -> list[int]:
        number = self.device.device_id
        self.line.asked[number] += 1
        if not self.line.connected:
            raise SourceUnavailableError("unplugged")
        if number in self.line.silent:
            self.line.clock.pass_s(self.device.timeout_s)
            raise NoAnswerError(f"device {number}: silent")
        if number in self.line.behind_gateway:
            self.line.clock.pass_s(self.device.timeout_s)
            raise RefusedError(11)
        self.line.clock.pass_s(ANSWER_S)
        return [number] * block.count

    async def read_words(self, block: Block) -> list[int]:
        return await self.read(block)


def bus_of(modbus: Build, devices: int, **more: object) -> ModbusSettings:
    given = {
        "timeout_s": TIMEOUT_S,
        "period_s": 1.0,
        "devices": [{"name": f"d{n}", "device_id": n} for n in range(1, devices + 1)],
        "tags": [
            {"id": f"d{n}/x", "device": f"d{n}", "table": "input", "address": 0}
            for n in range(1, devices + 1)
        ],
    }
    return modbus(**(given | more))


class Plant:
    """A bus of our own making, read for some simulated time."""

    def __init__(self, settings: ModbusSettings, clock: SetClock) -> None:
        self.settings = settings
        self.clock = clock
        self.wire = Wire(clock)
        self.residents = [
            Resident(settings, device, lambda: 0.5) for device in settings.device_table
        ]
        tags = [tag.tag().id for tag in settings.tags]
        self.numbers: dict[TagId, int] = {tag: row for row, tag in enumerate(tags)}
        self.given: list[Batch] = []

    async def run(self, seconds: float) -> list[Batch]:
        """Read; return what came. The connection is new each time."""
        bus = Bus(self.residents, self.numbers, self.clock)
        end_s = self.clock.now_s() + seconds
        came: list[Batch] = []
        async with aclosing(bus.run(cast("Line", self.wire))) as batches:
            async for batch in batches:
                came.append(batch)
                if self.clock.now_s() >= end_s:
                    break
        return came

    def good(self, batches: Collection[Batch]) -> Counter[str]:
        """Return how many good values there are of each device."""
        names = {number: tag.split("/")[0] for tag, number in self.numbers.items()}
        return Counter(
            names[int(tag)]
            for batch in batches
            for tag, quality in zip(batch.tag, batch.quality, strict=True)
            if quality == Quality.GOOD
        )


async def test_every_device_gives_its_own_values_in_its_own_group(
    modbus: Build, clock: SetClock
) -> None:
    plant = Plant(bus_of(modbus, 3), clock)
    batches = await plant.run(1.5)
    assert [batch.group for batch in batches[:3]] == [
        "plc.d1.poll",
        "plc.d2.poll",
        "plc.d3.poll",
    ]
    assert [float(batch.value[0]) for batch in batches[:3]] == [1.0, 2.0, 3.0]
    assert all(batch.confirms for batch in batches)


async def test_a_single_device_keeps_the_names_of_its_groups(
    modbus: Build, clock: SetClock
) -> None:
    tags = [{"id": "a/x", "table": "input", "address": 0}]
    source = ModbusSource(modbus(tags=tags), clock)
    assert source.groups == {"plc.poll": ["a/x"]}


async def test_silent_devices_do_not_slow_down_the_others(
    modbus: Build, clock: SetClock
) -> None:
    """32 devices that use nearly two thirds of the bus; then 8 of them fall silent."""
    plant = Plant(bus_of(modbus, 32), clock)
    before = plant.good(await plant.run(300.0))
    plant.wire.silent = {1, 2, 3, 8, 15, 16, 25, 32}
    clock.pass_s(1.0)
    after = plant.good(await plant.run(300.0))
    living = {f"d{n}" for n in range(1, 33) if n not in plant.wire.silent}
    assert min(before.values()) >= 299
    for name in living:
        assert after[name] >= 0.95 * before[name]
    assert set(after) == living


async def test_a_silent_device_is_bad_once_named_once_and_returns(
    modbus: Build, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plant = Plant(bus_of(modbus, 3), clock)
    plant.wire.silent = {2}
    batches = [each for each in await plant.run(60.0) if each.group == "plc.d2.poll"]
    assert len(batches) == FAILURES_TO_OPEN + 1
    assert all(each.status[0] == STATUS_BAD_NO_COMMUNICATION for each in batches)
    assert not any(each.confirms for each in batches)
    assert caplog.text.count("plc.d2 is silent") == 1
    plant.wire.silent = set()
    assert plant.good(await plant.run(120.0))["d2"] >= 119
    assert caplog.text.count("plc.d2 answers again") == 1


async def test_a_device_that_returns_is_found_while_the_bus_is_open(
    modbus: Build, clock: SetClock
) -> None:
    plant = Plant(bus_of(modbus, 3), clock)
    plant.wire.silent = {2}
    bus = Bus(plant.residents, plant.numbers, clock)
    async with aclosing(bus.run(cast("Line", plant.wire))) as batches:
        async for batch in batches:
            if clock.now_s() > 40.0:
                plant.wire.silent = set()
            if batch.group == "plc.d2.poll" and batch.quality[0] == Quality.GOOD:
                break
            assert clock.now_s() < 120.0


async def test_what_a_device_said_before_it_fell_silent_is_kept(
    modbus: Build, clock: SetClock
) -> None:
    tags = [
        {"id": "d/a", "table": "input", "address": 0},
        {"id": "d/b", "table": "input", "address": 500},
    ]
    plant = Plant(modbus(tags=tags, timeout_s=TIMEOUT_S), clock)

    class Tiring(Place):
        async def read(self, block: Block) -> list[int]:
            if block.address:
                raise NoAnswerError("silent")
            return await super().read(block)

    plant.wire.station = lambda device: Tiring(plant.wire, device)  # type: ignore[method-assign] # a device that tires in the middle of a poll
    bus = Bus(plant.residents, plant.numbers, clock)
    async with aclosing(bus.run(cast("Line", plant.wire))) as batches:
        batch = await anext(batches)
    assert batch.quality.tolist() == [Quality.GOOD, Quality.BAD]
    assert not batch.confirms


async def test_a_gateway_that_cannot_reach_a_device_is_no_lost_line(
    modbus: Build, clock: SetClock
) -> None:
    plant = Plant(bus_of(modbus, 2), clock)
    plant.wire.behind_gateway = {1, 2}
    bus = Bus(plant.residents, plant.numbers, clock)
    async with aclosing(bus.run(cast("Line", plant.wire))) as batches:
        for _ in range(6):
            assert (await anext(batches)).status[0] == STATUS_BAD_NO_COMMUNICATION
        for each in plant.residents:
            each.breaker.hurry(now_s=clock.now_s())
        plant.wire.behind_gateway = set()
        assert (await anext(batches)).quality[0] == Quality.GOOD


async def test_a_bus_on_which_nobody_answers_is_a_lost_source(
    modbus: Build, clock: SetClock
) -> None:
    plant = Plant(bus_of(modbus, 3), clock)
    plant.wire.silent = {1, 2, 3}
    with pytest.raises(SourceUnavailableError, match="nobody answers"):
        await plant.run(60.0)
    asked = plant.wire.asked.total()
    with pytest.raises(SourceUnavailableError, match="nobody answers"):
        await plant.run(60.0)
    assert plant.wire.asked.total() - asked == 3, "a probe each, on the new connection"


async def test_a_lost_line_is_a_lost_source_though_devices_are_silent(
    modbus: Build, clock: SetClock
) -> None:
    plant = Plant(bus_of(modbus, 2), clock)
    plant.wire.silent = {1}
    await plant.run(10.0)
    plant.wire.connected = False
    with pytest.raises(SourceUnavailableError, match="unplugged"):
        await plant.run(10.0)


async def test_a_silence_that_closed_the_connection_loses_the_source(
    modbus: Build, clock: SetClock
) -> None:
    tags = [{"id": "a/x", "table": "input", "address": 0}]
    plant = Plant(modbus(tags=tags), clock)
    plant.wire.silent = {1}

    class Closing(Place):
        async def read(self, block: Block) -> list[int]:
            try:
                return await super().read(block)
            finally:
                self.line.connected = False

    plant.wire.station = lambda device: Closing(plant.wire, device)  # type: ignore[method-assign] # a line that gives its socket up
    with pytest.raises(SourceUnavailableError, match="silent"):
        await plant.run(10.0)


async def test_a_bus_without_tags_asks_nothing_and_ends(
    modbus: Build, clock: SetClock
) -> None:
    plant = Plant(modbus(), clock)
    assert await plant.run(1.0) == []


async def test_diagnostics_name_silent_devices_and_refused_tags(
    modbus: Build, clock: SetClock
) -> None:
    plant = Plant(bus_of(modbus, 3), clock)
    plant.wire.silent = {2}

    class Refusing(Place):
        async def read(self, block: Block) -> list[int]:
            if self.device.device_id == 3:
                raise RefusedError(2)
            return await super().read(block)

    plant.wire.station = lambda device: Refusing(plant.wire, device)  # type: ignore[method-assign] # one of them has no such address
    await plant.run(10.0)
    found = [each for resident in plant.residents for each in resident.diagnostics()]
    assert [(each.key, each.tags) for each in found] == [
        ("device d2", ("d2/x",)),
        ("refused d3", ("d3/x",)),
    ]
    assert "does not answer" in found[0].message
    assert "d3/x" in found[1].message


async def test_nothing_is_wrong_with_a_source_that_was_never_opened(
    modbus: Build, clock: SetClock
) -> None:
    assert ModbusSource(bus_of(modbus, 2), clock).diagnostics == ()
