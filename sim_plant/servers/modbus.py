"""Modbus TCP, device 1: the live register image of the plant."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Self

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from sim_plant.instruments import register_word
from sim_plant.listening import stop_listening
from sim_plant.memory import COILS, HOLDING_REGISTERS, OutOfRangeError
from sim_plant.tags import HOURS_REGISTER, SCAN_REGISTER, TRANSMITTERS

if TYPE_CHECKING:
    from types import TracebackType

    from sim_plant.plant import Plant, PlantState

DEVICE_ID = 1
INPUT_REGISTERS = SCAN_REGISTER + 1
DISCRETE_INPUTS = (
    "running",
    "run_permit",
    "watchdog_tripped",
    "disarmed",
    "maintenance_granted",
    "flush_valve_open",
)
_READ_COILS, _READ_DISCRETE, _READ_INPUT = 1, 2, 4
_WRITE_COIL, _WRITE_COILS = 5, 15


def input_registers(state: PlantState) -> list[int]:
    """All input registers, in address order, as the instruments present them now."""
    words = [0] * INPUT_REGISTERS
    for transmitter, measured in zip(TRANSMITTERS, state.transmitters, strict=True):
        words[transmitter.register] = register_word(transmitter, measured.presented)
    hours = struct.unpack(">HH", struct.pack(">f", state.hours_run))
    words[HOURS_REGISTER : HOURS_REGISTER + 2] = hours
    words[SCAN_REGISTER] = state.plc.scan_count
    return words


def discrete_inputs(state: PlantState) -> list[bool]:
    """All discrete inputs, in address order."""
    return [bool(getattr(state.plc, name)) for name in DISCRETE_INPUTS]


class ModbusFace:
    """Serves a plant by Modbus TCP while entered; `port` is then the port in use.

    `failure` is the exception with which input registers are answered, if any.
    """

    def __init__(self, plant: Plant, *, host: str, port: int) -> None:
        self.port = port
        self.failure: ExcCodes | None = None
        self._plant = plant
        self._host = host
        self._server: ModbusTcpServer | None = None

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: The port cannot be had.
        """
        self._server = ModbusTcpServer(self._device(), address=(self._host, self.port))
        try:
            await self._server.serve_forever(background=True)
        except RuntimeError as error:
            raise OSError(f"modbus port {self.port} cannot be had") from error
        # The library annotates a transport; a listening one is asyncio's server.
        listener: object = self._server.transport
        assert isinstance(listener, asyncio.Server)
        self.port = listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up and stop listening."""
        if self._server is None:
            return
        listener: object = self._server.transport
        if isinstance(listener, asyncio.Server):
            await stop_listening(listener)
        await self._server.shutdown()  # type: ignore[no-untyped-call] # pymodbus has none

    def _device(self) -> SimDevice:
        def block(count: int) -> list[SimData]:
            return [SimData(0, count=count, values=0, datatype=DataType.REGISTERS)]

        def bits(count: int) -> list[SimData]:
            return [SimData(0, values=[False] * count, datatype=DataType.BITS)]

        return SimDevice(
            DEVICE_ID,
            simdata=(
                bits(len(COILS)),
                bits(len(DISCRETE_INPUTS)),
                block(len(HOLDING_REGISTERS)),
                block(INPUT_REGISTERS),
            ),
            action=self._access,
        )

    async def _access(
        self,
        function: int,
        _start: int,
        address: int,
        _count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Refresh what is about to be read; pass on what is written.

        pymodbus keeps sixteen bits to a register and does not say how many are read:
        bits asked for beyond the last one read 0, alone they do not exist.
        """
        if function in (_READ_COILS, _READ_DISCRETE, _WRITE_COIL, _WRITE_COILS):
            last = address + (1 if written is None else len(written))
            if last > len(COILS):
                return ExcCodes.ILLEGAL_ADDRESS
        if function == _READ_INPUT and self.failure is not None:
            return self.failure
        if written is not None:
            return self._write(function, address, written)
        registers[:-1] = self._image(function)
        return None

    def _image(self, function: int) -> list[int]:
        if function == _READ_COILS:
            return [_pack([bool(self._plant.memory.read(name)) for name in COILS])]
        if function == _READ_DISCRETE:
            return [_pack(discrete_inputs(self._plant.state))]
        if function == _READ_INPUT:
            return input_registers(self._plant.state)
        return [self._plant.memory.read(name) for name in HOLDING_REGISTERS]

    def _write(
        self, function: int, address: int, written: list[int] | list[bool]
    ) -> ExcCodes | None:
        coils = function in (_WRITE_COIL, _WRITE_COILS)
        names = COILS if coils else HOLDING_REGISTERS
        try:
            for name, value in zip(names[address:], written, strict=False):
                self._plant.memory.write(name, value)
        except OutOfRangeError:
            return ExcCodes.ILLEGAL_VALUE
        return None


def _pack(bits: list[bool]) -> int:
    return sum(1 << index for index, bit in enumerate(bits) if bit)
