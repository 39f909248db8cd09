"""One serial bus with 32 stations: those that are dead cost the others little."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from pymodbus import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Quality
from appliance.runtime.clock import SystemClock
from appliance.runtime.listening import stop_listening
from connectors.modbus.config import ModbusSettings
from connectors.modbus.output import ModbusOutput
from connectors.modbus.reader import ModbusReader
from connectors.modbus.source import ModbusSource
from tests.contract.wires import LOOPBACK, settle
from tests.system.cable import Cable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from appliance.domain.batch import Batch
    from appliance.domain.tag import TagId

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

STATIONS = 32
DEAD = frozenset({1, 2, 3, 8, 15, 16, 25, 32})
PERIOD_S = 0.4
TIMEOUT_S = 0.15
WINDOW_S = 14.0


@pytest_asyncio.fixture
async def cable() -> AsyncIterator[Cable]:
    """A cable at whose far end a real server answers for every station."""
    with Cable() as cable:
        stations = [
            SimDevice(
                number,
                simdata=[SimData(0, values=[number, 7], datatype=DataType.REGISTERS)],
            )
            for number in range(1, STATIONS + 1)
        ]
        server = ModbusSerialServer(
            stations, framer=FramerType.RTU, port=cable.stations, baudrate=115_200
        )
        await server.serve_forever(background=True)
        yield cable
        await server.shutdown()  # type: ignore[no-untyped-call] # pymodbus leaves it so


def settings_on(cable: Cable, timeout_s: float = TIMEOUT_S) -> ModbusSettings:
    stations = range(1, STATIONS + 1)
    return ModbusSettings.model_validate(
        {
            "name": "bus",
            "connector": "modbus",
            "transport": "rtu",
            "serial": {"port": cable.master, "baudrate": 115_200, "parity": "none"},
            "period_s": PERIOD_S,
            "timeout_s": timeout_s,
            "devices": [{"name": f"s{n}", "device_id": n} for n in stations],
            "tags": [
                {"id": f"s{n}/x", "device": f"s{n}", "table": "holding", "address": 0}
                for n in stations
            ],
            "points": [
                {
                    "name": "setpoint",
                    "device": "s7",
                    "table": "holding",
                    "address": 1,
                    "range": [0, 65535],
                }
            ],
        }
    )


def source_on(cable: Cable) -> ModbusSource:
    return ModbusSource(settings_on(cable), SystemClock())


def numbers_of(source: ModbusSource) -> dict[TagId, int]:
    """Let the number of a tag be that of its station."""
    return {tag: int(tag[1:-2]) for tags in source.groups.values() for tag in tags}


class Tally:
    """Good polls of each station, as they come."""

    def __init__(self) -> None:
        self.good: Counter[int] = Counter()
        self.bad: Counter[int] = Counter()

    def take(self, batch: Batch) -> None:
        rows = zip(batch.tag, batch.value, batch.quality, strict=True)
        for station, value, quality in rows:
            if quality == Quality.GOOD:
                assert value == station, "a value of another station"
                self.good[int(station)] += 1
            else:
                self.bad[int(station)] += 1


@asynccontextmanager
async def reading(source: ModbusSource) -> AsyncIterator[Tally]:
    """Read in the background, as the hub does."""
    tally = Tally()

    async def read() -> None:
        async with source.open(numbers_of(source)) as batches:
            async for batch in batches:
                tally.take(batch)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(read(), name="bus.read")
        yield tally
        task.cancel()


async def until(so: Callable[[], bool], *, within_s: float) -> None:
    async with asyncio.timeout(within_s):
        while not so():
            await asyncio.sleep(0.01)


async def polls_in(tally: Tally, seconds: float) -> Counter[int]:
    before = Counter(tally.good)
    await asyncio.sleep(seconds)
    return tally.good - before


@pytest.mark.alone
async def test_eight_dead_stations_of_32_leave_the_others_their_rate(
    cable: Cable,
) -> None:
    source = source_on(cable)
    living = set(range(1, STATIONS + 1)) - DEAD
    async with reading(source) as tally:
        await until(lambda: len(tally.good) == STATIONS, within_s=60)
        healthy = await polls_in(tally, WINDOW_S)
        cable.dead = DEAD
        await until(lambda: len(source.diagnostics) == len(DEAD), within_s=60)
        before = Counter(cable.sent)
        beside_dead = await polls_in(tally, WINDOW_S)
        probes = sum((cable.sent - before)[station] for station in DEAD)
    assert min(healthy.values()) >= 0.9 * WINDOW_S / PERIOD_S, "the bus is too slow"
    kept = {each: (beside_dead[each], healthy[each]) for each in living}
    for station, (polls, polls_before) in kept.items():
        # The ends of a window cut one poll off, or do not.
        assert polls >= 0.95 * polls_before - 1, f"station {station}: {kept}"
    total, total_before = (sum(polls) for polls in zip(*kept.values(), strict=True))
    assert total >= 0.95 * total_before
    assert 0 < probes <= len(DEAD) * 4
    assert set(tally.bad) == DEAD
    assert {tag for each in source.diagnostics for tag in each.tags} == {
        f"s{station}/x" for station in DEAD
    }


async def test_a_station_that_returns_is_found_without_a_reconnect(
    cable: Cable,
) -> None:
    source = source_on(cable)
    cable.dead = frozenset({5})
    async with reading(source) as tally:
        await until(lambda: len(source.diagnostics) == 1, within_s=60)
        cable.dead = frozenset()
        await until(lambda: tally.good[5] >= 2, within_s=60)
        await until(lambda: source.diagnostics == (), within_s=60)


async def test_a_bus_without_any_answer_is_a_lost_source(cable: Cable) -> None:
    source = source_on(cable)
    cable.dead = frozenset(range(1, STATIONS + 1))
    with pytest.raises(ExceptionGroup) as caught:
        async with reading(source):
            await asyncio.sleep(60)
    assert caught.group_contains(SourceUnavailableError, match="nobody answers")


async def test_a_reader_and_an_output_share_the_one_serial_port(cable: Cable) -> None:
    settings, clock = settings_on(cable, timeout_s=5.0), SystemClock()
    reader, output = ModbusReader(settings, clock), ModbusOutput(settings, clock)
    async with reader.open(), output.open():
        for value in range(10):
            samples, _ = await asyncio.gather(
                reader.read(30.0), output.write("setpoint", value, deadline_s=30.0)
            )
            assert [each.value for each in samples] == list(range(1, STATIONS + 1))


async def test_a_line_that_was_shared_is_made_again_for_both(cable: Cable) -> None:
    settings, clock = settings_on(cable, timeout_s=5.0), SystemClock()
    reader, output = ModbusReader(settings, clock), ModbusOutput(settings, clock)
    async with output.open():
        async with reader.open():
            samples = await reader.read(30.0)
            assert all(each.trusted_value for each in samples)
        await output.write("setpoint", 1, deadline_s=30.0)
        async with reader.open():
            samples = await reader.read(30.0)
            assert all(each.trusted_value for each in samples)


@pytest.mark.alone
async def test_safety_reads_the_living_though_stations_are_dead(cable: Cable) -> None:
    """The first scan may be spent on waiting; then the dead are asked last."""
    cable.dead = frozenset({1, 2})
    reader = ModbusReader(settings_on(cable), SystemClock())
    async with reader.open():
        await reader.read(2.0)
        for _ in range(3):
            samples = await reader.read(0.8)
            assert [each.quality for each in samples[2:]] == [Quality.GOOD] * 30
            assert [each.quality for each in samples[:2]] == [Quality.BAD] * 2


async def test_two_connections_read_side_by_side() -> None:
    """Two groups on a server that needs its time for each answer."""
    both = asyncio.Barrier(2)

    async def wait_for_the_other(*_: object) -> None:
        async with asyncio.timeout(60):
            await both.wait()

    registers = SimData(0, values=[7, 8], datatype=DataType.REGISTERS)
    device = SimDevice(1, simdata=[registers], action=wait_for_the_other)
    server = ModbusTcpServer(device, address=(LOOPBACK, 0))
    await server.serve_forever(background=True)
    listening = server.transport
    assert isinstance(listening, asyncio.Server)
    settings = ModbusSettings.model_validate(
        {
            "name": "plc",
            "connector": "modbus",
            "host": LOOPBACK,
            "port": listening.sockets[0].getsockname()[1],
            "connections": 2,
            "groups": [{"name": "other", "period_s": 1.0}],
            "tags": [
                {"id": "a/x", "table": "holding", "address": 0},
                {"id": "a/y", "table": "holding", "address": 1, "group": "other"},
            ],
        }
    )
    source = ModbusSource(settings, SystemClock())
    tags = [tag for group in source.groups.values() for tag in group]
    seen: set[float] = set()
    async with source.open({tag: row for row, tag in enumerate(tags)}) as batches:
        async for batch in batches:
            seen |= set(batch.value.tolist())
            if seen == {7.0, 8.0}:
                break
    await stop_listening(listening)
    await server.shutdown()  # type: ignore[no-untyped-call] # pymodbus leaves it so
    await settle()
