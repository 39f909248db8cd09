"""A wire in memory, with something on its other end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from connectors.modbus.line import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymodbus.transaction import TransactionManager

    from appliance.domain.ports import Clock
    from connectors.modbus.config import ModbusSettings

    Far = Callable[[bytes], Iterable[bytes]]


class Wire(asyncio.Transport):
    """Hands every frame to `far`, whose replies arrive in the next turn of the loop."""

    def __init__(self, far: Far) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False
        self._far = far
        self._loop = asyncio.get_running_loop()
        self._near: TransactionManager | None = None

    async def create(self, near: TransactionManager) -> tuple[Wire, TransactionManager]:
        self._near = near
        near.connection_made(self)
        return self, near

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))
        for reply in self._far(bytes(data)):
            self.arrive(reply)

    def arrive(self, reply: bytes) -> None:
        assert self._near is not None
        self._loop.call_soon(self._near.data_received, reply)

    def lose(self) -> None:
        assert self._near is not None
        self._near.connection_lost(None)

    def close(self) -> None:
        self.closed = True


async def line_on(
    far: Far, settings: ModbusSettings, clock: Clock
) -> tuple[Line, Wire]:
    """Return a line that is connected to `far`."""
    line, wire = Line(settings, clock), Wire(far)
    context = line._client.ctx
    context.call_create = lambda: wire.create(context)
    await line._open(listen_s=0.0)
    return line, wire
