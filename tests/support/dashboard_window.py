"""A dashboard that a test drives: keys in, text out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from appliance.dashboard.app import Dashboard
    from tests.support.dashboard_side import SteeredClock

WITHIN_S = 60.0


def screen_text(app: Dashboard) -> str:
    """Return what is on the terminal."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip).rstrip() for strip in strips)


class Window:
    """A dashboard that is driven: keys in, text out."""

    def __init__(self, app: Dashboard, pilot: Pilot[None], clock: SteeredClock) -> None:
        self.app = app
        self.pilot = pilot
        self.clock = clock

    @property
    def text(self) -> str:
        return screen_text(self.app)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()

    async def until(
        self, condition: Callable[[], object], missing: object = "a condition"
    ) -> None:
        """Wait until something holds; show the screen when it never does."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while not condition():
                    self.app.redraw()
                    await self.pilot.pause()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"{missing} never came; the screen was:\n{self.text}")

    async def until_text(self, *words: str) -> None:
        missing: list[str] = []

        def found() -> bool:
            text = self.text
            now_missing = [word for word in words if word not in text]
            if not missing or len(now_missing) < len(missing):
                missing[:] = now_missing
            return not now_missing

        await self.until(found, missing)

    async def confirm(self) -> None:
        """Press `y` as late as a person would."""
        self.clock.added_s += 1.0
        await self.press("y")
