"""The one place that reads the clock."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """The machine's own clocks (see `domain.ports.Clock`)."""

    def utc_ns(self) -> int:
        """Wall clock, nanoseconds since 1970."""
        return time.time_ns()

    def now_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; a negative time only yields to other tasks."""
        await asyncio.sleep(max(0.0, seconds))
