"""Operating conditions, from what is set; a sensor is held against its own condition.

A machine that flies at six altitudes has six normals: what a sensor shows there says
little, what it shows against others of the same condition says all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from models.train.threads import one_thread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

CONDITIONS_MAX = 12
_APART = 0.8  # silhouette: below, what looks like groups is one spread
_ASKED = 600
_RUNS = 3
_FLAT = 1e-6  # of a sensor's magnitude: it says nothing there


@dataclass(frozen=True)
class Conditions:
    """Where the conditions lie among the settings, [conditions, settings]."""

    low: FloatColumn
    span: FloatColumn
    centres: FloatTable

    def __len__(self) -> int:
        return len(self.centres)

    def of(self, settings: FloatTable) -> NDArray[np.int64]:
        """Return the nearest condition of each row."""
        placed = _placed(settings, self.low, self.span)
        away = placed[:, np.newaxis, :] - self.centres[np.newaxis, :, :]
        return np.asarray((away * away).sum(axis=2).argmin(axis=1), dtype=np.int64)


@one_thread()
def find_conditions(settings: FloatTable, *, seed: int) -> Conditions:
    """Group the settings; one condition where they do not fall into clear groups."""
    rows = settings[np.isfinite(settings).all(axis=1)]
    width = settings.shape[1]
    if width == 0 or len(rows) <= CONDITIONS_MAX:
        return Conditions(np.zeros(width), np.ones(width), np.zeros((1, width)))
    low, span = rows.min(axis=0), np.ptp(rows, axis=0)
    span = np.where(span > 0.0, span, 1.0)
    placed = _placed(rows, low, span)
    rng = np.random.default_rng(seed)
    asked = placed[rng.permutation(len(placed))[:_ASKED]]
    best, centres = _APART, placed.mean(axis=0, keepdims=True)
    distinct = len(np.unique(asked.round(3), axis=0))
    for count in range(2, min(CONDITIONS_MAX, distinct) + 1):
        grouped = KMeans(n_clusters=count, n_init=_RUNS, random_state=seed).fit(asked)
        apart = float(silhouette_score(asked, grouped.labels_))
        if apart > best + 1e-3:
            best, centres = apart, grouped.cluster_centers_
    return Conditions(low, span, np.asarray(centres, dtype=np.float64))


@dataclass(frozen=True)
class Normal:
    """Mean and spread of each sensor in each condition, [conditions, sensors]."""

    mean: FloatTable
    spread: FloatTable

    def deviations(
        self, sensors: FloatTable, condition: NDArray[np.int64]
    ) -> FloatTable:
        """Return how far off its condition's mean a sensor is, in spreads.

        0 where the sensor is not known, or never moves in this condition.
        """
        spread = self.spread[condition]
        moved = (sensors - self.mean[condition]) / np.where(spread > 0.0, spread, 1.0)
        return np.where((spread > 0.0) & np.isfinite(moved), moved, 0.0)


def normal_of(
    sensors: FloatTable, condition: NDArray[np.int64], *, conditions: int
) -> Normal:
    """Measure mean and spread; a sensor that stands still has the spread 0."""
    mean = np.zeros((conditions, sensors.shape[1]))
    spread = np.zeros_like(mean)
    for number in range(conditions):
        own = sensors[condition == number]
        for column in range(sensors.shape[1]):
            known = own[np.isfinite(own[:, column]), column]
            if len(known) > 1:
                mean[number, column] = known.mean()
                spread[number, column] = known.std()
    size = np.maximum(np.abs(mean), 1e-12)
    return Normal(mean, np.where(spread > _FLAT * size, spread, 0.0))


def _placed(settings: FloatTable, low: FloatColumn, span: FloatColumn) -> FloatTable:
    middle = np.where(np.isfinite(settings), settings, low + span / 2.0)
    return np.asarray((middle - low) / span)
