"""Assets with what is thought of their health, the worst first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from appliance.dashboard.standing import PRIORITIES, rank_of
from appliance.domain.health import (
    ANOMALY,
    ANOMALY_SCORE,
    EXPLANATION,
    HEALTH_INDEX,
    LIFE_H,
    LIFE_HIGH_H,
    LIFE_LOW_H,
    Explanation,
    explanation_of,
)
from appliance.domain.tag import TagId, asset_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.dashboard.readings import Reading, Readings
    from appliance.dashboard.standing import Alarm

_DERIVED = (
    HEALTH_INDEX,
    ANOMALY_SCORE,
    ANOMALY,
    LIFE_H,
    LIFE_LOW_H,
    LIFE_HIGH_H,
    EXPLANATION,
)
_NO_ASSET = frozenset({"safety"})
"""Safety's own tags are not a machine."""


@dataclass(frozen=True, slots=True)
class Life:
    """Remaining useful life in hours, never without its interval."""

    expected_h: float
    low_h: float
    high_h: float


@dataclass(frozen=True, slots=True)
class Asset:
    """A machine as it is shown. `judged`: a model watches it, or is meant to.

    `mode` is what inference calls its present way of running, where that is known.
    """

    id: str
    kind: str
    description: str
    judged: bool
    index: Reading | None
    score: Reading | None
    anomaly: bool
    mode: str
    life: Life | None
    cause: str
    alarms: tuple[Alarm, ...]
    tags: tuple[str, ...]
    waveform_tag: str | None
    speed_tag: str | None
    orders: Mapping[str, float]
    failure: tuple[str, float] | None
    explanation: Explanation | None = None

    @property
    def worst(self) -> Alarm | None:
        """The alarm that comes first."""
        return self.alarms[0] if self.alarms else None

    @property
    def health(self) -> float | None:
        """The health index, if it may be believed now."""
        return None if self.index is None else self.index.good_value

    @property
    def place(self) -> tuple[int, float, str]:
        """Sort key: the worst alarm, then the lowest health, then the name."""
        worst = self.worst
        announced = worst is not None and worst.announced
        rank = len(PRIORITIES) + 1
        if worst is not None and announced:
            rank = rank_of(worst.priority)
        elif self.anomaly:
            rank = len(PRIORITIES)
        health = self.health
        return rank, 2.0 if health is None else health, self.id


def assets_of(
    description: Mapping[str, Any],
    readings: Readings,
    alarms: Iterable[Alarm],
    modes: Mapping[str, str],
    *,
    now_s: float,
) -> tuple[Asset, ...]:
    """Return the configured assets, and those that only have tags, worst first."""
    configured = {str(row["id"]): row for row in description.get("assets") or ()}
    tags: dict[str, tuple[str, ...]] = dict.fromkeys(configured, ())
    tags.update(_tags_by_asset(readings.names))
    by_asset: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        by_asset.setdefault(alarm.asset, []).append(alarm)
    found = (
        _asset(
            name,
            configured.get(name) or {},
            readings,
            tags=own,
            alarms=tuple(by_asset.get(name, ())),
            mode=str(modes.get(name, "")),
            now_s=now_s,
        )
        for name, own in tags.items()
    )
    return tuple(sorted(found, key=lambda asset: asset.place))


@lru_cache(maxsize=4)
def _tags_by_asset(names: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    """Return the tags of each asset, without those that only say how it is."""
    tags: dict[str, list[str]] = {}
    for tag in names:
        name = asset_of(TagId(tag))
        if name not in _NO_ASSET:
            own = tags.setdefault(name, [])
            if tag[len(name) + 1 :] not in _DERIVED:
                own.append(tag)
    return {name: tuple(own) for name, own in tags.items()}


def _asset(
    name: str,
    row: Mapping[str, Any],
    readings: Readings,
    *,
    tags: tuple[str, ...],
    alarms: tuple[Alarm, ...],
    mode: str,
    now_s: float,
) -> Asset:
    failure_tag, failure_level = row.get("failure_tag"), row.get("failure_level")
    anomaly = readings.good_value(f"{name}/{ANOMALY}", now_s)
    return Asset(
        id=name,
        kind=str(row.get("kind") or ""),
        description=str(row.get("description") or ""),
        judged=f"{name}/{HEALTH_INDEX}" in readings,
        index=readings.reading(f"{name}/{HEALTH_INDEX}", now_s),
        score=readings.reading(f"{name}/{ANOMALY_SCORE}", now_s),
        mode=mode,
        anomaly=anomaly is not None and anomaly > 0.0,
        life=_life(name, readings, now_s),
        cause=readings.texts.get(f"{name}/{ANOMALY_SCORE}", ""),
        alarms=alarms,
        tags=tags,
        waveform_tag=row.get("waveform_tag"),
        speed_tag=row.get("speed_tag"),
        orders=row.get("bearing_orders") or {},
        failure=None
        if failure_tag is None or failure_level is None
        else (str(failure_tag), float(failure_level)),
        explanation=explanation_of(readings.texts.get(f"{name}/{EXPLANATION}", "")),
    )


def _life(name: str, readings: Readings, now_s: float) -> Life | None:
    expected, low, high = (
        readings.good_value(f"{name}/{quantity}", now_s)
        for quantity in (LIFE_H, LIFE_LOW_H, LIFE_HIGH_H)
    )
    if expected is None:
        return None
    return Life(
        expected,
        0.0 if low is None else low,
        float("inf") if high is None else high,
    )
