"""Student's t without a statistics library: what is certain with few points."""

from __future__ import annotations

import math
from functools import lru_cache


def t_cdf(t: float, freedom: int) -> float:
    """Return P(T <= t) for whole degrees of freedom >= 1 (Abramowitz, Stegun 26.7)."""
    angle = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2 == 1
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 if odd else 1, freedom - 2, 2):
        term *= cosine * cosine * k / (k + 1)
        total += term
    central = 2.0 / math.pi * (angle + sine * total) if odd else sine * total
    return 0.5 + central / 2.0


@lru_cache(maxsize=1024)
def t_quantile(probability: float, freedom: int) -> float:
    """Return the t that is not exceeded with a probability of at least a half."""
    if not 0.5 <= probability < 1.0:  # noqa: PLR2004 - the upper half
        raise ValueError("needs 0.5 <= probability < 1")
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < probability:
        high *= 2.0
    for _ in range(80):
        middle = (low + high) / 2.0
        if t_cdf(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return high
