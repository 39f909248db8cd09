"""De-energise to stop: keep one final element at what the last scan ordered."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from appliance.domain.ports import OutputFailedError
from appliance.safety.latch import Report

if TYPE_CHECKING:
    from appliance.config import ElementSettings
    from appliance.domain.ports import Clock, Output
    from appliance.safety.logic import Order

log = logging.getLogger(__name__)

ATTEMPTS = 3
"""Writes of the run point per scan that fails to prove it."""
GRACE_S = 0.02
"""How long another write under way may hold up a stop before it is cut off."""
PROOF_BEATS = 3
"""So many beats of a life prove to the PLC that it lives."""
REFRESH_S = 1.0
"""How often a standing stop is written again; a permit is written once."""
_HEARTBEATS = 0x1_0000


class ElementWriter:
    """Writes the run point and the heartbeat of an element, and reads them back.

    Ordering never waits. The run point goes before the heartbeat, a stop before all.
    A heartbeat that finds the last one still under way is left out.
    """

    def __init__(
        self, element: ElementSettings, output: Output, *, clock: Clock
    ) -> None:
        self._element = element
        self._output = output
        self._clock = clock
        self._deadline_s = element.write_within_s
        self._ordered: Order | None = None
        self._point: bool | None = None
        self._proved_at_s = 0.0
        self._attempts = 0
        self._refresh = False
        self._beat = False
        self._beats = 0
        self._proofs = 0
        self._written = True
        self._wake = asyncio.Event()
        self._patience: asyncio.Timeout | None = None

    @property
    def report(self) -> Report:
        """What is known of the element now."""
        return Report(point=self._point, written=self._written)

    @property
    def heartbeat(self) -> int:
        """The number last beaten."""
        return self._beats

    @property
    def has_beaten(self) -> bool:
        """Whether the PLC can have seen that this life beats."""
        return self._element.heartbeat is None or self._proofs >= PROOF_BEATS

    def order(self, order: Order) -> None:
        """Say what the element shall be told from now on."""
        changed = self._ordered is None or self._ordered.may_run != order.may_run
        age_s = self._clock.now_s() - self._proved_at_s
        self._ordered = order
        self._attempts = 0
        self._refresh = not order.may_run and age_s >= REFRESH_S
        self._beat = order.beat and self._element.heartbeat is not None
        if changed and not order.may_run and self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + GRACE_S)
        self._wake.set()

    def stand_down(self) -> None:
        """Write nothing any more, and forget what was proved: the mode is observe."""
        self._ordered = None
        self._point = None
        self._written = True

    async def run(self) -> None:
        """Write what is ordered, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._ordered is not None and await self._advance(self._ordered):
                pass

    async def _advance(self, order: Order) -> bool:
        """Do the most urgent write; say whether there may be another."""
        if self._point is not order.may_run or self._refresh:
            if self._attempts == ATTEMPTS:
                return False
            self._attempts += 1
            await self._write_point(may_run=order.may_run)
            return True
        if self._beat and self._element.heartbeat is not None:
            self._beat = False
            self._beats = (self._beats + 1) % _HEARTBEATS
            if await self._write(self._element.heartbeat, float(self._beats)):
                self._proofs = min(PROOF_BEATS, self._proofs + 1)
        return False

    async def _write_point(self, *, may_run: bool) -> None:
        proved = await self._write(self._element.point, float(may_run))
        self._point = may_run if proved else None
        if proved:
            self._refresh = False
            self._proved_at_s = self._clock.now_s()

    async def _write(self, point: str, value: float) -> bool:
        deadline_s = self._deadline_s
        try:
            async with asyncio.timeout(deadline_s) as self._patience:
                await self._output.write(point, value, deadline_s=deadline_s)
        except (OutputFailedError, TimeoutError) as error:
            self._note(written=False, why=f"{point}: {error}")
            return False
        finally:
            self._patience = None
        self._note(written=True, why="")
        return True

    def _note(self, *, written: bool, why: str) -> None:
        if self._written and not written:
            log.warning("element %s cannot be written: %s", self._element.id, why)
        elif written and not self._written:
            log.info("element %s can be written again", self._element.id)
        self._written = written
