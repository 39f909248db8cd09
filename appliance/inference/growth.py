"""How damage grows: a base that stays, and a part that grows in proportion to itself.

    value**p = base + part * exp(p * rate * hours)

With p = 2 the energies of independent vibrations add, with p = 1 the values do. For
one rate and power the curve is a line in base and part: a grid of rates and powers
is fitted, and each is weighed by how well it explains the past.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.inference.trend import RESOLUTION

if TYPE_CHECKING:
    from appliance.inference.trend import Past
    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

_POWERS = np.array([1.0, 2.0])
_RATES = 40
_SLOWEST, _FASTEST = 0.1, 60.0  # e-folds over the whole past
_STAGES = 3  # each finer than the last
_STEPS = 4  # of Gauss and Newton
_NEGLIGIBLE = 1e-4


class Curves(NamedTuple):
    """Fitted curves, [curves]; hours count from the newest point, values from `unit`.

    The last three columns are the inverse of the normal equations of base and part.
    """

    unit: FloatColumn
    rate: FloatColumn
    power: FloatColumn
    base: FloatColumn
    part: FloatColumn
    squares: FloatColumn  # weighted sum of squared residuals of the logarithm
    base_base: FloatColumn
    base_part: FloatColumn
    part_part: FloatColumn


def fit_curves(past: Past) -> Curves:
    """Fit a grid of rates; then a finer one where the likely ones were."""
    span_h = float(np.ptp(past.hours))
    slowest, fastest = _SLOWEST / span_h, _FASTEST / span_h
    for _ in range(_STAGES):
        rates = np.geomspace(slowest, fastest, _RATES)
        curves = _fit(past, np.repeat(rates, len(_POWERS)), np.tile(_POWERS, _RATES))
        likely = past.likelihood(curves.squares) > _NEGLIGIBLE
        step = rates[1] / rates[0]
        slowest = float(curves.rate[likely].min()) / step
        fastest = float(curves.rate[likely].max()) * step
    return curves


def curve_passages(
    past: Past,
    curves: Curves,
    log_level: float,
    *,
    draws: int,
    rng: np.random.Generator,
) -> FloatColumn:
    """Draw life hours at which the curve reaches a level.

    Minus infinite where the base alone is over it, infinite where nothing grows.
    """
    likely = past.likelihood(curves.squares)
    chosen = rng.choice(len(likely), draws, p=likely / likely.sum())
    picked = Curves._make(column[chosen] for column in curves)
    heavy = np.sqrt(past.freedom / rng.chisquare(past.freedom, draws))
    sigma = heavy * np.sqrt(past.variance(picked.squares))
    first, second = rng.standard_normal((2, draws))
    root = np.sqrt(picked.base_base)
    across = picked.base_part / root
    rest = np.sqrt(np.maximum(picked.part_part - across * across, 0.0))
    base = picked.base + sigma * root * first
    part = picked.part + sigma * (across * first + rest * second)
    # less than nothing cannot remain of a vibration
    rise = np.exp(picked.power * (log_level - picked.unit)) - np.maximum(base, 0.0)
    passage_h = np.full(draws, np.inf)
    passage_h[rise <= 0.0] = -np.inf
    ahead = (rise > 0.0) & (part > 0.0)
    folds = np.log(rise[ahead] / part[ahead])
    passage_h[ahead] = folds / (picked.power[ahead] * picked.rate[ahead])
    return np.asarray(passage_h + past.hours[-1], dtype=np.float64)


def best_residual(past: Past, curves: Curves) -> FloatColumn:
    """Return what the likeliest curve leaves unexplained of the logarithm."""
    best = int(curves.squares.argmin())
    power, rate = curves.power[best], curves.rate[best]
    growth = np.exp(power * rate * (past.hours - past.hours[-1]))
    value = np.maximum(curves.base[best] + curves.part[best] * growth, 1e-300)
    fitted = curves.unit[best] + np.log(value) / power
    return np.asarray(past.log_value - fitted, dtype=np.float64)


def _fit(past: Past, rate: FloatColumn, power: FloatColumn) -> Curves:
    """Fit base and part of every curve to the logarithm, by Gauss and Newton."""
    unit = float(past.log_value.mean())
    log_value = past.log_value - unit
    column = power[:, np.newaxis]
    growth = np.exp(column * rate[:, np.newaxis] * (past.hours - past.hours[-1]))
    target = np.exp(column * log_value)
    fitted = target
    base = part = np.zeros(len(rate))
    inverse = (base, base, base)
    for _ in range(_STEPS):
        # near the fit, a residual of the logarithm is that of the power over p * fit
        weight = past.weight / (column * fitted) ** 2
        wanted = fitted * (1.0 + column * log_value - np.log(fitted))
        base, part, inverse = _line(growth, wanted, weight)
        fitted = base[:, np.newaxis] + part[:, np.newaxis] * growth
        fitted = np.maximum(fitted, 1e-3 * target)
    residual = log_value - np.log(fitted) / column
    squares = (residual * residual) @ past.weight
    squares = squares + len(past.hours) * RESOLUTION**2
    units = np.full(len(rate), unit)
    return Curves(units, rate, power, base, part, squares, *inverse)


def _line(
    growth: FloatTable, wanted: FloatTable, weight: FloatTable
) -> tuple[FloatColumn, FloatColumn, tuple[FloatColumn, FloatColumn, FloatColumn]]:
    """Solve `wanted = base + part * growth`; with the inverse normal equations."""
    one = weight.sum(axis=1)
    once = (weight * growth).sum(axis=1)
    twice = (weight * growth * growth).sum(axis=1)
    known = (weight * wanted).sum(axis=1)
    known_growth = (weight * wanted * growth).sum(axis=1)
    determinant = np.maximum(one * twice - once * once, 1e-300)
    base = (twice * known - once * known_growth) / determinant
    part = (one * known_growth - once * known) / determinant
    return base, part, (twice / determinant, -once / determinant, one / determinant)
