"""Defect frequencies of a rolling bearing, from its geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


class DefectFrequencies(NamedTuple):
    """Where damage shows in an envelope spectrum, in Hz."""

    bpfo: float
    """Balls passing a point of the outer race."""
    bpfi: float
    """Balls passing a point of the inner race."""
    bsf: float
    """Turns of one ball about itself."""
    ftf: float
    """Turns of the cage."""


@dataclass(frozen=True, slots=True)
class BearingGeometry:
    """What the bearing's data sheet says; the outer race stands still."""

    balls: int
    ball_diameter_mm: float
    pitch_diameter_mm: float
    contact_angle_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.balls < 1 or not 0 < self.ball_diameter_mm < self.pitch_diameter_mm:
            raise ValueError("needs balls, and 0 < ball diameter < pitch diameter")

    def frequencies(self, speed_rpm: float) -> DefectFrequencies:
        """Return the defect frequencies at a shaft speed, for pure rolling."""
        shaft_hz = speed_rpm / 60.0
        angle_rad = math.radians(self.contact_angle_deg)
        ratio = self.ball_diameter_mm / self.pitch_diameter_mm * math.cos(angle_rad)
        spin = self.pitch_diameter_mm / (2.0 * self.ball_diameter_mm)
        return DefectFrequencies(
            bpfo=self.balls / 2.0 * shaft_hz * (1.0 - ratio),
            bpfi=self.balls / 2.0 * shaft_hz * (1.0 + ratio),
            bsf=spin * shaft_hz * (1.0 - ratio * ratio),
            ftf=shaft_hz / 2.0 * (1.0 - ratio),
        )
