"""Health of an asset: an index, and how long it may last."""

from __future__ import annotations

import math
from dataclasses import dataclass

from appliance.domain.tag import Tag, parse_tag_id


@dataclass(frozen=True, slots=True)
class RemainingLife:
    """Remaining useful life in hours, never without its interval.

    `low_h` and `high_h` bound the central interval of probability `confidence`;
    `high_h` may be infinite: the trend does not yet exclude that it never fails.
    """

    expected_h: float
    low_h: float
    high_h: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Health:
    """What is thought of an asset at one moment.

    `index` is 1.0 as new and 0.0 failed. `score` is the anomaly score (higher is
    worse) and `limit` the learned limit it is held against. `life` is None where
    there is not enough evidence.
    """

    asset: str
    time_ns: int
    score: float
    limit: float
    index: float
    anomaly: bool
    life: RemainingLife | None = None
    cause: str = ""


HEALTH_INDEX = "health_index"
ANOMALY_SCORE = "anomaly_score"
ANOMALY = "anomaly"
LIFE_H = "remaining_useful_life_h"
LIFE_LOW_H = "remaining_useful_life_h_low"
LIFE_HIGH_H = "remaining_useful_life_h_high"

_DERIVED = (
    (HEALTH_INDEX, "", 0.0, 1.0, "1.0 as new, 0.0 failed"),
    (ANOMALY_SCORE, "", 0.0, math.inf, "distance from the learned normal; 1.0 = limit"),
    (ANOMALY, "", 0.0, 1.0, "1 while the score is above its limit"),
    (LIFE_H, "h", 0.0, math.inf, "expected remaining useful life"),
    (LIFE_LOW_H, "h", 0.0, math.inf, "lower bound of remaining useful life"),
    (LIFE_HIGH_H, "h", 0.0, math.inf, "upper bound of remaining useful life"),
)


def derived_group(asset: str) -> str:
    """Return the group that confirms the derived tags of an asset."""
    return f"inference.{asset}"


def derived_tags(asset: str) -> tuple[Tag, ...]:
    """Return the tags that inference produces for an asset: ordinary tags."""
    return tuple(
        Tag(
            id=parse_tag_id(f"{asset}/{quantity}"),
            engineering_units=units,
            range_low=low,
            range_high=high,
            description=description,
        )
        for quantity, units, low, high, description in _DERIVED
    )
