"""A clock that moves only when somebody sleeps."""

from __future__ import annotations

import asyncio

START_NS = 1_700_000_000_000_000_000


class SetClock:
    """Time passes only in `sleep` and by `pass_s`."""

    def __init__(self) -> None:
        self.elapsed_s = 0.0

    def utc_ns(self) -> int:
        return START_NS + round(self.elapsed_s * 1e9)

    def now_s(self) -> float:
        return self.elapsed_s

    async def sleep(self, seconds: float) -> None:
        self.pass_s(max(0.0, seconds))
        await asyncio.sleep(0)

    def pass_s(self, seconds: float) -> None:
        self.elapsed_s += seconds
