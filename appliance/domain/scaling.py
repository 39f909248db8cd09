"""Raw counts to engineering units; what is out of range is bad."""

from __future__ import annotations

import math
from dataclasses import dataclass

from appliance.domain.sample import (
    STATUS_BAD_NOT_A_NUMBER,
    STATUS_BAD_OUT_OF_RANGE,
    STATUS_BAD_SENSOR_FAILURE,
    STATUS_GOOD,
)


@dataclass(frozen=True, slots=True)
class Scaling:
    """`value = raw * factor + offset`, valid within `[low, high]` engineering units.

    `fault_raw` is the raw count by which the instrument says it has failed (for
    example 0xFFFF); that count is never a value.
    """

    factor: float = 1.0
    offset: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    fault_raw: float | None = None

    def apply(self, raw: float) -> tuple[float, int]:
        """Return the value in engineering units and its status.

        A bad value is still returned as read, for people to look at.
        """
        if self.fault_raw is not None and raw == self.fault_raw:
            return math.nan, STATUS_BAD_SENSOR_FAILURE
        value = raw * self.factor + self.offset
        if not math.isfinite(value):
            return value, STATUS_BAD_NOT_A_NUMBER
        if not self.low <= value <= self.high:
            return value, STATUS_BAD_OUT_OF_RANGE
        return value, STATUS_GOOD
