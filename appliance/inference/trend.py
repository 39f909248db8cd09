"""Does a path rise? Straight lines in the logarithm, each from its own onset."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.inference.student import t_quantile

if TYPE_CHECKING:
    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

RESOLUTION = 1e-3
"""Of a logarithm: no instrument tells a tenth of a per cent."""

PARAMETERS = 3
"""Level, slope, and onset or rate."""

_ONSETS = 64
_HUBER = 1.345  # in standard deviations: 95 % efficient where nothing is wrong


class Past(NamedTuple):
    """What was observed, [points]; `independent` is how many these are worth."""

    hours: FloatColumn
    log_value: FloatColumn
    weight: FloatColumn
    independent: float

    @property
    def freedom(self) -> int:
        """Degrees of freedom that are left, at least 1."""
        return max(1, math.floor(self.independent) - PARAMETERS)

    def variance(self, squares: FloatColumn) -> FloatColumn:
        """Return a point's variance, enlarged for points that resemble each other."""
        count = len(self.hours)
        freedom = max(1.0, count - PARAMETERS)
        return squares / freedom * (count / self.independent)

    def likelihood(self, squares: FloatColumn) -> FloatColumn:
        """Return how well each fit explains the past, the best with 1."""
        log_likely = -0.5 * self.independent * np.log(squares)
        likely: FloatColumn = np.exp(log_likely - log_likely.max())
        return likely

    def evidence(self, squares: float, parameters: int) -> float:
        """Return the logarithm of a family's evidence (Schwarz 1978)."""
        fit = self.independent * math.log(squares)
        return -0.5 * (fit + parameters * math.log(self.independent))


class Lines(NamedTuple):
    """`log_value = level + slope * max(0, hours - onset)`, for each onset [onsets].

    The first onset is the first point: a line without a corner.
    """

    onset_h: FloatColumn
    place: FloatColumn  # weighted mean of the hours past the onset
    slope: FloatColumn
    spread: FloatColumn  # weighted sum of squares of the hours past the onset
    squares: FloatColumn  # weighted sum of squared residuals
    residual: FloatTable  # [onsets, points]
    level: float  # weighted mean of the logarithm: the line at `place`

    @property
    def best(self) -> int:
        """The line that explains the past best."""
        return int(self.squares.argmin())

    @property
    def straight(self) -> Lines:
        """The line without a corner, alone."""
        return Lines(
            onset_h=self.onset_h[:1],
            place=self.place[:1],
            slope=self.slope[:1],
            spread=self.spread[:1],
            squares=self.squares[:1],
            residual=self.residual[:1],
            level=self.level,
        )


def fit_lines(hours: FloatColumn, log_value: FloatColumn, weight: FloatColumn) -> Lines:
    """Fit level and slope for every onset; three points at least lie behind it."""
    last = len(hours) - 3
    points = np.unique(np.linspace(0, last - 1, min(_ONSETS, last)).astype(int))
    onset_h = hours[points]
    past_h = np.maximum(0.0, hours - onset_h[:, np.newaxis])
    total = weight.sum()
    place = past_h @ weight / total
    level = float(log_value @ weight / total)
    off = past_h - place[:, np.newaxis]
    spread = (off * off) @ weight
    slope = (off * (log_value - level)) @ weight / spread
    residual = log_value - level - slope[:, np.newaxis] * off
    squares = (residual * residual) @ weight + len(hours) * RESOLUTION**2
    return Lines(onset_h, place, slope, spread, squares, residual, level)


def mild_weight(residual: FloatColumn) -> FloatColumn:
    """Return weights that let a wild point pull no more than a mild one (Huber)."""
    sigma = 1.4826 * float(np.median(np.abs(residual)))
    far = np.abs(residual) / max(_HUBER * sigma, RESOLUTION)
    return 1.0 / np.maximum(far, 1.0)


def rises(past: Past, lines: Lines, *, false_evidence: float) -> bool:
    """Say whether the best line rises by more than a level path would by chance."""
    best = lines.best
    error = math.sqrt(past.variance(lines.squares)[best] / lines.spread[best])
    needed = t_quantile(1.0 - false_evidence, past.freedom) * error
    return bool(lines.slope[best] > needed)


def line_passages(
    past: Past,
    lines: Lines,
    log_level: float,
    *,
    draws: int,
    rng: np.random.Generator,
) -> FloatColumn:
    """Draw life hours at which the line reaches a level; infinite where it falls."""
    likely = past.likelihood(lines.squares)
    chosen = rng.choice(len(likely), draws, p=likely / likely.sum())
    heavy = np.sqrt(past.freedom / rng.chisquare(past.freedom, draws))
    sigma = heavy * np.sqrt(past.variance(lines.squares))[chosen]
    first, second = rng.standard_normal((2, draws))
    slope = lines.slope[chosen] + sigma * first / np.sqrt(lines.spread[chosen])
    level = lines.level + sigma * second / math.sqrt(len(past.hours))
    rising = slope > 0.0
    way_h = (log_level - level) / np.where(rising, slope, 1.0)
    passage_h = lines.onset_h[chosen] + lines.place[chosen] + way_h
    return np.where(rising, passage_h, np.inf)
