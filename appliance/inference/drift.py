"""Has the machine, or its process, moved away from what was learned? Pure.

Not an anomaly: each window is well, but all of them together are no longer what the
model was learned from. Three things are looked at: the features (`kolmogorov`), the
score, and the share of time in modes that the model does not know (`adwin`). What is
found must be large and last: it is worth a word to a person once, "learn again", and
never an alarm that calls.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from appliance.inference.drift_memory import DriftMemory, RowsMemory, ShiftMemory
from appliance.inference.kolmogorov import independent, ks_chance, ks_distance
from appliance.inference.level import Level
from models.features import tag_of
from models.modes import UNKNOWN_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from appliance.inference.detector import Verdict
    from models.features import FeatureVector
    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

BLOCK_S = 1350.0
"""One window in so long is kept, and `MEMORY` of them: a day and a night."""
MEMORY = 64
FEWEST = 32
"""Windows of a mode; of fewer nothing is said."""

LARGE_DISTANCE = 0.5
"""Kolmogorov's distance worth a word: about 1.2 spreads of a normal distribution."""
SMALL_DISTANCE = 0.4
"""Below it a drift is over."""
CHANCE = 1e-4
"""So probable it may be, for all features together, that nothing has drifted."""
LASTS = 48
"""A drift shows in so many looks, one after the other."""

_NAMED = 3
_NS = 1_000_000_000


class Drift(NamedTuple):
    """What has drifted, since about when.

    `tags` by weight; `score` and `unknown` are the mean score as a part of its limit,
    and the share of windows in unknown modes, where they have risen.
    """

    since_ns: int
    tags: tuple[str, ...] = ()
    score: float | None = None
    unknown: float | None = None

    @property
    def sentence(self) -> str:
        """Say what has drifted, for people."""
        said = []
        if self.tags:
            more = len(self.tags) - _NAMED
            named = ", ".join(self.tags[:_NAMED])
            named += f" and {more} more" if more > 0 else ""
            said.append(f"{named}: not as when it was learned")
        if self.score is not None:
            said.append(f"the score rose to {self.score:.0%} of its limit")
        if self.unknown is not None:
            said.append(f"{self.unknown:.0%} of the time in modes it does not know")
        return "; ".join(said)

    def diagnostic(self, asset: str) -> dict[str, Any]:
        """Return what is to be done, as the fields of a `Diagnostic`.

        Without numbers that change from day to day: it is told once.
        """
        return {
            "key": f"drift {asset}",
            "message": f"{asset} drifts away from what was learned: {self.sentence}",
            "remedy": "find out why; where it is a fault, mend it; where it is well:"
            f" wheeltapper learn {asset}",
            "priority": "low",
            "tags": list(self.tags),
        }


class _Shift(NamedTuple):
    """A feature that is off: in how many looks, since when, how far now."""

    looks: int
    since_ns: int
    distance: float


class DriftWatch:
    """Follows one asset under one model.

    `reference` has rows [rows, features] of each mode, in the order in which they were
    measured; a mode without them is not compared. The memory is bounded: `MEMORY` rows
    of each mode, and two histograms.
    """

    def __init__(
        self,
        features: Sequence[str],
        reference: Mapping[str, FloatTable],
        *,
        model: str = "",
    ) -> None:
        self.drift: Drift | None = None
        """What has drifted now; None: nothing that is known."""
        self._model = model
        self._features = tuple(features)
        self._reference = dict(reference)
        self._recent: dict[str, deque[tuple[int, FloatColumn]]] = {
            mode: deque(maxlen=MEMORY) for mode in reference
        }
        self._fresh: set[str] = set()  # modes with a row of this block
        self._shifts: dict[tuple[str, str], _Shift] = {}
        # the mean score as a part of its limit, and the share of unknown modes
        self._score, self._unknown = Level(), Level()
        self._block: int | None = None
        self._order_of: tuple[tuple[str, ...], NDArray[np.int64]] | None = None

    def memory(self) -> DriftMemory:
        """Return all that was seen under this model."""
        return DriftMemory(
            model=self._model,
            features=self._features,
            block=self._block,
            fresh=tuple(sorted(self._fresh)),
            recent={m: RowsMemory.of(rows) for m, rows in self._recent.items() if rows},
            shifts=tuple(
                ShiftMemory(*key, each.looks, each.since_ns, each.distance)
                for key, each in self._shifts.items()
            ),
            score=self._score.memory,
            unknown=self._unknown.memory,
        )

    def recall(self, known: DriftMemory) -> None:
        """Go on from what was seen before; nothing was seen yet.

        Raises:
            ValueError: It is of another model; nothing is taken.
        """
        if known.model != self._model:
            raise ValueError(f"it is of model {known.model}, not of {self._model}")
        modes = {*known.recent, *known.fresh, *(each.mode for each in known.shifts)}
        named = {each.feature for each in known.shifts}
        if known.features != self._features or not named <= set(self._features):
            raise ValueError("it is of other features")
        if not modes <= self._reference.keys():
            raise ValueError("it is of other modes")
        width = len(self._features)
        recent = {mode: each.rows(width) for mode, each in known.recent.items()}
        for mode, rows in recent.items():
            self._recent[mode].extend(rows)
        self._fresh = set(known.fresh)
        self._block = known.block
        self._shifts = {
            (each.mode, each.feature): _Shift(each.looks, each.since_ns, each.distance)
            for each in known.shifts
        }
        self._score = Level.recalled(known.score)
        self._unknown = Level.recalled(known.unknown)
        self.drift = self._summed()

    def see(self, time_ns: int, vector: FeatureVector, verdict: Verdict) -> None:
        """Take a window of the running machine, and what was said of it.

        What is beyond its limit is no drift: it is judged already.
        """
        block = int(time_ns // (BLOCK_S * _NS))
        if self._block is not None and block != self._block:
            self._look(time_ns)
        self._block = block
        scored = verdict.score <= verdict.limit
        if scored or verdict.mode == UNKNOWN_NAME:
            self._unknown.add(0.0 if scored else 1.0)
        if not scored:
            return
        self._score.add(verdict.score / verdict.limit)
        mode = verdict.mode
        if mode in self._reference and mode not in self._fresh:
            row = np.append(vector.values, np.nan)[self._order(vector.names)]
            if np.isfinite(row).all():
                self._fresh.add(mode)
                self._recent[mode].append((time_ns, row))

    def _look(self, time_ns: int) -> None:
        """A block is over: look at what it has brought."""
        self._score.close(time_ns, block_s=BLOCK_S)
        self._unknown.close(time_ns, block_s=BLOCK_S)
        for mode in self._fresh:
            if len(self._recent[mode]) >= FEWEST:
                self._compare(mode)
        self._fresh.clear()
        self.drift = self._summed()

    def _compare(self, mode: str) -> None:
        reference, recent = self._reference[mode], self._recent[mode]
        now = np.array([row for _, row in recent])
        for place, name in enumerate(self._features):
            ours, theirs = now[:, place], reference[:, place]
            if not np.ptp(theirs):  # it stood: how far it may go is judged
                continue
            distance, key = ks_distance(ours, theirs), (mode, name)
            before = self._shifts.get(key)
            stands = before is not None and before.looks >= LASTS
            if distance < (SMALL_DISTANCE if stands else LARGE_DISTANCE):
                self._shifts.pop(key, None)
            elif before is not None:
                looks = before.looks + 1
                self._shifts[key] = _Shift(looks, before.since_ns, distance)
            elif self._is_no_chance(distance, ours, theirs):
                since_ns = recent[_turn(ours, theirs)][0]
                self._shifts[key] = _Shift(1, since_ns, distance)

    def _is_no_chance(
        self, distance: float, ours: FloatColumn, theirs: FloatColumn
    ) -> bool:
        # a day shows a slow wander worse than the training did: it counts for no more
        learned = independent(theirs)
        chance = ks_chance(distance, min(independent(ours), learned), learned)
        return chance * len(self._features) * len(self._reference) <= CHANCE

    def _summed(self) -> Drift | None:
        shifts = {k: each for k, each in self._shifts.items() if each.looks >= LASTS}
        levels = [each for each in (self._score, self._unknown) if each.risen]
        since_ns = [each.since_ns for each in shifts.values()]
        since_ns += [each.risen[0] for each in levels if each.risen is not None]
        if not since_ns:
            return None
        weights: dict[str, float] = {}
        for (_, name), shift in shifts.items():
            tag = str(tag_of(name))
            weights[tag] = max(weights.get(tag, 0.0), shift.distance)
        score, unknown = self._score.risen, self._unknown.risen
        return Drift(
            since_ns=min(since_ns),
            tags=tuple(sorted(weights, key=lambda tag: -weights[tag])),
            score=None if score is None else score[1],
            unknown=None if unknown is None else unknown[1],
        )

    def _order(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        if self._order_of is None or self._order_of[0] is not names:
            place = {name: i for i, name in enumerate(names)}
            order = [place.get(name, len(names)) for name in self._features]
            self._order_of = names, np.array(order, dtype=np.int64)
        return self._order_of[1]


def _turn(ours: FloatColumn, theirs: FloatColumn) -> int:
    """Return from which of our values on they are off: the turn of their sum."""
    usual = float(np.median(theirs))
    towards = 1.0 if float(np.median(ours)) >= usual else -1.0
    beyond = towards * (ours - usual)
    walk = np.cumsum(beyond - beyond.mean() / 2.0)
    lowest = int(walk.argmin())
    return min(lowest + 1, len(ours) - 1) if walk[lowest] < 0.0 else 0
