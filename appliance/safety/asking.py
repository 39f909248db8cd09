"""The point by which the PLC is asked to keep the machine running without us."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from appliance.domain.ports import OutputFailedError

if TYPE_CHECKING:
    from appliance.config import MaintenanceSettings
    from appliance.domain.ports import Output

log = logging.getLogger(__name__)

WITHIN_S = 0.25
"""So long may a write take: a stop on the same connection waits for it at most."""


class RequestWriter:
    """Keeps the maintenance point at what the last scan ordered; ordering never waits.

    One attempt per scan, and none any more once a write is proved.
    """

    def __init__(self, settings: MaintenanceSettings, output: Output) -> None:
        self._point = settings.request
        self._output = output
        self._ordered: bool | None = None
        self._proved: bool | None = None
        self._failing = False
        self._wake = asyncio.Event()

    def order(self, request: bool | None) -> None:  # noqa: FBT001 - None leaves it
        """Say what the point shall be from now on; None: leave it as it is."""
        self._ordered = request
        if request is None:
            self._proved = None  # whoever has it meanwhile may change it
        elif request is not self._proved:
            self._wake.set()

    async def run(self) -> None:
        """Write what is ordered, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._ordered is not None and self._ordered is not self._proved:
                await self._write(request=self._ordered)

    async def _write(self, *, request: bool) -> None:
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._output.write(
                    self._point, float(request), deadline_s=WITHIN_S
                )
        except (OutputFailedError, TimeoutError) as error:
            if not self._failing:
                log.warning("%s cannot be written: %s", self._point, error)
            self._failing, self._proved = True, None
            return
        self._failing, self._proved = False, request
