"""Defect frequencies of a rolling bearing, from its geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Defect(StrEnum):
    """Which part of the bearing is damaged."""

    OUTER_RACE = "outer_race"
    INNER_RACE = "inner_race"
    BALL = "ball"
    CAGE = "cage"


@dataclass(frozen=True, slots=True)
class BearingGeometry:
    """The four numbers that fix every defect frequency.

    The formulas are kinematics (rolling without slip, outer ring at rest), as in
    ISO 13373-3 and any bearing catalogue; a real bearing slips by 1 to 2 %.
    """

    balls: int
    ball_diameter_mm: float
    pitch_diameter_mm: float
    contact_angle_deg: float = 0.0

    @property
    def _ratio(self) -> float:
        angle = math.radians(self.contact_angle_deg)
        return self.ball_diameter_mm / self.pitch_diameter_mm * math.cos(angle)

    @property
    def ftf_orders(self) -> float:
        """Fundamental train (cage) frequency, in multiples of the shaft's."""
        return 0.5 * (1.0 - self._ratio)

    @property
    def bpfo_orders(self) -> float:
        """Ball pass frequency of the outer race, in multiples of the shaft's."""
        return self.balls * self.ftf_orders

    @property
    def bpfi_orders(self) -> float:
        """Ball pass frequency of the inner race, in multiples of the shaft's."""
        return 0.5 * self.balls * (1.0 + self._ratio)

    @property
    def bsf_orders(self) -> float:
        """Ball spin frequency, in multiples of the shaft's."""
        diameters = self.pitch_diameter_mm / self.ball_diameter_mm
        return 0.5 * diameters * (1.0 - self._ratio**2)

    def impact_orders(self, defect: Defect) -> float:
        """Impacts per shaft turn; a damaged ball strikes both races."""
        match defect:
            case Defect.OUTER_RACE:
                return self.bpfo_orders
            case Defect.INNER_RACE:
                return self.bpfi_orders
            case Defect.BALL:
                return 2.0 * self.bsf_orders
            case Defect.CAGE:
                return self.ftf_orders

    def modulation_orders(self, defect: Defect) -> float:
        """How often per turn the damage passes the load zone; 0 = it stays there."""
        match defect:
            case Defect.OUTER_RACE:
                return 0.0
            case Defect.INNER_RACE:
                return 1.0
            case Defect.BALL | Defect.CAGE:
                return self.ftf_orders


#: Deep-groove ball bearing of the 6311 series (55 x 120 x 29 mm): 8 balls of 20.64 mm
#: on a pitch circle of 87.5 mm.
DRIVE_END = BearingGeometry(balls=8, ball_diameter_mm=20.64, pitch_diameter_mm=87.5)
