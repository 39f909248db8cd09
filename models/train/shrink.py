"""How much of a covariance to believe: as much as predicts rows it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.features.table import FloatTable

GRID = (1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 0.6)
_BLOCKS = 5


def shrinkage_by_likelihood(scaled: FloatTable) -> float:
    """Return the shrinkage, of `GRID`, under which held-out blocks are likeliest.

    Contiguous blocks, and the normal distribution's likelihood (Friedman 1989): the
    more rows there are for each tag, the finer the relations that are believed.
    """
    total = np.zeros(len(GRID))
    every = np.arange(len(scaled))
    for block in np.array_split(every, _BLOCKS):
        seen = np.setdiff1d(every, block)
        if len(seen) and len(block):
            total += _likelihoods(scaled[seen], scaled[block])
    return GRID[int(total.argmax())]


def _likelihoods(seen: FloatTable, held_out: FloatTable) -> np.ndarray:
    center = seen.mean(axis=0)
    off = seen - center
    variance, axes = np.linalg.eigh(off.T @ off / len(off))
    squares = ((held_out - center) @ axes) ** 2
    even = max(float(variance.mean()), 1e-12)
    found = []
    for shrinkage in GRID:
        shrunk = (1.0 - shrinkage) * np.maximum(variance, 0.0) + shrinkage * even
        size = len(held_out) * np.log(shrunk).sum()
        found.append(-0.5 * (float((squares / shrunk).sum()) + float(size)))
    return np.array(found)
