"""Health of an asset: an index, how long it may last, and what explains it."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

from appliance.domain.tag import Tag, parse_tag_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_Item = TypeVar("_Item", "Contribution", "LikelyFault", "SensorFinding", "PastEpisode")


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


@dataclass(frozen=True, slots=True)
class Contribution:
    """How much a tag adds to a score, by which of its features, and which way.

    `share` is its part of the whole (0…1). `feature` is the one of the tag that adds
    most (`mean`, `std`, `velocity_rms` …); `direction` is `up`, `down`, or empty where
    only the relation to others is unusual.
    """

    tag: str
    share: float
    feature: str = ""
    direction: str = ""


@dataclass(frozen=True, slots=True)
class LikelyFault:
    """A fault by its signature: how sure (0…1), and what a technician would see."""

    fault: str
    confidence: float
    evidence: str


@dataclass(frozen=True, slots=True)
class SensorFinding:
    """What is wrong with an instrument rather than with the machine."""

    tag: str
    finding: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class PastEpisode:
    """An earlier episode that looked alike (0…1), and what it turned out to be."""

    since_ns: int
    similarity: float
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an asset is thought abnormal: the result, not an ornament of it.

    `since_ns` is when the score last went over its limit, `mode` what the machine
    did, `zone` how severe the vibration is by its standard. The lists are in falling
    order of weight. It travels as the text of the tag `<asset>/explanation`; an empty
    text means that there is nothing to explain.
    """

    asset: str
    since_ns: int
    mode: str
    score: float
    limit: float
    tags: tuple[Contribution, ...] = ()
    likely: tuple[LikelyFault, ...] = ()
    sensor: tuple[SensorFinding, ...] = ()
    similar: tuple[PastEpisode, ...] = ()
    zone: str = ""

    def text(self) -> str:
        """Return it as JSON with numbers of four digits; NaN becomes null."""
        return json.dumps(
            _plain(asdict(self)), ensure_ascii=False, separators=(",", ":")
        )


def explanation_of(text: str) -> Explanation | None:
    """Read an explanation's text; None where there is none, or it is none of ours.

    A newer writer may say more than is known here: that is passed over.
    """
    try:
        told = json.loads(text)
        return Explanation(
            **_known_fields(Explanation, told),
            tags=_each(Contribution, told, "tags"),
            likely=_each(LikelyFault, told, "likely"),
            sensor=_each(SensorFinding, told, "sensor"),
            similar=_each(PastEpisode, told, "similar"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None


def _each(kind: type[_Item], told: dict[str, Any], key: str) -> tuple[_Item, ...]:
    return tuple(kind(**_known_fields(kind, each)) for each in told.get(key, ()))


def _known_fields(kind: type, told: dict[str, Any]) -> dict[str, Any]:
    """Return the plain fields of a class that were told, each of its own type."""
    return {
        field.name: _AS_DECLARED[field.type](told[field.name])
        for field in fields(kind)
        if isinstance(field.type, str)
        and field.type in _AS_DECLARED
        and (field.name in told or field.default is MISSING)
    }


def _number(told: object) -> float:
    if told is None:
        return math.nan
    if isinstance(told, bool) or not isinstance(told, int | float):
        raise TypeError("not a number")
    return float(told)


_AS_DECLARED: Mapping[str, Callable[[Any], object]] = {
    "str": str,
    "int": int,
    "float": _number,
}


def _plain(value: object) -> object:
    """Return a value as JSON has it: no NaN, four significant digits."""
    match value:
        case float():
            return float(f"{value:.4g}") if math.isfinite(value) else None
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return value


FAULT_WORDS = {
    "outer_race": "damage of the bearing's outer race",
    "inner_race": "damage of the bearing's inner race",
    "rolling_element": "damage of a ball or roller",
    "cage": "damage of the bearing's cage",
    "unknown_impacts": "impacts that this bearing's geometry does not explain",
    "lubrication": "a bearing that runs hot",
    "unbalance": "unbalance",
    "misalignment": "misalignment",
    "looseness": "looseness",
    "gear_mesh": "damage of the gear",
    "blade_pass": "disturbed flow at the impeller",
    "cavitation": "cavitation",
    "suction_blocked": "a blocked suction side",
    "discharge_blocked": "a blocked discharge side",
    "worn_ring": "leakage inside the pump, as of a worn ring",
    "seal_leak": "loss of fluid, as from a seal",
    "cooling_blocked": "blocked cooling of the motor",
}
"""The faults that may be named, in words for a screen."""

HEALTH_INDEX = "health_index"
ANOMALY_SCORE = "anomaly_score"
ANOMALY = "anomaly"
LIFE_H = "remaining_useful_life_h"
LIFE_LOW_H = "remaining_useful_life_h_low"
LIFE_HIGH_H = "remaining_useful_life_h_high"
EXPLANATION = "explanation"

_DERIVED = (
    (HEALTH_INDEX, "", 0.0, 1.0, "1.0 as new, 0.0 failed"),
    (ANOMALY_SCORE, "", 0.0, math.inf, "distance from the learned normal; 1.0 = limit"),
    (ANOMALY, "", 0.0, 1.0, "1 while the score is above its limit"),
    (LIFE_H, "h", 0.0, math.inf, "expected remaining useful life"),
    (LIFE_LOW_H, "h", 0.0, math.inf, "lower bound of remaining useful life"),
    (LIFE_HIGH_H, "h", 0.0, math.inf, "upper bound of remaining useful life"),
    (EXPLANATION, "", -math.inf, math.inf, "why the asset is abnormal: JSON text"),
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
