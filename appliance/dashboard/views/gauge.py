"""Where a value stands within range and limits, in one line. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from appliance.dashboard.limits import TRIP
from appliance.dashboard.readings import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.dashboard.limits import Limit
    from appliance.dashboard.readings import Reading
    from appliance.dashboard.views.words import Row

VALUE, ALARM, STOP, GROUND = "●", "|", "‖", "─"
_BEYOND_LIMITS = 1.3


def gauge(reading: Reading, limits: Sequence[Limit], width: int) -> Row:
    """Return a scale with the limits marked, and the value while it may be believed.

    It reaches as far as the limits do; without any, over the instrument's range. Blank
    where neither is known.
    """
    scale = _scale(reading, limits)
    if scale is None or reading.waveform or width < 1:
        return ((" " * width, ""),)
    cells = [GROUND] * width
    for limit in limits:
        cells[_cell(limit.level, scale, width)] = (
            STOP if limit.priority == TRIP else ALARM
        )
    if reading.trust not in {Trust.GOOD, Trust.UNCERTAIN}:
        return (("".join(cells), "limit"),)
    place = _cell(reading.value, scale, width)
    passed = any(limit.passed_by(reading.value) for limit in limits)
    return (
        ("".join(cells[:place]), "limit"),
        (VALUE, "strong" if passed else ""),
        ("".join(cells[place + 1 :]), "limit"),
    )


def _scale(reading: Reading, limits: Sequence[Limit]) -> tuple[float, float] | None:
    low, high = reading.range_low, reading.range_high
    low = 0.0 if low is None or not math.isfinite(low) else low
    tops = [limit.level for limit in limits if limit.above]
    if tops and (high is None or high > _BEYOND_LIMITS * max(tops) > low):
        high = _BEYOND_LIMITS * max(tops)
    if high is None or not math.isfinite(high) or not high > low:
        return None
    return low, high


def _cell(value: float, scale: tuple[float, float], width: int) -> int:
    low, high = scale
    if not math.isfinite(value):
        return 0
    share = (value - low) / (high - low)
    return min(width - 1, max(0, int(share * width)))
