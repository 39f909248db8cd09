from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu.bit_message import ReadCoilsResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse

from appliance.domain.ports import SourceUnavailableError
from connectors.modbus.planner import Block
from connectors.modbus.registers import Table
from connectors.modbus.station import Station

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.modbus.config import ModbusSettings


async def station_of(modbus: Callable[..., ModbusSettings]) -> Station:
    return Station(AsyncModbusTcpClient("192.0.2.1"), modbus())


async def test_an_answer_of_another_length_is_no_answer(
    modbus: Callable[..., ModbusSettings],
) -> None:
    station = await station_of(modbus)
    short = ReadHoldingRegistersResponse(registers=[1])
    with pytest.raises(SourceUnavailableError, match="1 values answered to 2 asked"):
        station._numbers(short, Block(Table.HOLDING, 0, 2, (0,)))


async def test_the_padding_of_bits_is_cut_off(
    modbus: Callable[..., ModbusSettings],
) -> None:
    station = await station_of(modbus)
    padded = ReadCoilsResponse(bits=[True, False, True, *[False] * 5])
    assert station._numbers(padded, Block(Table.COIL, 0, 3, (0,))) == [1, 0, 1]


async def test_what_is_not_connected_is_unavailable(
    modbus: Callable[..., ModbusSettings],
) -> None:
    station = await station_of(modbus)
    with pytest.raises(SourceUnavailableError, match="is lost"):
        await station.read(Block(Table.COIL, 0, 3, (0,)))
    with pytest.raises(SourceUnavailableError, match="is lost"):
        await station.write(Table.HOLDING, 0, [1, 2])
    await station.leave()


async def test_a_cancellation_in_the_turn_of_the_answer_is_not_lost(
    modbus: Callable[..., ModbusSettings],
) -> None:
    station = await station_of(modbus)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[ReadCoilsResponse] = loop.create_future()

    async def ask() -> None:
        await station._answer(asyncio.wait_for(answer, timeout=60))

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask(), name="test.ask")
        await asyncio.sleep(0)
        answer.set_result(ReadCoilsResponse(bits=[True]))
        asking.cancel()
    assert asking.cancelled()
