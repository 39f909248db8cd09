"""Tags that did not move while they were learned: how far they may, before it counts.

A tag that never moved has no usual spread, and yet it is abnormal when it moves. So it
is judged apart from all others, by how far it went from where it stood. It may go
several times as far as its instrument is wrong, and as one step of its resolution:
nothing that is only the next digit raises an alarm.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.features.asset import FloatColumn

SELDOM_PART = 0.98
"""So much of a feature's rows have the same value: it moves, but seldom."""

LEVEL = "mean"
"""Of a tag that never moved this alone is looked at: a moment is not yet a move."""

MOVE_OF_SPAN, MOVE_OF_SIZE, MOVE_STEPS = 0.01, 0.05, 4.0
"""It may move by so much of its range, where none is declared of its own size (of 1,
where that is smaller), and by so many steps of its resolution."""

_SAME = 1e-9  # of the size: means of equal values differ in the last bits
_MOST_DIGITS = 6


def never_moved(column: FloatColumn) -> bool:
    """Say whether all values are the same."""
    return not _away(column).any()


def seldom_move(column: FloatColumn) -> float:
    """Return how far a feature went that nearly always stood, 0 for any other.

    What it did once it may do again, though no other part of the training shows it.
    """
    away = _away(column)
    return float(away.max()) if (away == 0.0).mean() >= SELDOM_PART else 0.0


def allowed_move(place: float, span: float) -> float:
    """Return how far what stood at `place` may go; `span` is its range's, or 0."""
    if span > 0.0:
        return MOVE_OF_SPAN * span
    return max(MOVE_OF_SIZE * max(abs(place), 1.0), MOVE_STEPS * _step(place))


def _away(column: FloatColumn) -> FloatColumn:
    """Return how far each value is from where most are; 0 where only bits differ."""
    place = float(np.median(column))
    away = np.abs(column - place)
    return np.where(away <= _SAME * max(abs(place), _SAME), 0.0, away)


def _step(place: float) -> float:
    """Guess the resolution from the digits of a value; 0 and 1 may be states: none."""
    if place in {0.0, 1.0}:
        return 0.0
    for digits in range(_MOST_DIGITS + 1):
        if math.isclose(round(place, digits), place, rel_tol=_SAME):
            return 10.0**-digits
    return 0.0
