"""One Modbus device: what may be read of it and written to it. Numpy-free."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import TYPE_CHECKING

from appliance.domain.ports import SourceUnavailableError
from connectors.modbus.permits import (
    READING,
    WRITE_COIL,
    WRITE_REGISTER,
    WRITE_REGISTERS,
)
from connectors.modbus.registers import Table
from connectors.modbus.replies import REFUSAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.modbus.config import Device
    from connectors.modbus.line import Line
    from connectors.modbus.planner import Block

ILLEGAL_ADDRESS = 2

_STATUS_OF_EXCEPTION = {
    1: 0x803D_0000,  # illegal function: BadNotSupported
    2: 0x8034_0000,  # illegal data address: BadNodeIdUnknown
    3: 0x80AB_0000,  # illegal data value: BadInvalidArgument
    4: 0x808B_0000,  # server device failure: BadDeviceFailure
    5: 0x8004_0000,  # acknowledge (still working on it): BadResourceUnavailable
    6: 0x8004_0000,  # server device busy: BadResourceUnavailable
    8: 0x808B_0000,  # memory parity error: BadDeviceFailure
    10: 0x8031_0000,  # gateway path unavailable: BadNoCommunication
    11: 0x8031_0000,  # gateway target failed to respond: BadNoCommunication
}
_STATUS_OF_ANY_OTHER = 0x8005_0000  # BadCommunicationError
_FUNCTIONS = {table: function for function, table in READING.items()}


class RefusedError(Exception):
    """The device answered with a Modbus exception; the connection is well."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code

    @property
    def status(self) -> int:
        """The exception in OPC UA numbering."""
        return _STATUS_OF_EXCEPTION.get(self.code, _STATUS_OF_ANY_OTHER)


class NoAnswerError(SourceUnavailableError):
    """This device gave no answer in time; the line may well serve the others."""


class Station:
    """A device on a line. `line.station(device)` makes it."""

    def __init__(self, line: Line, device: Device) -> None:
        self.line = line
        self.device = device

    async def read(self, block: Block) -> list[int]:
        """Return one number per address of the block: a register, or 0 or 1.

        Raises:
            RefusedError: The device refuses.
            NoAnswerError: It is silent.
            SourceUnavailableError: The connection is lost.
        """
        return list(await self.read_words(block))

    async def read_words(self, block: Block) -> array[int]:
        """Return the same as an array of 16 bits, which numpy takes as it lies."""
        table, count = block.table, block.count
        asked = struct.pack(">BHH", _FUNCTIONS[table], block.address, count)
        answer = await self._ask(asked)
        if table.of_bits:
            bits = (answer[2 + at // 8] >> at % 8 & 1 for at in range(count))
            return array("H", bits)
        words = array("H", answer[2:])
        if sys.byteorder == "little":
            words.byteswap()
        return words

    async def write(self, table: Table, address: int, words: Sequence[int]) -> None:
        """Write one coil, or one or more holding registers, if that is permitted.

        Raises:
            NotPermittedError: The configuration does not list it.
            RefusedError: The device refuses.
            NoAnswerError: It is silent.
            SourceUnavailableError: The connection is lost.
        """
        if table is Table.COIL:
            asked = struct.pack(">BHH", WRITE_COIL, address, 0xFF00 if words[0] else 0)
        elif len(words) == 1:
            asked = struct.pack(">BHH", WRITE_REGISTER, address, words[0])
        else:
            count = len(words)
            head = struct.pack(">BHHB", WRITE_REGISTERS, address, count, 2 * count)
            asked = head + struct.pack(f">{count}H", *words)
        await self._ask(asked)

    async def _ask(self, asked: bytes) -> bytes:
        answer = await self.line.ask(self.device, asked)
        if answer[0] & REFUSAL:
            raise RefusedError(answer[1])
        return answer
