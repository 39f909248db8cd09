"""One line for the reader and the output of a source, where there can be only one.

A serial port has one master, and some devices take one socket. Numpy-free.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from connectors.modbus.config import SAFETY_CONNECTIONS
from connectors.modbus.line import Line

if TYPE_CHECKING:
    from appliance.domain.ports import Clock
    from connectors.modbus.config import Device, ModbusSettings
    from connectors.modbus.station import Station


class Lease:
    """A share in a line. To close it closes the line, for everybody: it is lost."""

    def __init__(self, shared: _Shared, line: Line) -> None:
        self._shared = shared
        self._line = line

    @property
    def connected(self) -> bool:
        """Whether anything can be asked."""
        return self._line.connected

    def station(self, device: Device) -> Station:
        """Return a device on the line."""
        return self._line.station(device)

    def close(self) -> None:
        """Close the line; who shares it will connect anew."""
        self._shared.drop(self, self._line)

    async def leave(self) -> None:
        """Give the share back; the last one closes the line."""
        self._shared.give_back(self, self._line)


AnyLine: TypeAlias = Line | Lease


async def line_of(settings: ModbusSettings, clock: Clock) -> AnyLine:
    """Connect, or take a share in the line that is there.

    Raises:
        SourceUnavailableError: Nobody answers within `timeout_s`.
    """
    accepts = settings.accepts or SAFETY_CONNECTIONS
    if not settings.is_serial and accepts >= SAFETY_CONNECTIONS:
        return await Line.connect(settings, clock)
    shared = _SHARED.setdefault(id(settings), _Shared(settings))
    return await shared.lease(clock)


class _Shared:
    """The line of one source, and who has a share in it."""

    def __init__(self, settings: ModbusSettings) -> None:
        self._settings = settings  # keeps the key in `_SHARED` from being reused
        self._connecting = asyncio.Lock()
        self._line: Line | None = None
        self._leases: set[Lease] = set()

    async def lease(self, clock: Clock) -> Lease:
        try:
            async with self._connecting:
                if self._line is None or not self._line.connected:
                    self._line = await Line.connect(self._settings, clock)
                lease = Lease(self, self._line)
                self._leases.add(lease)
                return lease
        finally:
            self._forget_if_unused()

    def drop(self, lease: Lease, line: Line) -> None:
        line.close()
        self._leases.discard(lease)
        self._forget_if_unused()

    def give_back(self, lease: Lease, line: Line) -> None:
        self._leases.discard(lease)
        if not self._leases:
            line.close()
        self._forget_if_unused()

    def _forget_if_unused(self) -> None:
        if not self._leases and not self._connecting.locked():
            _SHARED.pop(id(self._settings), None)


_SHARED: dict[int, _Shared] = {}
"""By settings, which a reader and an output of one source have in common."""
