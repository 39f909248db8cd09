from __future__ import annotations

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
