"""Severity zones of overall vibration velocity: A as new … D damaging.

The boundaries are facts of two standards, in mm/s RMS in 10-1000 Hz on bearing
housings: ISO 20816-3:2022, annex A (machines above 15 kW; group 1 above 300 kW,
group 2 up to it) and ISO 10816-7:2009, annex A (rotodynamic pumps; category I needs
high reliability). A machine's own standard or maker goes before them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Standard: TypeAlias = Literal["20816-3", "10816-7"]
Mounting: TypeAlias = Literal["rigid", "flexible"]
Category: TypeAlias = Literal["I", "II"]

LARGE_KW = 300.0
"""ISO 20816-3: above it a machine is of group 1."""
LARGE_PUMP_KW = 200.0
"""ISO 10816-7: above it the higher boundaries hold."""
ZONES = "ABCD"


class Boundaries(NamedTuple):
    """Velocity RMS in mm/s where a zone ends and the next begins."""

    a_b: float
    b_c: float
    c_d: float


_MACHINES: dict[tuple[int, Mounting], Boundaries] = {
    (1, "rigid"): Boundaries(2.3, 4.5, 7.1),
    (1, "flexible"): Boundaries(3.5, 7.1, 11.0),
    (2, "rigid"): Boundaries(1.4, 2.8, 4.5),
    (2, "flexible"): Boundaries(2.3, 4.5, 7.1),
}
_PUMPS: dict[tuple[Category, bool], Boundaries] = {
    ("I", False): Boundaries(2.5, 4.0, 6.6),
    ("I", True): Boundaries(3.5, 5.0, 7.6),
    ("II", False): Boundaries(3.2, 5.1, 8.5),
    ("II", True): Boundaries(4.2, 6.1, 9.5),
}


@dataclass(frozen=True, slots=True)
class SeverityClass:
    """Which table a machine is judged by.

    `mounting` counts for ISO 20816-3 (a support is rigid if its first resonance lies a
    quarter above the running speed), `category` for ISO 10816-7.
    """

    standard: Standard
    power_kw: float
    mounting: Mounting = "rigid"
    category: Category = "II"

    @property
    def boundaries(self) -> Boundaries:
        """The three velocities between the zones."""
        if self.standard == "20816-3":
            group = 1 if self.power_kw > LARGE_KW else 2
            return _MACHINES[group, self.mounting]
        return _PUMPS[self.category, self.power_kw > LARGE_PUMP_KW]

    def zone(self, velocity_mm_s: float) -> str:
        """Return the zone, A to D, of a velocity; empty where it is not known."""
        if not math.isfinite(velocity_mm_s):
            return ""
        return ZONES[sum(velocity_mm_s > each for each in self.boundaries)]

    def __str__(self) -> str:
        """Return the table's name as a technician would quote it."""
        if self.standard == "20816-3":
            group = 1 if self.power_kw > LARGE_KW else 2
            return f"ISO 20816-3, group {group}, {self.mounting} support"
        size = "above" if self.power_kw > LARGE_PUMP_KW else "up to"
        return f"ISO 10816-7, category {self.category}, {size} {LARGE_PUMP_KW:.0f} kW"
