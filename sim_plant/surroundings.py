"""What the skid is told and what it stands in: the process, and the air."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sim_plant.motor import AMBIENT_DEGC

_S_PER_DAY, _DAYS_PER_YEAR = 86_400.0, 365.25


@dataclass(frozen=True, slots=True)
class Process:
    """What the process asks of the skid: where V-101 stands, and how it wanders."""

    valve_pct: float = 65.0
    swing_pct: float = 1.0
    swing_period_s: float = 20.0
    wander_pct: float = 0.6
    #: (from second of the period on, valve_pct); without any, `valve_pct` for ever.
    schedule: tuple[tuple[float, float], ...] = ()
    schedule_period_s: float = 86_400.0

    def wanted_pct(self, t_s: float) -> float:
        """Where V-101 shall stand at a plant time, by the schedule."""
        turn_s = t_s % self.schedule_period_s
        past = [pct for from_s, pct in self.schedule if from_s <= turn_s]
        later = self.schedule[-1][1] if self.schedule else self.valve_pct
        return past[-1] if past else later


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The air around the skid: a yearly and a daily swing about a mean."""

    mean_degc: float = AMBIENT_DEGC
    season_k: float = 0.0
    day_k: float = 0.0
    start_day: float = 0.0  # of the year's swing, 0 on its way up

    def ambient_degc(self, t_s: float) -> float:
        """Temperature at a plant time; the day is coldest at its beginning."""
        day = t_s / _S_PER_DAY
        season = math.sin(2.0 * math.pi * (self.start_day + day) / _DAYS_PER_YEAR)
        daily = -math.cos(2.0 * math.pi * day)
        return self.mean_degc + self.season_k * season + self.day_k * daily
