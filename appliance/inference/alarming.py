"""From scores to the state of the moment, and to events worth a person. Pure.

The two are judged apart. The state may be eager: it begins at a limit that few healthy
windows are beyond (one in five hundred), and ends where nearly all of them are. An
alarm wants more: the limit of the user's budget, for a while, or a state that lasts
until its evidence is beyond its own limit (`models.lasting`); and peace since the last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from models.lasting import evidence_after

_NS = 1_000_000_000


class Standing(NamedTuple):
    """What is said of a moment: the state, and whether a new alarm begins with it."""

    anomaly: bool
    alarm: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one score: an alarm's, and where the state begins and ends.

    `evidence` of a state that lasts is worth an alarm, too.
    """

    alarm: float
    anomaly: float
    normal: float
    evidence: float = math.inf


class Alarming:
    """Follows the score of one asset.

    An alarm needs the score beyond its limit for `on_delay_s`, or evidence beyond its
    own; a further one also that the score was back where no state would begin, and
    `cool_down_s` have passed. Evidence is gathered from there on, and counts while the
    state would begin. A score that is NaN says nothing and changes nothing; a clock
    that was set back restarts the delay. `window_s` is how long a score stands for.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        on_delay_s: float,
        cool_down_s: float,
        window_s: float = math.inf,
    ) -> None:
        self._limits = limits
        self._on_delay_ns = round(on_delay_s * _NS)
        self._cool_down_ns = round(cool_down_s * _NS)
        self._window_s = window_s
        self._anomaly = False
        self._beyond_since_ns: int | None = None
        self._alarmed_ns: int | None = None
        self._armed = True
        self._evidence = 0.0
        self._scored_ns: int | None = None

    def step(self, time_ns: int, score: float) -> Standing:
        """Take the score of the window that ended at `time_ns`."""
        if math.isnan(score):
            return Standing(self._anomaly, alarm=False)
        limits = self._limits
        if score > limits.anomaly:
            self._anomaly = True
        elif score <= limits.normal:
            self._anomaly = False
        self._armed = self._armed or score <= limits.anomaly
        lasts = self._lasts(time_ns, score)
        delayed = self._delayed(time_ns, beyond=score > limits.alarm)
        alarm = (lasts or delayed) and self._armed and self._at_peace(time_ns)
        if alarm:
            self._armed, self._alarmed_ns, self._evidence = False, time_ns, 0.0
        return Standing(self._anomaly, alarm)

    def _lasts(self, time_ns: int, score: float) -> bool:
        """Gather evidence; is it enough, and is the machine abnormal now?"""
        last_ns, self._scored_ns = self._scored_ns, time_ns
        limit = self._limits.anomaly
        if not self._armed or last_ns is None:
            return False
        windows = (time_ns - last_ns) / _NS / self._window_s
        self._evidence = evidence_after(self._evidence, score, limit, windows)
        return score > limit and self._evidence > self._limits.evidence

    def _delayed(self, time_ns: int, *, beyond: bool) -> bool:
        """Say whether the score has been beyond an alarm's limit for the delay."""
        if not beyond:
            self._beyond_since_ns = None
            return False
        since_ns = self._beyond_since_ns
        if since_ns is None or time_ns < since_ns:
            self._beyond_since_ns = since_ns = time_ns
        return time_ns - since_ns >= self._on_delay_ns

    def _at_peace(self, time_ns: int) -> bool:
        last_ns = self._alarmed_ns
        return last_ns is None or not 0 <= time_ns - last_ns < self._cool_down_ns
