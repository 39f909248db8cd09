"""One connection to one Modbus device: the only module that knows pymodbus.

Numpy-free, because safety uses it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException, ModbusIOException

from appliance.domain.ports import SourceUnavailableError
from appliance.runtime.tasks import insist_on_cancellation
from connectors.modbus.registers import Table

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from pymodbus.pdu import ModbusPDU

    from connectors.modbus.config import ModbusSettings
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


class RefusedError(Exception):
    """The device answered with a Modbus exception; the connection is well."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code

    @property
    def status(self) -> int:
        """The exception in OPC UA numbering."""
        return _STATUS_OF_EXCEPTION.get(self.code, _STATUS_OF_ANY_OTHER)


class Station:
    """A connected device, until it fails; then it stays failed: connect anew.

    A lost or cancelled request closes the connection, because its answer may still
    come and would be taken for the next one's.
    """

    def __init__(self, client: AsyncModbusTcpClient, settings: ModbusSettings) -> None:
        self._client = client
        self._device_id = settings.device_id
        self._timeout_s = settings.timeout_s
        self._where = f"{settings.host}:{settings.port}"

    @classmethod
    async def connect(cls, settings: ModbusSettings) -> Self:
        """Connect, without pymodbus's own retries and reconnection.

        Raises:
            SourceUnavailableError: Nobody answers within `timeout_s`.
        """
        client = AsyncModbusTcpClient(
            settings.host,
            port=settings.port,
            timeout=settings.timeout_s,
            retries=0,
            reconnect_delay=0,
        )
        try:
            connected = await client.connect()
            insist_on_cancellation()
        except BaseException:
            client.close()
            raise
        if not connected:
            client.close()
            raise SourceUnavailableError(
                f"no connection to {settings.host}:{settings.port}"
            )
        return cls(client, settings)

    def close(self) -> None:
        """Close the connection; what was being asked is not answered any more."""
        self._client.close()

    async def leave(self) -> None:
        """Close the connection: Modbus knows no goodbye."""
        self.close()

    async def read(self, block: Block) -> list[int]:
        """Return one number per address of the block: a register, or 0 or 1.

        Raises:
            RefusedError: The device refuses.
            SourceUnavailableError: The connection is lost or the answer is no answer.
        """
        client = self._connected()
        start, count, device_id = block.address, block.count, self._device_id
        match block.table:
            case Table.COIL:
                pending = client.read_coils(start, count=count, device_id=device_id)
            case Table.DISCRETE:
                pending = client.read_discrete_inputs(
                    start, count=count, device_id=device_id
                )
            case Table.HOLDING:
                pending = client.read_holding_registers(
                    start, count=count, device_id=device_id
                )
            case Table.INPUT:
                pending = client.read_input_registers(
                    start, count=count, device_id=device_id
                )
        return self._numbers(await self._answer(pending), block)

    async def write(self, table: Table, address: int, words: Sequence[int]) -> None:
        """Write one coil, or one or more holding registers.

        Raises:
            RefusedError: The device refuses.
            SourceUnavailableError: The connection is lost or the answer is no answer.
        """
        client, device_id = self._connected(), self._device_id
        if table is Table.COIL:
            pending = client.write_coil(address, bool(words[0]), device_id=device_id)
        elif len(words) == 1:
            pending = client.write_register(address, words[0], device_id=device_id)
        else:
            pending = client.write_registers(address, list(words), device_id=device_id)
        await self._answer(pending)

    def _connected(self) -> AsyncModbusTcpClient:
        if not self._client.connected:
            raise SourceUnavailableError(f"{self._where}: the connection is lost")
        return self._client

    async def _answer(self, pending: Awaitable[ModbusPDU]) -> ModbusPDU:
        try:
            answer = await pending
            insist_on_cancellation()
        except ModbusIOException as error:
            self.close()
            raise SourceUnavailableError(
                f"{self._where}: no fitting answer within {self._timeout_s:g} s"
            ) from error
        except (ModbusException, OSError) as error:
            self.close()
            raise SourceUnavailableError(f"{self._where}: {error}") from error
        except asyncio.CancelledError:
            self.close()
            raise
        if answer.isError():
            raise RefusedError(answer.exception_code)
        return answer

    def _numbers(self, answer: ModbusPDU, block: Block) -> list[int]:
        if block.table.of_bits:
            # The last byte of an answer is filled up with zeros.
            bits, padding = [int(bit) for bit in answer.bits], -block.count % 8
            complete = len(bits) in (block.count, block.count + padding)
            numbers = bits[: block.count]
        else:
            numbers = list(answer.registers)
            complete = len(numbers) == block.count
        if not complete:
            self.close()
            raise SourceUnavailableError(
                f"{self._where}: {len(numbers)} values answered to {block.count} asked"
            )
        return numbers
