"""Trees that learn, from units that failed, how many cycles are left.

Three kinds of trees see the past of each sensor, and of four axes on which sensors are
joined: the one that goes with the life that is left, and the three along which they
move most. A sensor alone is noisy; joined, most of the noise is gone before anything
is learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

from models.train.life_conditions import normal_of
from models.train.life_path import past_features, trailing_mean
from models.train.settings import TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable
    from models.train.life_conditions import Conditions, Normal
    from models.train.life_runs import Runs

ROWS_MAX = 12_000
"""Rows that one fit learns from: neighbours in a unit say nearly the same."""

ROUNDS, FOREST = 200, 100
"""Trees of one kind, one after another; and side by side."""

_AXES = 3
_SMOOTH = 15
_STIFFNESS = 10.0  # of the ridge, in rows


@dataclass(frozen=True)
class Eyes:
    """From runs to features: conditions, what is normal in them, and the joined axes.

    Learned from training units alone.
    """

    settings: tuple[str, ...]
    sensors: tuple[str, ...]
    conditions: Conditions
    normal: Normal
    axes: FloatTable  # [sensors, joined]

    def features(self, runs: Runs) -> FloatTable:
        """Return the features of every row, [rows, features]."""
        condition = self.conditions.of(runs.columns(self.settings))
        moved = self.normal.deviations(runs.columns(self.sensors), condition)
        seen = np.concatenate((moved, moved @ self.axes), axis=1)
        return np.concatenate(
            [
                past_features(seen[begin:end], runs.cycle[begin:end])
                for begin, end in zip(runs.starts[:-1], runs.starts[1:], strict=True)
            ]
        )


def learn_eyes(
    runs: Runs, rows: NDArray[np.bool_], conditions: Conditions, *, cap: float
) -> Eyes:
    """Learn from some rows (whole units) what the sensors show.

    Raises:
        TrainingError: No sensor moves.
    """
    settings = runs.settings
    sensors = tuple(name for name in runs.names if name not in settings)
    values, condition = runs.columns(sensors), conditions.of(runs.columns(settings))
    normal = normal_of(values[rows], condition[rows], conditions=len(conditions))
    if not (normal.spread > 0.0).any():
        raise TrainingError("no sensor moves: there is nothing to learn from")
    moved = normal.deviations(values, condition)
    axes = _joined(runs, moved, rows, cap=cap)
    return Eyes(settings, sensors, conditions, normal, axes)


def _joined(
    runs: Runs, moved: FloatTable, rows: NDArray[np.bool_], *, cap: float
) -> FloatTable:
    """Return axes of unit spread over the rows: what goes with life, and what moves."""
    left = np.minimum(runs.left, cap)
    ridge = Ridge(alpha=_STIFFNESS).fit(moved[rows], left[rows])
    smooth = np.concatenate(
        [
            trailing_mean(moved[begin:end], _SMOOTH)
            for begin, end in zip(runs.starts[:-1], runs.starts[1:], strict=True)
        ]
    )
    count = min(_AXES, moved.shape[1])
    widest = PCA(n_components=count, svd_solver="full").fit(smooth[rows])
    axes = np.column_stack((ridge.coef_, widest.components_.T))
    spread = (moved[rows] @ axes).std(axis=0)
    return np.asarray(axes / np.where(spread > 0.0, spread, 1.0))


class Trees:
    """Three kinds of trees, averaged; answers lie in [0, cap]."""

    def __init__(self, *, cap: float, seed: int) -> None:
        self._cap = cap
        self._members = (
            HistGradientBoostingRegressor(
                max_iter=ROUNDS, learning_rate=0.04, max_leaf_nodes=8, max_features=0.3,
                min_samples_leaf=30, l2_regularization=10.0, random_state=seed,
            ),
            HistGradientBoostingRegressor(
                loss="absolute_error", max_iter=ROUNDS, learning_rate=0.05,
                max_leaf_nodes=15, max_features=0.3, min_samples_leaf=20,
                random_state=seed + 1,
            ),
            ExtraTreesRegressor(
                n_estimators=FOREST, min_samples_leaf=4, max_features=0.3,
                random_state=seed + 2, n_jobs=1,
            ),
        )  # fmt: skip

    def fit(self, features: FloatTable, left: FloatColumn) -> Trees:
        """Learn what is left, capped: nobody can see a fault that has not begun."""
        for member in self._members:
            member.fit(features, np.minimum(left, self._cap))
        return self

    def predict(self, features: FloatTable) -> FloatColumn:
        """Return how many cycles are left, row by row."""
        told = [member.predict(features) for member in self._members]
        return np.asarray(np.clip(np.mean(told, axis=0), 0.0, self._cap))


def thinned(
    rows: NDArray[np.bool_], rng: np.random.Generator, *, most: int = ROWS_MAX
) -> NDArray[np.int64]:
    """Return row numbers, evenly thinned to about `most`, from a random first."""
    found = np.flatnonzero(rows)
    stride = max(1, -(-len(found) // most))
    return found[int(rng.integers(stride)) :: stride]


def folds_of(units: int, count: int, rng: np.random.Generator) -> Sequence[int]:
    """Return the fold of each unit: as even as can be, in random order."""
    return [int(each) for each in rng.permutation(units) % count]
