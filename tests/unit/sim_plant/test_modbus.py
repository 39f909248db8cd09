"""The register image, without a socket."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.simulator.simcore import SimCore

from sim_plant.plant import Plant
from sim_plant.plc import PlcInputs
from sim_plant.scenario import load
from sim_plant.servers.modbus import DEVICE_ID, ModbusFace, input_registers
from sim_plant.tags import TRANSMITTERS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Access = Callable[..., Awaitable[object]]


@pytest.fixture
def plant() -> Plant:
    running = Plant(load("healthy"), disarmed=True)
    for scan in range(1, 11):
        running.scan(0.02 * scan)
    return running


@pytest.fixture
def core(plant: Plant) -> SimCore:
    return SimCore(ModbusFace(plant, host="127.0.0.1", port=0)._device())


def test_registers_hold_what_the_instruments_present(plant: Plant) -> None:
    words = input_registers(plant.state)
    for transmitter, measured in zip(
        TRANSMITTERS, plant.state.transmitters, strict=True
    ):
        assert words[transmitter.register] == measured.presented.counts
    assert words[14] == plant.state.plc.scan_count == 10
    hours = struct.unpack(">f", struct.pack(">HH", *words[10:12]))[0]
    assert hours == pytest.approx(plant.state.hours_run, rel=1e-6)


async def test_a_read_is_live(core: SimCore, plant: Plant) -> None:
    first = await core.async_getValues(DEVICE_ID, 4, 14, 1)
    plant.scan(0.24)
    second = await core.async_getValues(DEVICE_ID, 4, 14, 1)
    assert (first, second) == ([10], [11])


async def test_discrete_inputs_and_coils_show_the_plc(core: SimCore) -> None:
    inputs = await core.async_getValues(DEVICE_ID, 2, 0, 4)
    assert inputs == [True, True, True, True]
    assert await core.async_getValues(DEVICE_ID, 1, 0, 4) == [False, False, False, True]


async def test_written_coils_reach_the_memory(core: SimCore, plant: Plant) -> None:
    assert await core.async_setValues(DEVICE_ID, 5, 0, [True]) is None
    assert plant.memory.inputs() == PlcInputs(
        run_permit_request=True, maintenance_disarm=True
    )
    assert await core.async_setValues(DEVICE_ID, 15, 0, [False, True, True]) is None
    assert plant.memory.inputs() == PlcInputs(
        start=True, stop=True, maintenance_disarm=True
    )


async def test_written_registers_reach_the_memory(core: SimCore, plant: Plant) -> None:
    assert await core.async_setValues(DEVICE_ID, 16, 0, [77, 2_000]) is None
    assert (plant.memory.heartbeat, plant.memory.watchdog_ms) == (77, 2_000)
    assert await core.async_getValues(DEVICE_ID, 3, 0, 2) == [77, 2_000]


async def test_a_value_the_plc_refuses_is_an_exception(core: SimCore) -> None:
    refused = await core.async_setValues(DEVICE_ID, 6, 1, [10])
    assert refused is ExcCodes.ILLEGAL_VALUE
    assert await core.async_getValues(DEVICE_ID, 3, 1, 1) == [1_000]


@pytest.mark.parametrize(
    ("function", "address", "count"),
    [(1, 7, 1), (2, 7, 1), (3, 2, 1), (3, 1, 2), (4, 15, 1)],
)
async def test_there_is_nothing_beyond_the_map(
    core: SimCore, function: int, address: int, count: int
) -> None:
    answer = await core.async_getValues(DEVICE_ID, function, address, count)
    assert answer is ExcCodes.ILLEGAL_ADDRESS


@pytest.mark.parametrize(("function", "address"), [(5, 7), (6, 2), (6, 9)])
async def test_what_is_not_writable_is_refused(
    core: SimCore, function: int, address: int
) -> None:
    values = [True] if function == 5 else [1]
    answer = await core.async_setValues(DEVICE_ID, function, address, values)
    assert answer is ExcCodes.ILLEGAL_ADDRESS
