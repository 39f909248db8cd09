"""When a machine begins to behave otherwise: the jump of its short-term mean.

Used by training, for the limit, and at the edge, for the decision: one definition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

RECENT_ROWS = 5
BEFORE_ROWS = 60
"""The mean of the last 5 rows is held against that of the 60 before them."""


def jumps(shift: FloatTable) -> FloatColumn:
    """Return, per row, how far the recent mean is from the one before it.

    `shift` [n, features] are rows in which every direction is of the size 1 while all
    is normal. NaN until there are rows enough, and where a row is missing (NaN).
    """
    count = len(shift)
    found = np.full(count, np.nan)
    whole = RECENT_ROWS + BEFORE_ROWS
    if count < whole:
        return found
    missing = np.logical_not(np.isfinite(shift).all(axis=1))
    known = np.where(np.isfinite(shift), shift, 0.0)
    totals = np.concatenate((np.zeros((1, shift.shape[1])), np.cumsum(known, axis=0)))
    holes = np.concatenate(([0], np.cumsum(missing)))
    last = np.arange(whole, count + 1)
    recent = (totals[last] - totals[last - RECENT_ROWS]) / RECENT_ROWS
    before = (totals[last - RECENT_ROWS] - totals[last - whole]) / BEFORE_ROWS
    jump = np.linalg.norm(recent - before, axis=1)
    found[whole - 1 :] = np.where(holes[last] > holes[last - whole], np.nan, jump)
    return found
