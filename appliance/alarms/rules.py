"""One small class per rule: what a reading says of an alarm's condition. Pure.

A reading may only raise or clear an alarm by proof: bad quality says nothing, and an
uncertain value may raise but never clear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

from appliance.alarms.delay import Condition
from appliance.domain.sample import Quality

Span: TypeAlias = tuple[float, float]
"""Good values from … to … change nothing while the condition is off."""
EVERYTHING: Span = (-math.inf, math.inf)
NOTHING: Span = (math.inf, -math.inf)


@dataclass(frozen=True, slots=True)
class Reading:
    """A row: its value, and when (`time_ns` at the source, `at_s` on our own clock)."""

    value: float
    quality: Quality
    time_ns: int
    at_s: float

    @property
    def usable(self) -> bool:
        """Whether there is a number at all."""
        return self.quality is not Quality.BAD and math.isfinite(self.value)

    def held_until(self, now_s: float) -> Reading:
        """Return the same value, confirmed again at `now_s`."""
        passed_ns = round(max(0.0, now_s - self.at_s) * 1e9)
        return replace(self, time_ns=self.time_ns + passed_ns, at_s=now_s)


@dataclass(frozen=True, slots=True)
class High:
    """ON above the setpoint, OFF at `setpoint - deadband` or below."""

    setpoint: float
    deadband: float = 0.0

    @property
    def calm(self) -> Span:
        """Values that raise nothing."""
        return -math.inf, self.setpoint

    def judge(
        self, reading: Reading, last: Reading | None, *, leans_on: bool
    ) -> Condition:
        """Return the condition; inside the deadband, what it leans to."""
        del last
        beyond = reading.value > self.setpoint
        within = reading.value <= self.setpoint - self.deadband
        return _judged(reading, beyond=beyond, within=within, leans_on=leans_on)


@dataclass(frozen=True, slots=True)
class Low:
    """ON below the setpoint, OFF at `setpoint + deadband` or above."""

    setpoint: float
    deadband: float = 0.0

    @property
    def calm(self) -> Span:
        """Values that raise nothing."""
        return self.setpoint, math.inf

    def judge(
        self, reading: Reading, last: Reading | None, *, leans_on: bool
    ) -> Condition:
        """Return the condition; inside the deadband, what it leans to."""
        del last
        beyond = reading.value < self.setpoint
        within = reading.value >= self.setpoint + self.deadband
        return _judged(reading, beyond=beyond, within=within, leans_on=leans_on)


@dataclass(frozen=True, slots=True)
class Rate:
    """ON while the value moves by more than `setpoint` per second, either way."""

    setpoint: float
    deadband: float = 0.0

    @property
    def calm(self) -> Span:
        """No value by itself says how fast it moves."""
        return NOTHING

    def judge(
        self, reading: Reading, last: Reading | None, *, leans_on: bool
    ) -> Condition:
        """Return the condition; `last` is the last usable reading before this one."""
        if last is None or not reading.usable:
            return Condition.UNKNOWN
        passed_s = (reading.time_ns - last.time_ns) * 1e-9
        if not passed_s > 0.0:
            return Condition.ON if leans_on else Condition.OFF
        rate = abs(reading.value - last.value) / passed_s
        beyond, within = rate > self.setpoint, rate <= self.setpoint - self.deadband
        return _judged(reading, beyond=beyond, within=within, leans_on=leans_on)


@dataclass(frozen=True, slots=True)
class Score(High):
    """ON while an asset's anomaly score, of which 1.0 is the limit, is above it."""

    setpoint: float = 1.0


@dataclass(frozen=True, slots=True)
class Bad:
    """ON while the quality is bad."""

    @property
    def calm(self) -> Span:
        """Every good value."""
        return EVERYTHING

    def judge(
        self, reading: Reading, last: Reading | None, *, leans_on: bool
    ) -> Condition:
        """Return the condition; it is always known."""
        del last, leans_on
        return Condition.OFF if reading.usable else Condition.ON


@dataclass(frozen=True, slots=True)
class Stale:
    """ON while the last confirmation is older than `stale_after_s`."""

    stale_after_s: float

    def judge_age(self, age_s: float) -> Condition:
        """Return the condition."""
        return Condition.OFF if age_s <= self.stale_after_s else Condition.ON


ValueRule: TypeAlias = High | Low | Rate | Score | Bad
AlarmRule: TypeAlias = ValueRule | Stale


def _judged(
    reading: Reading, *, beyond: bool, within: bool, leans_on: bool
) -> Condition:
    if not reading.usable:
        return Condition.UNKNOWN
    if beyond:
        return Condition.ON
    if reading.quality is not Quality.GOOD:
        return Condition.UNKNOWN
    if within:
        return Condition.OFF
    return Condition.ON if leans_on else Condition.OFF
