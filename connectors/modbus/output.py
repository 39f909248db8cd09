"""Write the listed points of a Modbus device, and prove what was written."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from appliance.domain.ports import OutputFailedError, SourceUnavailableError
from appliance.runtime.lifeline import Lifeline
from connectors.modbus.permits import NotPermittedError
from connectors.modbus.planner import Block
from connectors.modbus.registers import UnencodableError
from connectors.modbus.sharing import line_of
from connectors.modbus.station import RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from appliance.domain.ports import Clock
    from connectors.modbus.config import ModbusSettings, PointSettings

_ATTEMPTS = 2  # on the connection that was there, then once on a new one


class ModbusOutput:
    """Writes points and reads them back. What is not in `points` it cannot write."""

    def __init__(self, settings: ModbusSettings, clock: Clock) -> None:
        self._settings = settings
        self._points = {point.name: point for point in settings.points}
        self._one_at_a_time = asyncio.Lock()
        self._lifeline = Lifeline(
            partial(line_of, settings, clock), name=f"{settings.name}.output"
        )

    @property
    def name(self) -> str:
        """Name used in logs and the configuration."""
        return self._settings.name

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Begin to connect; never fails because the device is away."""
        async with self._lifeline.open():
            yield

    async def write(self, point: str, value: float, *, deadline_s: float) -> None:
        """Write a configured point (engineering units) and read it back.

        Raises:
            OutputFailedError: Refused, lost, late, or read back differently.
        """
        settings = self._points.get(point)
        if settings is None:
            known = ", ".join(self._points) or "none"
            raise OutputFailedError(
                f"no point {point!r} may be written; known: {known}"
            )
        words = _words(settings, value)
        try:
            async with asyncio.timeout(deadline_s), self._one_at_a_time:
                await self._write_and_prove(settings, words)
        except TimeoutError as error:
            raise OutputFailedError(f"{point}: late") from error
        except RefusedError as error:
            raise OutputFailedError(f"{point}: refused: {error}") from error
        except NotPermittedError as error:
            raise OutputFailedError(f"{point}: not permitted: {error}") from error
        except SourceUnavailableError as error:
            raise OutputFailedError(f"{point}: lost: {error}") from error

    async def _write_and_prove(
        self, point: PointSettings, words: Sequence[int]
    ) -> None:
        place, device = point.place, self._settings.device_of(point)
        for attempt in range(_ATTEMPTS):
            line = await self._lifeline.connection()
            station = line.station(device)
            try:
                await station.write(place.table, place.address, words)
                read_back = await station.read(_block(point))
            except SourceUnavailableError:
                self._lifeline.drop()
                if attempt + 1 == _ATTEMPTS:
                    raise
            else:
                break
        if list(read_back) != list(words):
            raise OutputFailedError(
                f"{point.name}: wrote {list(words)}, read back {read_back}"
            )


def _words(point: PointSettings, value: float) -> tuple[int, ...]:
    try:
        return point.words_of(value)
    except UnencodableError as error:
        raise OutputFailedError(f"{point.name}: {error}") from error


def _block(point: PointSettings) -> Block:
    place = point.place
    return Block(place.table, place.address, place.count, rows=(0,))
