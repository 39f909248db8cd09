"""Remaining life: when a path of degradation first reaches the failure level.

Whether an indicator (vibration velocity, or the score) rises at all is judged by
`trend`; what was before a jump (`jump`) does not count. Only if it rises are the two
ways in which damage grows (a line in the logarithm from an onset; a base and a growing
part) weighed against each other, and the distribution of the first passage drawn from
both. It is told when all of its interval lies within `REACH` times the past: further
ahead, the shape of the growth is a guess.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.health import RemainingLife
from appliance.inference.growth import best_residual, curve_passages, fit_curves
from appliance.inference.jump import best_jump
from appliance.inference.trend import (
    PARAMETERS,
    RESOLUTION,
    Past,
    fit_lines,
    line_passages,
    mild_weight,
    rises,
)

if TYPE_CHECKING:
    from appliance.inference.growth import Curves
    from appliance.inference.jump import Jump
    from appliance.inference.trend import Lines
    from models.features.asset import FloatColumn

CONFIDENCE = 0.8
MAX_POINTS = 240
REACH = 5.0
"""How many times the hours that were seen are told ahead, at most."""

_MIN_POINTS = 8
_MIN_INDEPENDENT = 5.0
_FALSE_EVIDENCE = 0.001  # chance that a healthy path seems to rise
_DRAWS = 4000
_SEED = 20816


class DegradationPath:
    """The past of one indicator on the axis of life hours, in bounded memory.

    When `MAX_POINTS` are held, neighbours are averaged and from then on twice as
    many observations make a point. `overlap_rows` says how many earlier
    observations an observation shares its values with.
    """

    def __init__(self, level: float, *, overlap_rows: int = 0) -> None:
        if not level > 0.0:
            raise ValueError("the failure level of an indicator is above 0")
        self._log_level = math.log(level)
        self._overlap_rows = overlap_rows
        self.clear()

    def clear(self) -> None:
        """Forget the past: the machine was repaired."""
        self._points: list[tuple[float, float]] = []
        self._pending: list[tuple[float, float]] = []
        self._stride = 1
        self._latest_h = -math.inf

    def add(self, life_h: float, value: float) -> None:
        """Take an observation; one without a number, or without life, is no evidence.

        An hour meter that goes back was replaced: the past is forgotten.
        """
        if not (math.isfinite(life_h) and math.isfinite(value) and value > 0.0):
            return
        if life_h < self._latest_h:
            self.clear()
        if life_h == self._latest_h:
            return
        self._latest_h = life_h
        self._pending.append((life_h, math.log(value)))
        if len(self._pending) >= self._stride:
            self._points.append(_mean(self._pending))
            self._pending = []
        if len(self._points) >= MAX_POINTS:
            pairs = zip(self._points[::2], self._points[1::2], strict=True)
            self._points = [_mean(list(pair)) for pair in pairs]
            self._stride *= 2

    def remaining(self, confidence: float = CONFIDENCE) -> RemainingLife | None:
        """Return the remaining life, or None without evidence that the path rises.

        Evidence is a slope above 0 that a healthy path would show with a chance of
        one in a thousand, given how much its noise resembles itself, and an interval
        that ends within `REACH` times the past. A jump begins the past again.
        """
        while len(self._points) >= _MIN_POINTS:
            past, lines = self._straightened()
            if not rises(past, lines, false_evidence=_FALSE_EVIDENCE):
                return None
            curves = fit_curves(past)
            residual = lines.residual[lines.best]
            if curves.squares.min() < lines.squares[lines.best]:
                residual = best_residual(past, curves)
            jump = best_jump(past.hours, past.log_value)
            if jump is None or not self._is_clear(jump, lines, curves):
                past = past._replace(independent=self._independent(residual))
                return self._told(past, lines, curves, confidence=confidence)
            del self._points[: jump.first]
        return None

    def _straightened(self) -> tuple[Past, Lines]:
        """Return the past and the lines through it, wild points held down."""
        hours, log_value = (np.array(each) for each in zip(*self._points, strict=True))
        weight = np.ones(len(hours))
        lines = fit_lines(hours, log_value, weight)
        for _ in range(2):
            weight = mild_weight(lines.residual[lines.best])
            lines = fit_lines(hours, log_value, weight)
        return Past(hours, log_value, weight, float(len(hours))), lines

    def _is_clear(self, jump: Jump, lines: Lines, curves: Curves) -> bool:
        squares = min(float(lines.squares.min()), float(curves.squares.min()))
        likeness = len(self._points) / self._independent(jump.residual)
        return jump.is_clear(squares, likeness)

    def _told(
        self, past: Past, lines: Lines, curves: Curves, *, confidence: float
    ) -> RemainingLife | None:
        if past.independent < _MIN_INDEPENDENT:
            return None
        if not rises(past, lines, false_evidence=_FALSE_EVIDENCE):
            return None
        left_h = self._passages(past, lines, curves) - self._latest_h
        life = _interval(np.maximum(left_h, 0.0), confidence)
        seen_h = self._latest_h - float(past.hours[0])
        return life if life.high_h <= REACH * seen_h else None

    def _independent(self, residual: FloatColumn) -> float:
        """Return how many independent points the points are worth.

        What is below the resolution of instruments resembles nothing.
        """
        count = len(residual)
        power = float(residual @ residual) + count * RESOLUTION**2
        likeness = float(residual[1:] @ residual[:-1]) / power
        likeness += (1.0 + 3.0 * likeness) / count  # its bias in short series
        likeness = min(max(likeness, 0.0), 0.95)
        shared = max(1.0, (1 + self._overlap_rows) / self._stride)
        return count / max((1.0 + likeness) / (1.0 - likeness), shared)

    def _passages(self, past: Past, lines: Lines, curves: Curves) -> FloatColumn:
        """Draw life hours of first passage, from each family as it is likely.

        The generator is seeded: the same past has the same future.
        """
        evidence = np.array(
            [
                past.evidence(float(lines.squares[0]), PARAMETERS - 1),
                past.evidence(float(lines.squares.min()), PARAMETERS),
                past.evidence(float(curves.squares.min()), PARAMETERS),
            ]
        )
        chance = np.exp(evidence - evidence.max())
        share = np.round(chance / chance.sum() * _DRAWS).astype(int)
        level, rng = self._log_level, np.random.default_rng(_SEED)
        return np.concatenate(
            (
                line_passages(past, lines.straight, level, draws=share[0], rng=rng),
                line_passages(past, lines, level, draws=share[1], rng=rng),
                curve_passages(past, curves, level, draws=share[2], rng=rng),
            )
        )


def _mean(points: list[tuple[float, float]]) -> tuple[float, float]:
    count = len(points)
    return sum(h for h, _ in points) / count, sum(y for _, y in points) / count


def _interval(left_h: FloatColumn, confidence: float) -> RemainingLife:
    tail = (1.0 - confidence) / 2.0
    low_h, middle_h, high_h = np.quantile(
        left_h, (tail, 0.5, 1.0 - tail), method="inverted_cdf"
    )
    return RemainingLife(float(middle_h), float(low_h), float(high_h), confidence)
