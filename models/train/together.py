"""Parts that look at different things, joined so that each counts alike."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from models.parts import AUTOENCODER, FOREST, NEIGHBOURS, SHORT, SPE, STILL, T2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

TOGETHER = ((SHORT,), (T2, SPE), (NEIGHBOURS,), (FOREST,), (AUTOENCODER,))
"""What is one distance: T2 and SPE are halves of one. What stood is not among them."""

_TYPICAL = 0.9  # quantile of held-out distances that makes them comparable


def units_of(parts: FloatTable, names: Sequence[str]) -> dict[str, float]:
    """Return, by part, what is typical of its distance; 0 where it sees nothing.

    `parts` [rows, names] are distances of rows that were held out.
    """
    found: dict[str, float] = {}
    for group in TOGETHER:
        own = [name for name in group if name in names]
        if own:
            columns = [parts[:, names.index(name)] for name in own]
            whole = reduce(np.hypot, columns)
            found |= dict.fromkeys(own, float(np.quantile(whole, _TYPICAL)))
    return found


def weights_of(units: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Return the weights under which all distances count alike; what stood has none."""
    seen = sum(any(units.get(name, 0.0) > 0.0 for name in group) for group in TOGETHER)
    weights = dict.fromkeys(names, 0.0)
    for name, unit in units.items():
        weights[name] = 1.0 / (unit * np.sqrt(seen)) if unit > 0.0 else 0.0
    return weights


def joined(
    parts: FloatTable, names: Sequence[str], units: Mapping[str, float]
) -> FloatColumn:
    """Return the length of all parts together, weighed."""
    weights = weights_of(units, names)
    weighed = parts * [0.0 if name == STILL else weights[name] for name in names]
    return np.asarray(np.linalg.norm(weighed, axis=1))
