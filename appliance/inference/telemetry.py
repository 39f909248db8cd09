"""What a model says of itself while it works: how fast, how sure, how near its limit.

Bounded: the newest `MEMORY` windows count.
"""

from __future__ import annotations

import math
import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.modes import UNKNOWN_NAME

if TYPE_CHECKING:
    from appliance.inference.detector import Verdict

MEMORY = 512
QUANTILES = (0.5, 0.9, 0.99)
_STATM = Path("/proc/self/statm")


class Telemetry:
    """Of one asset under one model; windows of the running machine count."""

    def __init__(self) -> None:
        self._took_ms: deque[float] = deque(maxlen=MEMORY)
        self._scores: deque[float] = deque(maxlen=MEMORY)
        self._confidence: deque[float] = deque(maxlen=MEMORY)
        self._unknown: deque[bool] = deque(maxlen=MEMORY)

    def took(self, seconds: float) -> None:
        """Take how long one window took, from its features to its health."""
        self._took_ms.append(1000.0 * seconds)

    def saw(self, verdict: Verdict, coverage: float) -> None:
        """Take a verdict, and which part of its window was seen (0…1).

        Where nothing could be said, nothing is sure.
        """
        known = math.isfinite(verdict.score)
        self._confidence.append(coverage if known else 0.0)
        self._unknown.append(verdict.mode == UNKNOWN_NAME)
        if known:
            self._scores.append(verdict.score / verdict.limit)

    def told(self) -> dict[str, float]:
        """Return the figures by name; one that is not known yet is left out.

        `took_ms_p50` …, `score_p50` … (as a part of the limit), `confidence` (the part
        of the windows that was seen and could be judged), `unknown_mode_share`.
        """
        found = _quantiles("took_ms", self._took_ms)
        found |= _quantiles("score", self._scores)
        if self._confidence:
            found["confidence"] = _mean(self._confidence)
            found["unknown_mode_share"] = _mean(self._unknown)
        return found


def memory_bytes() -> int:
    """Return how much memory this process has in use (resident set)."""
    pages = int(_STATM.read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _quantiles(name: str, values: deque[float]) -> dict[str, float]:
    if not values:
        return {}
    found = np.quantile(tuple(values), QUANTILES).tolist()
    return {
        f"{name}_p{100 * part:.0f}": round(value, 4)
        for part, value in zip(QUANTILES, found, strict=True)
    }


def _mean(values: deque[float] | deque[bool]) -> float:
    # a copy: a thread may be adding to it
    return round(float(np.mean(tuple(values))), 4)
