"""What both processes of the tests' gateway share: a clock, a folder, and who acts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from appliance.link.roles import Role
from appliance.link.server import LinkServer

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.config import Config

START_NS = 1_790_000_000_000_000_000


class SteeredClock:
    """Stands still but for what the test adds; sleeps are cut short.

    So no value grows old while a busy machine takes its time.
    """

    def __init__(self) -> None:
        self.added_s = 0.0

    def now_s(self) -> float:
        return 1_000.0 + self.added_s

    def utc_ns(self) -> int:
        return START_NS + round(self.now_s() * 1e9)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


class Side:
    """A process with its socket in a folder; `acted` is what a window asked for."""

    def __init__(self, run_dir: Path, clock: SteeredClock, config: Config) -> None:
        self.clock = clock
        self.config = config
        self.run_dir = run_dir
        self.acted: list[tuple[str, dict[str, Any]]] = []
        self.role = Role.SUPERVISOR

    def _server(self, name: str) -> LinkServer:
        path = self.run_dir / f"{name}.sock"
        return LinkServer(path, process=name, role_of=lambda _uid, _gid: self.role)
