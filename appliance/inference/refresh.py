"""Is a model that was learned anew fit to take over from the active one? Pure.

It must still find every fault that is known, and must not have become so lax that the
machine could go much further before anybody is told.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.features import FeatureVector
from models.modes import ModeTrack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.inference.detector import BundleDetector
    from models.features import FeatureTable
    from models.features.asset import FloatColumn

FOUND = 0.9
"""A fault counts as found by the score that a tenth of its windows are beyond."""
MOST_LAX = 2.0
"""The limit may lie so many times as far out as before, beside the same windows."""

_MOST_ROWS = 500  # of one time: more windows say the same


class Compared(NamedTuple):
    """A fault by its name: how far beyond its limit each model finds it."""

    fault: str
    active: float
    candidate: float

    @property
    def forgotten(self) -> bool:
        """Whether the active model finds what the candidate does not."""
        return self.active > 1.0 and not self.candidate > 1.0


class Comparison(NamedTuple):
    """What the two say of the same windows; `laxer` NaN: nothing can be compared."""

    faults: tuple[Compared, ...]
    laxer: float

    @property
    def objections(self) -> tuple[str, ...]:
        """Return why the candidate must not take over by itself; nothing: it may."""
        found = [
            f"it forgets a known fault ({each.fault}): score {each.candidate:.2f} of"
            f" its limit, {each.active:.2f} by the active model"
            for each in self.faults
            if each.forgotten
        ]
        if self.laxer > MOST_LAX:
            found.append(
                f"its limit is {self.laxer:.1f} times as far out as that of the active"
                f" model; {MOST_LAX:g} may be"
            )
        return tuple(found)


def compare(
    active: BundleDetector,
    candidate: BundleDetector,
    *,
    healthy: FeatureTable,
    faults: Mapping[str, FeatureTable],
) -> Comparison:
    """Let both judge the same windows: those learned from, and those of known faults.

    A fault that neither can judge is passed over.
    """
    compared = []
    for name, table in faults.items():
        ours, theirs = scores(active, table), scores(candidate, table)
        if np.isfinite(ours).any():
            compared.append(Compared(name, _found(ours), _found(theirs)))
    ours, theirs = scores(active, healthy), scores(candidate, healthy)
    both = np.isfinite(ours) & np.isfinite(theirs) & (theirs > 0.0)
    ratios = ours[both] / theirs[both]
    return Comparison(
        tuple(compared), float(np.median(ratios)) if len(ratios) else math.nan
    )


def scores(detector: BundleDetector, table: FeatureTable) -> FloatColumn:
    """Return the score of each row as a part of the limit, as it would be live.

    NaN where nothing could be said. Of a long table rows are chosen evenly.
    """
    modes, found = ModeTrack(detector.mode_map), []
    stride = max(1, math.ceil(len(table) / _MOST_ROWS))
    for row in range(len(table)):
        vector = FeatureVector(table.names, table.values[row], table.coverage[row])
        now = modes.step(int(table.time_ns[row]), vector.names, vector.values)
        if row % stride == 0:
            verdict = detector.judge(vector, mode=now.number)
            found.append(verdict.score / verdict.limit)
    return np.array(found, dtype=np.float64)


def _found(seen: FloatColumn) -> float:
    """Return how far a fault was found; 0 where it could not be judged."""
    known = seen[np.isfinite(seen)]
    return float(np.quantile(known, FOUND)) if len(known) else 0.0
