"""From scores to the state of the moment, and to events worth a person. Pure.

The two are judged apart. The state may be eager: it begins at a limit that few healthy
windows are beyond (one in five hundred), and ends where nearly all of them are. An
alarm wants more: the limit of the user's budget, for a while, and peace since the last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

_NS = 1_000_000_000


class Standing(NamedTuple):
    """What is said of a moment: the state, and whether a new alarm begins with it."""

    anomaly: bool
    alarm: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one score: an alarm's, and where the state begins and ends."""

    alarm: float
    anomaly: float
    normal: float


class Alarming:
    """Follows the score of one asset.

    An alarm needs the score beyond its limit for `on_delay_s`; a further one also that
    the score was back where no state would begin, and `cool_down_s` have passed. A
    score that is NaN says nothing and changes nothing; a clock that was set back
    restarts the delay.
    """

    def __init__(
        self, limits: Limits, *, on_delay_s: float, cool_down_s: float
    ) -> None:
        self._limits = limits
        self._on_delay_ns = round(on_delay_s * _NS)
        self._cool_down_ns = round(cool_down_s * _NS)
        self._anomaly = False
        self._beyond_since_ns: int | None = None
        self._alarmed_ns: int | None = None
        self._armed = True

    def step(self, time_ns: int, score: float) -> Standing:
        """Take the score of the window that ended at `time_ns`."""
        limits = self._limits
        if score > limits.anomaly:
            self._anomaly = True
        elif score <= limits.normal:
            self._anomaly = False
        if score > limits.alarm:
            return Standing(self._anomaly, self._alarm(time_ns))
        if score <= limits.alarm:
            self._beyond_since_ns = None
        self._armed = self._armed or score <= limits.anomaly
        return Standing(self._anomaly, alarm=False)

    def _alarm(self, time_ns: int) -> bool:
        since_ns = self._beyond_since_ns
        if since_ns is None or time_ns < since_ns:
            self._beyond_since_ns = since_ns = time_ns
        lasted = time_ns - since_ns >= self._on_delay_ns
        last_ns = self._alarmed_ns
        peace = last_ns is None or not 0 <= time_ns - last_ns < self._cool_down_ns
        if not (self._armed and lasted and peace):
            return False
        self._armed, self._alarmed_ns = False, time_ns
        return True
