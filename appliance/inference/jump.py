"""Does a path jump? Then what was before is another story.

A transmitter that was moved, another load, a part that broke away: the level is another
from one observation to the next. Fitted as growth, a jump would foretell a failure
that nothing points to. So the past begins again behind it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.inference.trend import RESOLUTION

if TYPE_CHECKING:
    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

SIDE = 5
"""Points on either side, at least: fewer could be a few wild ones, or a steep end."""

_CLEAR = math.log(1000.0)  # how much likelier two lines are than growth
_MORE = 2.0  # parameters: two lines and a place, against level, slope and onset
_HEIGHT = 3.0  # of the jump, in standard deviations about the lines


class Jump(NamedTuple):
    """Two lines that do not meet; `first` is the number of the first point behind."""

    first: int
    height: float
    squares: float
    residual: FloatColumn

    def is_clear(self, squares: float, likeness: float) -> bool:
        """Say whether it is one, and not growth that leaves `squares` unexplained.

        `likeness` is how many of the points are worth one.
        """
        count = len(self.residual)
        gain = 0.5 * count / likeness * math.log(squares / self.squares)
        high = _HEIGHT * math.sqrt(self.squares / count)
        return self.height > high and gain > _CLEAR + 0.5 * _MORE * math.log(count)


def best_jump(hours: FloatColumn, log_value: FloatColumn) -> Jump | None:
    """Fit two lines with the best place between them; None for too few points."""
    count = len(hours)
    places = np.arange(SIDE, count - SIDE + 1)
    if len(places) == 0:
        return None
    before = _lines(hours, log_value)
    after = _lines(-hours[::-1], log_value[::-1])
    left, right = before[:, places - 1], after[:, count - places - 1]
    unexplained = left[0] + right[0] + count * RESOLUTION**2
    best = int(unexplained.argmin())
    first = int(places[best])
    parts = (slice(0, first), slice(first, count))
    residual = np.concatenate([_rest(hours[p], log_value[p]) for p in parts])
    height = abs(float(right[1, best] - left[1, best]))
    return Jump(first, height, float(unexplained[best]), residual)


def _rest(hours: FloatColumn, log_value: FloatColumn) -> FloatColumn:
    """Return what a line leaves unexplained."""
    off, moved = hours - hours.mean(), log_value - log_value.mean()
    spread = float(off @ off)
    slope = float(off @ moved) / spread if spread > 0.0 else 0.0
    return np.asarray(moved - slope * off)


def _lines(hours: FloatColumn, log_value: FloatColumn) -> FloatTable:
    """Fit a line to the first 1, 2, … n points: [squares, value at the last one]."""
    count = np.arange(1, len(hours) + 1, dtype=np.float64)
    x, y = hours - hours[0], log_value - log_value.mean()
    mean_x, mean_y = np.cumsum(x) / count, np.cumsum(y) / count
    xx = np.cumsum(x * x) - count * mean_x**2
    xy = np.cumsum(x * y) - count * mean_x * mean_y
    yy = np.cumsum(y * y) - count * mean_y**2
    slope = np.where(xx > 0.0, xy / np.where(xx > 0.0, xx, 1.0), 0.0)
    squares = np.maximum(yy - slope * xy, 0.0)
    return np.vstack((squares, mean_y + slope * (x - mean_x)))
