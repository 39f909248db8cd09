"""Are two samples of one kind? After Kolmogorov and Smirnov. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.features.asset import FloatColumn

_SURE = 0.3  # so near that the series does not converge: they are of one kind
_TERMS = 100


def ks_distance(ours: FloatColumn, theirs: FloatColumn) -> float:
    """Return the largest distance between the distributions of two samples."""
    ours, theirs = np.sort(ours), np.sort(theirs)
    every = np.concatenate((ours, theirs))
    below = np.searchsorted(ours, every, side="right") / len(ours)
    beside = np.searchsorted(theirs, every, side="right") / len(theirs)
    return float(np.abs(below - beside).max())


def ks_chance(distance: float, ours: float, theirs: float) -> float:
    """Return how probable so large a distance is between samples of one kind.

    For so many independent values each: Kolmogorov's distribution, with the correction
    of Stephens (1970) for few.
    """
    root = math.sqrt(ours * theirs / (ours + theirs))
    far = (root + 0.12 + 0.11 / root) * distance
    if far < _SURE:
        return 1.0
    signs = (1.0, -1.0)
    terms = (
        signs[k % 2] * math.exp(-2.0 * ((k + 1) * far) ** 2) for k in range(_TERMS)
    )
    return min(max(2.0 * math.fsum(terms), 0.0), 1.0)


def independent(values: FloatColumn) -> float:
    """Return as how many independent values a series counts, at least one.

    By its autocorrelation, summed as long as it is positive (Geyer 1992).
    """
    off = values - values.mean()
    power = float(off @ off)
    if not power > 0.0:
        return 1.0
    alike = 1.0
    for lag in range(1, len(off)):
        correlation = float(off[:-lag] @ off[lag:]) / power
        if correlation <= 0.0:
            break
        alike += 2.0 * correlation
    return max(1.0, len(off) / alike)
