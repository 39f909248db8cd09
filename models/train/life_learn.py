"""Learn the life that is left from units that failed; answer for units that run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.train.life_conditions import find_conditions
from models.train.life_ensemble import Trees, folds_of, learn_eyes, thinned
from models.train.life_interval import CONFIDENCE, HeldOut
from models.train.settings import TrainingError
from models.train.threads import one_thread

if TYPE_CHECKING:
    from models.features.asset import FloatColumn
    from models.train.life_ensemble import Eyes
    from models.train.life_runs import Runs

CAP = 125.0
"""Cycles: more than these nobody can tell of a unit in which nothing has begun."""

UNITS_MIN = 5
_FOLDS = 5
_YOUNG = 20  # rows: before, a unit has not shown enough to be asked about


class Answers(NamedTuple):
    """Cycles left at each unit's last cycle, with the interval of `confidence`."""

    rul: FloatColumn
    low: FloatColumn
    high: FloatColumn
    confidence: float


@dataclass(frozen=True)
class Fold:
    """What was learned without the units of one fold."""

    eyes: Eyes
    trees: Trees


@dataclass(frozen=True)
class LifeRegressor:
    """Five ensembles, each learned without a fifth of the units, and their errors."""

    sensors: tuple[str, ...]
    folds: tuple[Fold, ...]
    held_out: HeldOut
    cap: float

    @one_thread()
    def answer(self, runs: Runs, *, confidence: float = CONFIDENCE) -> Answers:
        """Answer for the last cycle of every unit.

        Raises:
            TrainingError: A column is missing that was learned from.
        """
        missing = [name for name in self.sensors if name not in runs.names]
        if missing:
            raise TrainingError(
                f"the units to judge lack the column {missing[0]!r} "
                "that was learned from"
            )
        last = runs.last_rows
        told = np.mean(
            [f.trees.predict(f.eyes.features(runs)[last]) for f in self.folds], axis=0
        )
        low, high = self.held_out.interval(told, confidence)
        return Answers(told, low, high, confidence)


@one_thread()
def learn_life(runs: Runs, *, cap: float = CAP, seed: int = 0) -> LifeRegressor:
    """Learn from units that ran until they failed at their last cycle.

    The errors for the interval come from units that a fold has not seen, against what
    was truly left, beyond the cap too. The same seed learns the same.

    Raises:
        TrainingError: Too few units, or nothing to learn from.
    """
    if not cap > 0.0:
        raise TrainingError("the cap must be above 0 cycles")
    units = len(runs.units)
    if units < UNITS_MIN:
        raise TrainingError(
            f"{units} units that failed are too few: at least {UNITS_MIN} are needed"
        )
    rng = np.random.default_rng(seed)
    fold_of_row = np.array(folds_of(units, _FOLDS, rng))[runs.unit_of_row]
    left, told = runs.left, np.empty(len(runs.cycle))
    conditions = find_conditions(runs.columns(runs.settings), seed=seed)
    folds = []
    for number in range(_FOLDS):
        own = fold_of_row != number
        eyes = learn_eyes(runs, own, conditions, cap=cap)
        features = eyes.features(runs)
        rows = thinned(own, rng)
        trees = Trees(cap=cap, seed=10 * (seed + 1) * _FOLDS + 10 * number)
        folds.append(Fold(eyes, trees.fit(features[rows], left[rows])))
        told[~own] = trees.predict(features[~own])
    return LifeRegressor(runs.names, tuple(folds), _held_out(runs, told), cap)


def _held_out(runs: Runs, told: FloatColumn) -> HeldOut:
    """Gather the errors of every cycle at which a unit may be asked about."""
    lived = np.diff(runs.starts)
    place = np.arange(len(told)) - runs.starts[runs.unit_of_row]
    asked = place >= np.minimum(_YOUNG, lived[runs.unit_of_row] // 2)
    weight = 1.0 / lived[runs.unit_of_row]
    return HeldOut.of(
        told[asked], runs.left[asked], weight[asked], units=len(runs.units)
    )
