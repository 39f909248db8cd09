"""Score → health index, anomaly, remaining life. Pure: time is an argument."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from appliance.domain.health import Health
from appliance.inference.life import DegradationPath
from models.lasting import evidence_after

if TYPE_CHECKING:
    from appliance.inference.detector import Verdict

FAILURE_RATIO = 30.0
"""A score this many times its limit is index 0, where no failure level is known."""

SMOOTHING_S = 3.0
"""Time constant of the score's logarithm, by which the index moves."""

_NS = 1_000_000_000


def index_of(value: float, *, sound: float, failed: float) -> float:
    """Return 1 up to `sound`, 0 from `failed` on, falling with the logarithm between.

    So each doubling costs as much health as the last one did.
    """
    if value <= sound:
        return 1.0
    if value >= failed:
        return 0.0
    return 1.0 - math.log(value / sound) / math.log(failed / sound)


class HealthTrack:
    """The health of one asset, followed from window to window.

    The index is 1 while the smoothed score is within its limit. Beyond it, it falls
    to 0 at `FAILURE_RATIO` times the limit; where a `failure_level` of an indicator
    (such as vibration velocity) is known, also from the indicator's last sound value
    to that level, and the lower of both counts.

    An anomaly is declared when the score has been over the limit for `on_delay_s`, or
    so long over the verdict's lower `anomaly_limit` that the evidence is enough
    (`models.lasting`); and withdrawn when it has been within that lower limit for the
    delay. Remaining life is told only in an anomaly, for the indicator, or for the
    score where there is no failure level. `overlap_rows`: how many earlier windows a
    window shares its rows with; `window_s`: how long one is.
    """

    def __init__(
        self,
        asset: str,
        *,
        limit: float,
        failure_level: float | None = None,
        on_delay_s: float = 3.0,
        overlap_rows: int = 0,
        window_s: float = math.inf,
    ) -> None:
        self._asset = asset
        self._limit = limit
        self._failure_level = failure_level
        self._on_delay_ns = round(on_delay_s * _NS)
        self._window_s = window_s
        if failure_level is None:
            failed = FAILURE_RATIO * limit
            self._path = DegradationPath(failed, overlap_rows=overlap_rows)
        else:
            self._path = DegradationPath(failure_level)
        self.reset()

    def reset(self) -> None:
        """Begin again: maintenance is done, or the model is another."""
        self._path.clear()
        self._log_score: float | None = None
        self._scored_ns = 0
        self._sound_indicator: float | None = None
        self._anomaly = False
        self._differs_since_ns: int | None = None
        self._evidence = 0.0

    def observe(
        self,
        time_ns: int,
        verdict: Verdict,
        *,
        life_h: float,
        indicator: float = math.nan,
    ) -> Health:
        """Take the verdict on a window that ended at `time_ns`.

        `life_h` is the place on the life axis. `indicator` is what `failure_level`
        is a level of, over the time since the last window. Without a score the index
        is NaN, and the anomaly stays as it was.
        """
        known = math.isfinite(verdict.score)
        value = verdict.score if self._failure_level is None else indicator
        if known:
            ends = min(self._limit, verdict.anomaly_limit)
            limit = ends if self._anomaly else self._limit
            lasts = self._lasts(time_ns, verdict, ends)
            self._decide(time_ns, beyond=verdict.score > limit)
            self._anomaly = self._anomaly or lasts
            self._path.add(life_h, value)
        return Health(
            asset=self._asset,
            time_ns=time_ns,
            score=verdict.score,
            limit=self._limit,
            index=self._index(time_ns, verdict.score, indicator) if known else math.nan,
            anomaly=self._anomaly,
            life=self._path.remaining() if known and self._anomaly else None,
            cause=verdict.cause if verdict.beyond_limit else "",
        )

    def _lasts(self, time_ns: int, verdict: Verdict, limit: float) -> bool:
        """Gather evidence until an anomaly is declared; is it enough by now?"""
        if self._anomaly or self._log_score is None:
            self._evidence = 0.0
            return False
        windows = (time_ns - self._scored_ns) / _NS / self._window_s
        self._evidence = evidence_after(self._evidence, verdict.score, limit, windows)
        return verdict.score > limit and self._evidence > verdict.evidence_limit

    def _decide(self, time_ns: int, *, beyond: bool) -> None:
        """Change the state when the opposite has lasted for the delay."""
        if beyond == self._anomaly:
            self._differs_since_ns = None
            return
        if self._differs_since_ns is None or time_ns < self._differs_since_ns:
            self._differs_since_ns = time_ns
        if time_ns - self._differs_since_ns >= self._on_delay_ns:
            self._anomaly = beyond
            self._differs_since_ns = None

    def _index(self, time_ns: int, score: float, indicator: float) -> float:
        smooth = self._smooth(time_ns, score)
        index = index_of(smooth, sound=self._limit, failed=FAILURE_RATIO * self._limit)
        if self._failure_level is None or not indicator > 0.0:
            return index
        if smooth <= self._limit or self._sound_indicator is None:
            self._sound_indicator = min(indicator, self._failure_level)
        by_indicator = index_of(
            indicator, sound=self._sound_indicator, failed=self._failure_level
        )
        return min(index, by_indicator)

    def _smooth(self, time_ns: int, score: float) -> float:
        """Return the smoothed score; a gap weighs as much as it lasted."""
        log_score = math.log(max(score, 1e-9))
        if self._log_score is None:
            self._log_score = log_score
        else:
            elapsed_s = max(0.0, (time_ns - self._scored_ns) / _NS)
            part = 1.0 - math.exp(-elapsed_s / SMOOTHING_S)
            self._log_score += part * (log_score - self._log_score)
        self._scored_ns = time_ns
        return math.exp(self._log_score)
