"""The plant's own clock; it shares none with the product."""

from __future__ import annotations

import time

NS_PER_S = 1_000_000_000


class PlantClock:
    """Seconds since the plant was switched on: monotonic, dated once."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Make this moment plant time 0."""
        self.start_utc_ns = time.time_ns()
        self._start_ns = time.monotonic_ns()

    def now_s(self) -> float:
        """Plant time."""
        return (time.monotonic_ns() - self._start_ns) / NS_PER_S

    def utc_ns(self, t_s: float) -> int:
        """The date of a plant time."""
        return self.start_utc_ns + round(t_s * NS_PER_S)
