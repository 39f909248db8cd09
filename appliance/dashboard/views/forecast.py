"""Where the health of an asset goes from here, with its interval, as a fan. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from appliance.dashboard.machines import Asset

FAN, MIDDLE = "░", "─"
_NARROWEST = 4


class Fan(NamedTuple):
    """Lines from the top (1 as new) down (0 failed), for so many hours from now."""

    lines: tuple[str, ...] = ()
    hours: float = 0.0

    @property
    def width(self) -> int:
        """Columns of the drawing."""
        return len(self.lines[0]) if self.lines else 0


def fan_of(asset: Asset, width: int, height: int) -> Fan:
    """Return the way to failure: expected, and where it lies 8 times in 10.

    The index falls to 0 at the end of the remaining life, by its meaning; between, it
    is drawn straight. Empty where there is no life, no health, or no room.
    """
    life, health = asset.life, asset.health
    if life is None or health is None or width < _NARROWEST or height < 1:
        return Fan()
    horizon_h = life.high_h if math.isfinite(life.high_h) else 2.0 * life.expected_h
    if not horizon_h > 0.0 or not math.isfinite(horizon_h):
        return Fan()
    rows = [[" "] * width for _ in range(height)]
    for column in range(width):
        at_h = horizon_h * (column + 0.5) / width
        low, middle, high = (
            health * max(0.0, 1.0 - at_h / end_h) if end_h > 0.0 else 0.0
            for end_h in (life.low_h, life.expected_h, life.high_h)
        )
        for row in range(_line(high, height), _line(low, height) + 1):
            rows[row][column] = FAN
        rows[_line(middle, height)][column] = MIDDLE
    return Fan(tuple("".join(row) for row in rows), horizon_h)


def _line(health: float, height: int) -> int:
    """Return the line of a health index, 0 at the top."""
    return min(height - 1, max(0, int((1.0 - health) * height)))
