"""When a machine begins to behave otherwise, told as it happens. Pure.

A change is no anomaly: a machine that returns to normal changes, too. What is followed
is the jump of the mean of the tags, each direction in units of its usual spread
(`models.changes`); the limit is the largest jump of the training.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from models.changes import BEFORE_ROWS, RECENT_ROWS, jumps

if TYPE_CHECKING:
    from models.features.asset import FloatColumn

_NS = 1_000_000_000


class ChangeWatch:
    """Says on which window a change is found.

    Once found, the next one needs a jump within the limit in between, and
    `cool_down_s`. `limit` None (not learned): nothing is said.
    """

    def __init__(self, limit: float | None, *, cool_down_s: float) -> None:
        self._limit = limit
        self._cool_down_ns = round(cool_down_s * _NS)
        self._rows: deque[FloatColumn] = deque(maxlen=RECENT_ROWS + BEFORE_ROWS)
        self._found_ns: int | None = None
        self._armed = True

    def push(self, time_ns: int, shift: FloatColumn) -> bool:
        """Take where a window stands (`shift` of its answers); is it a change?"""
        self._rows.append(shift)
        return self.step(time_ns, float(jumps(np.array(self._rows))[-1]))

    def step(self, time_ns: int, jump: float) -> bool:
        """Take a jump; NaN says nothing."""
        if self._limit is None:
            return False
        if not jump > self._limit:
            self._armed = self._armed or jump <= self._limit
            return False
        last_ns = self._found_ns
        peace = last_ns is None or not 0 <= time_ns - last_ns < self._cool_down_ns
        if not (self._armed and peace):
            return False
        self._armed, self._found_ns = False, time_ns
        return True
