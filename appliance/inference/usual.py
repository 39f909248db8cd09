"""What is usual for a machine: remembered from windows that were judged normal.

A value is thinned in time: when the memory is full, every second value goes and only
every second one is taken from then on. So the memory spans the whole healthy past, and
a fault that creeps in does not become usual before it is seen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMORY = 64
FEWEST = 8
"""Fewer values than that say nothing of what is usual."""

_SPREAD_OF_MAD = 1.4826
_SMALLEST_SPREAD = 0.002  # of the usual value: an instrument is no better than that


class Usual(NamedTuple):
    """The middle of a symptom's usual values, and their spread (as a deviation)."""

    centre: float
    spread: float


class UsualSymptoms:
    """The usual value of each symptom. Windows are to be offered in order."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {}
        self._usual: dict[str, Usual | None] = {}  # of what has been asked
        self._stride = 1
        self._offered = 0

    def wants(self) -> bool:
        """Count a normal window, and say whether its symptoms are to be remembered."""
        self._offered += 1
        return self._offered % self._stride == 0

    def remember(self, symptoms: Mapping[str, float]) -> None:
        """Keep the symptoms of a normal window."""
        self._usual.clear()
        for name, value in symptoms.items():
            if math.isfinite(value):
                self._values.setdefault(name, []).append(value)
        if max(map(len, self._values.values()), default=0) >= MEMORY:
            self._stride *= 2
            for values in self._values.values():
                del values[::2]

    def of(self, name: str) -> Usual | None:
        """Return what is usual; None where too little was seen."""
        if name not in self._usual:
            self._usual[name] = self._middle(name)
        return self._usual[name]

    def changes(self, symptoms: Mapping[str, float]) -> dict[str, float]:
        """Return what became of each known symptom: `_z`, `_pct` and `_ratio`.

        In usual spreads, in per cent of the usual value, and as a multiple of it.
        """
        found: dict[str, float] = {}
        for name, value in symptoms.items():
            usual = self.of(name)
            if usual is None or usual.spread == 0.0:
                continue
            found[f"{name}_z"] = (value - usual.centre) / usual.spread
            if usual.centre > 0.0:
                found[f"{name}_ratio"] = value / usual.centre
                found[f"{name}_pct"] = 100.0 * (value / usual.centre - 1.0)
                found[f"{name}_usual"] = usual.centre
        return found

    def _middle(self, name: str) -> Usual | None:
        values = self._values.get(name, ())
        if len(values) < FEWEST:
            return None
        centre = float(np.median(values))
        spread = _SPREAD_OF_MAD * float(np.median(np.abs(np.array(values) - centre)))
        return Usual(centre, max(spread, _SMALLEST_SPREAD * abs(centre)))
