"""What a unit's past says at each cycle: levels, spreads and slopes, looking back only.

All functions take one unit's rows in order, [cycles, columns]; windows that are longer
than the past take what there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.signal import lfilter

if TYPE_CHECKING:
    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

WINDOW = 30
_LONG = 60
_SHORT = 5
_YOUTH = 20  # cycles that a unit's own new state is measured over
_FAST, _SLOW = 20, 50  # span of the exponential means


def past_features(columns: FloatTable, cycle: FloatColumn) -> FloatTable:
    """Return 10 features of each column, and the age; [cycles, 10 * columns + 1]."""
    level = trailing_mean(columns, WINDOW)
    variance = trailing_mean(columns * columns, WINDOW) - level * level
    young = trailing_mean(columns, _YOUTH)
    young = young[np.minimum(np.arange(len(columns)), _YOUTH - 1)]
    fast = exponential_mean(columns, _FAST)
    recent = trailing_mean(columns, WINDOW // 3) - trailing_mean(
        columns, 4 * WINDOW // 3
    )
    parts = (
        level,
        np.sqrt(np.maximum(variance, 0.0)),
        trailing_slope(columns, WINDOW),
        trailing_mean(columns, _SHORT),
        fast,
        fast - young,
        exponential_mean(columns, _SLOW),
        trailing_slope(columns, _LONG),
        trailing_slope(columns, len(columns)),
        recent,
        cycle[:, np.newaxis],
    )
    return np.concatenate(parts, axis=1)


def trailing_mean(columns: FloatTable, rows: int) -> FloatTable:
    """Return the mean of the last `rows` rows, up to each row."""
    total = np.vstack((np.zeros((1, columns.shape[1])), np.cumsum(columns, axis=0)))
    end = np.arange(1, len(columns) + 1)
    begin = np.maximum(end - rows, 0)
    return np.asarray((total[end] - total[begin]) / (end - begin)[:, np.newaxis])


def trailing_slope(columns: FloatTable, rows: int) -> FloatTable:
    """Return the least-squares slope per row over the last `rows` rows."""
    place = np.arange(len(columns), dtype=np.float64)[:, np.newaxis]
    mean, middle = trailing_mean(columns, rows), trailing_mean(place, rows)
    together = trailing_mean(place * columns, rows) - middle * mean
    spread = trailing_mean(place * place, rows) - middle * middle
    rises = spread > 1e-9  # noqa: PLR2004 - one row alone has no slope
    return np.where(rises, together / np.where(rises, spread, 1.0), 0.0)


def exponential_mean(columns: FloatTable, span: float) -> FloatTable:
    """Return the exponentially weighted mean, unbiased from the first row on."""
    keep = 1.0 - 2.0 / (span + 1.0)
    total = lfilter([1.0], [1.0, -keep], columns, axis=0)
    weight = lfilter([1.0], [1.0, -keep], np.ones((len(columns), 1)), axis=0)
    return np.asarray(total / weight)
