"""Model demands, handed to safety: rows of the matrix declared `source = "model"`.

Absent, stale or bad is no demand, so what cannot be sent is not kept: safety raises
the alarm by itself. Nothing else of the hub can reach safety's logic.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.sample import Quality
from appliance.domain.tag import TagId
from appliance.link.client import LinkLostError, LinkRefusedError, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from appliance.config import InitiatorSettings
    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from appliance.link.client import LinkClient

log = logging.getLogger(__name__)

RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Demand:
    """The value of a model's row, as old as its source says."""

    row: str
    source_time_ns: int
    value: float


class Demands:
    """Sends the newest good value of each model's row. Queue of one per row: NEWEST."""

    def __init__(
        self,
        initiators: Sequence[InitiatorSettings],
        numbers: Mapping[TagId, int],
        safety_socket: Path,
        *,
        clock: Clock,
    ) -> None:
        self._rows = {
            numbers[TagId(row.tag)]: row.id
            for row in initiators
            if row.source == "model" and row.tag is not None
        }
        self._socket = safety_socket
        self._clock = clock
        self._newest: dict[str, Demand] = {}
        self._wake = asyncio.Event()
        self._lost = False

    def offer(self, batch: Batch) -> None:
        """Take note of the rows that are demands."""
        if batch.historical:
            return
        for number, row in self._rows.items():
            for place in np.flatnonzero(batch.tag == number).tolist():
                if batch.quality[place] == Quality.GOOD:
                    self._newest[row] = Demand(
                        row, int(batch.source_time_ns[place]), float(batch.value[place])
                    )
                    self._wake.set()

    async def run(self) -> None:
        """Send until cancelled; returns at once where no row is a model's."""
        while self._rows:
            try:
                async with connect(self._socket, process="hub") as link:
                    self._newest.clear()  # what waited for safety is late
                    async for demand in self._waiting():
                        await self._send(link, demand)
            except LinkLostError as error:
                if not self._lost:
                    log.warning("model demands cannot be sent: %s", error)
                self._lost = True
            await self._clock.sleep(RETRY_S)

    async def _send(self, link: LinkClient, demand: Demand) -> None:
        try:
            await link.request(
                "demand",
                row=demand.row,
                source_time_ns=demand.source_time_ns,
                value=demand.value,
            )
        except LinkRefusedError as error:
            log.warning("safety refuses the demand of %s: %s", demand.row, error)
            return
        if self._lost:
            log.info("model demands are sent again")
        self._lost = False

    async def _waiting(self) -> AsyncIterator[Demand]:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for row in tuple(self._newest):
                yield self._newest.pop(row)
