"""Intervals from the errors on units that were held out.

Where the answer is 20 cycles, the errors of other answers near 20 say how far off it
may be; where it is "as much as can be told", they say that much more may be left. Each
unit weighs the same, however long it lived: a unit is seen at a random cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.features.asset import FloatColumn

CONFIDENCE = 0.8
_NEAR = 0.15  # part of all units' weight that judges an answer


@dataclass(frozen=True)
class HeldOut:
    """Answers for units that were not learned from, in order; errors and weights."""

    told: FloatColumn
    error: FloatColumn  # what was left less what was told
    weight: FloatColumn
    units: int

    @classmethod
    def of(
        cls, told: FloatColumn, left: FloatColumn, weight: FloatColumn, *, units: int
    ) -> HeldOut:
        """Sort by what was told."""
        order = np.argsort(told, kind="stable")
        return cls(told[order], (left - told)[order], weight[order], units)

    def rmse(self, cap: float) -> float:
        """Return the error of the answers where what is left is held below the cap."""
        error = np.minimum(self.told + self.error, cap) - self.told
        return float(np.sqrt(np.average(error * error, weights=self.weight)))

    def interval(
        self, told: FloatColumn, confidence: float = CONFIDENCE
    ) -> tuple[FloatColumn, FloatColumn]:
        """Return low and high of each answer, between which `confidence` lie.

        With few units the tails are taken further out, as conformal prediction does.
        """
        tail = (1.0 - confidence) / 2.0 * (1.0 - 1.0 / self.units)
        found = np.array([self._tails(each, tail) for each in told])
        low = np.maximum(told + found[:, 0], 0.0)
        return low, np.maximum(told + found[:, 1], told)

    def _tails(self, told: float, tail: float) -> tuple[float, float]:
        cumulated = np.cumsum(self.weight)
        total = float(cumulated[-1])
        around = np.append(0.0, cumulated)
        middle = 0.5 * sum(
            around[np.searchsorted(self.told, told, side=side)]
            for side in ("left", "right")
        )
        begin = min(max(middle - _NEAR / 2.0 * total, 0.0), (1.0 - _NEAR) * total)
        first = int(np.searchsorted(cumulated, begin))
        last = int(np.searchsorted(cumulated, begin + _NEAR * total, side="right"))
        error, weight = self.error[first:last], self.weight[first:last]
        order = np.argsort(error)
        part = np.cumsum(weight[order]) / weight.sum()
        low = error[order][min(int(np.searchsorted(part, tail)), len(part) - 1)]
        high = error[order][min(int(np.searchsorted(part, 1.0 - tail)), len(part) - 1)]
        return min(float(low), 0.0), float(high)
