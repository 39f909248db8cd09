"""A serial port without hardware: a pseudo-terminal whose far end is a TCP port."""

from __future__ import annotations

import asyncio
import os
import tty
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.contract.wires import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path


class SerialLine(asyncio.Protocol):
    """Passes bytes between the port at `path` and a TCP port, which is the bus."""

    def __init__(self, path: Path, bus_port: int) -> None:
        self.path = path
        self._bus_port = bus_port
        self._ours = -1
        self._theirs = -1
        self._bus: asyncio.Transport | None = None

    async def plug_in(self) -> None:
        """Let the port appear."""
        loop = asyncio.get_running_loop()
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self._bus, _ = await loop.create_connection(
            lambda: self, LOOPBACK, self._bus_port
        )
        loop.add_reader(self._ours, self._pass_on)
        self.path.symlink_to(os.ttyname(self._theirs))

    def unplug(self) -> None:
        """Let the port disappear, as an adapter does that is pulled out."""
        if self._ours < 0:
            return
        self.path.unlink()
        asyncio.get_running_loop().remove_reader(self._ours)
        for end in (self._ours, self._theirs):
            os.close(end)
        self._ours = self._theirs = -1
        if self._bus is not None:
            self._bus.abort()

    def data_received(self, data: bytes) -> None:
        with suppress(BlockingIOError, OSError):
            os.write(self._ours, data)

    def _pass_on(self) -> None:
        with suppress(BlockingIOError, OSError):
            passed = os.read(self._ours, 4096)
            if self._bus is not None:
                self._bus.write(passed)
