"""One value of one tag at one moment, with what is known about its truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.domain.tag import TagId


class Quality(IntEnum):
    """OPC UA's three words for how far a value may be trusted; higher is better."""

    BAD = 0
    UNCERTAIN = 1
    GOOD = 2


STATUS_GOOD = 0x0000_0000
"""OPC UA Good."""
STATUS_BAD_NO_COMMUNICATION = 0x8031_0000
"""The source is lost (OPC UA BadNoCommunication)."""
STATUS_BAD_OUT_OF_RANGE = 0x803C_0000
"""Outside the instrument's range (OPC UA BadOutOfRange)."""
STATUS_BAD_SENSOR_FAILURE = 0x808C_0000
"""The instrument says it has failed (OPC UA BadSensorFailure)."""
STATUS_BAD_NOT_A_NUMBER = 0x8074_0000
"""The value is NaN or infinite (OPC UA BadTypeMismatch: it is not a measurement)."""
STATUS_BAD_WAITING = 0x8032_0000
"""No value has arrived yet (OPC UA BadWaitingForInitialData)."""


def quality_of_status(status: int) -> Quality:
    """Map an OPC UA StatusCode to a quality by its two severity bits (Part 4, 7.39)."""
    severity = (status >> 30) & 0b11
    if severity == 0:
        return Quality.GOOD
    return Quality.UNCERTAIN if severity == 1 else Quality.BAD


@dataclass(frozen=True, slots=True)
class Sample:
    """A value in engineering units, with its quality and its times (UTC, ns).

    `status` is the protocol's own code, in OPC UA numbering. `source_time_ns` is
    never fresher than what the source gave.
    """

    tag: TagId
    value: float
    quality: Quality
    status: int
    source_time_ns: int
    receive_time_ns: int
    server_time_ns: int | None = None

    @property
    def trusted_value(self) -> float | None:
        """The value if it is good and a finite number, otherwise None."""
        if self.quality is Quality.GOOD and math.isfinite(self.value):
            return self.value
        return None


def bad_sample(tag: TagId, status: int, time_ns: int) -> Sample:
    """Return a sample that says: no value, and why."""
    return Sample(
        tag=tag,
        value=math.nan,
        quality=Quality.BAD,
        status=status,
        source_time_ns=time_ns,
        receive_time_ns=time_ns,
    )
