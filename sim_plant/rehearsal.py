"""A story in virtual time: a plant, a gateway that beats, a finger on the panel.

Tests and benchmarks get minutes of plant in a fraction of a second, without a socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sim_plant.plc import SCAN_PERIOD_S

if TYPE_CHECKING:
    from sim_plant.plant import Burst, Plant
    from sim_plant.truth import TruthEntry

_SCANS_PER_BEAT = 10
_ARMED_AT_S = 1.0
_UINT16 = 0x1_0000


class Rehearsal:
    """Scans a plant every 20 ms of plant time; keeps its truth and its bursts."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.lines: list[TruthEntry] = list(plant.opening())
        self.bursts: list[Burst] = []
        self.beating = True
        self._scans = 0

    def until(self, t_s: float) -> Self:
        """Go on to a plant time."""
        while (self._scans + 1) * SCAN_PERIOD_S <= t_s + 1e-9:
            self._scans += 1
            if self.beating and self._scans % _SCANS_PER_BEAT == 0:
                self.plant.memory.heartbeat = self._scans // _SCANS_PER_BEAT % _UINT16
            self.lines += self.plant.scan(self._scans * SCAN_PERIOD_S)
            burst = self.plant.take_burst()
            if burst is not None:
                self.bursts.append(burst)
        return self

    def started_at(self, t_s: float) -> Self:
        """Arm after a second, go on to a plant time, press the start button."""
        self.until(_ARMED_AT_S)
        self.plant.memory.run_permit_request = True
        self.until(t_s)
        self.plant.memory.start = True
        return self

    def times(self, kind: str) -> list[float]:
        """When the truth log got lines of a kind."""
        return [line.t_s for line in self.lines if line.kind == kind]
