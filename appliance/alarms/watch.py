"""One configured alarm at work: its rule, where it stands, and how it tells of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from appliance.alarms.alarm import Alarm, sentence_of
from appliance.alarms.delay import Condition, Delay
from appliance.alarms.lifecycle import Change, Design
from appliance.alarms.rules import (
    EVERYTHING,
    NOTHING,
    AlarmRule,
    Bad,
    High,
    Low,
    Rate,
    Reading,
    Score,
    Span,
    Stale,
)
from appliance.alarms.suppression import PlantState
from appliance.alarms.told import explained, in_words
from appliance.domain.health import ANOMALY_SCORE
from appliance.domain.tag import TagId, asset_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.config import AlarmSettings
    from appliance.domain.event import Event

    Explain = Callable[[str], Mapping[str, Any] | None]

_CONDITION = {
    "high": "is high",
    "high_high": "is very high",
    "low": "is low",
    "low_low": "is very low",
    "rate": "moves too fast",
    "stale": "is stale",
    "bad": "has bad quality",
    "score": "is beyond its learned limit",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the tag of an alarm comes from."""

    number: int
    group: str
    stale_after_s: float
    engineering_units: str = ""


class Watch(Alarm):
    """An alarm of the configuration, and all that changes about it."""

    def __init__(
        self, settings: AlarmSettings, source: Place, explain: Explain | None = None
    ) -> None:
        super().__init__(settings.id, design_of(settings))
        self.settings = settings
        self.suppression = plant_state_of(settings)
        self._explain = explain
        self.source = source
        self.tag = watched_tag(settings)
        self.rule = rule_of(settings, source)
        self.last: Reading | None = None

    @property
    def priority(self) -> str:
        """As configured."""
        return self.settings.priority

    @property
    def place(self) -> tuple[str, TagId]:
        """The watched tag and its asset."""
        return asset_of(self.tag), self.tag

    @property
    def parent(self) -> str:
        """As configured; empty where there is none."""
        return self.settings.parent or ""

    @property
    def span(self) -> Span:
        """Good values that change nothing as things stand."""
        if isinstance(self.rule, Stale):
            return EVERYTHING  # it looks at no values
        lasting = self.life.lasting
        resting = lasting.condition is Condition.OFF and not lasting.active
        return self.rule.calm if resting else NOTHING

    def details(self) -> dict[str, str | int | float | bool | None]:
        """Return rule, setpoint and the last value."""
        return {
            "rule": self.settings.rule,
            "setpoint": self.settings.setpoint,
            "value": None if self.last is None else self.last.value,
        }

    def description(self) -> Mapping[str, Any]:
        """Return the rule with the last value, and what the operator shall do."""
        settings = self.settings
        return {
            **self.details(),
            "engineering_units": self.source.engineering_units,
            "cause": settings.cause,
            "consequence": settings.consequence,
            "action": settings.action,
            "respond_within_s": settings.respond_within_s,
            "suppressed_while": ""
            if self.suppression is None
            else str(self.suppression),
        }

    def row(self, *, now_s: float, utc_ns: int) -> dict[str, Any]:
        """Return the alarm for a list, a model-born one with its explanation."""
        row = super().row(now_s=now_s, utc_ns=utc_ns)
        if not self.at_rest:
            row["explanation"] = self._explanation()
        return row

    def call(self) -> dict[str, str | int | float | bool | None]:
        """Return what the operator shall do, and why a model thinks so."""
        settings = self.settings
        told = {
            "cause": settings.cause,
            "consequence": settings.consequence,
            "action": settings.action,
            "respond_within_s": settings.respond_within_s,
            **explained(self._explanation()),
        }
        return {key: value for key, value in told.items() if value not in {"", None}}

    def recall(self, event: Event, *, now_s: float, utc_ns: int) -> None:
        """See `Alarm.recall`; a suppression whose rule is gone is gone too."""
        super().recall(event, now_s=now_s, utc_ns=utc_ns)
        if self.suppression is None:
            self.life = replace(self.life, suppressed=False)
            self.notes = replace(self.notes, suppressed_by="")

    def _explanation(self) -> Mapping[str, Any] | None:
        if self.settings.rule != "score" or self._explain is None:
            return None
        return self._explain(asset_of(self.tag))

    def sentence(self, change: str) -> str:
        """Return the condition, with the value that raised it."""
        told = sentence_of(f"{self.tag} {_CONDITION[self.settings.rule]}", change)
        raised = change in {Change.ACTIVE, Change.REANNOUNCED}
        without_value = self.settings.rule in {"bad", "stale"}
        if not raised or self.last is None or without_value:
            return told
        units = self.source.engineering_units
        limit = self.settings.setpoint
        against = "" if limit is None else f" (setpoint {limit:g})"
        because = in_words(self._explanation())
        return f"{told}: {self.last.value:.6g} {units}".rstrip() + against + because


def design_of(settings: AlarmSettings) -> Design:
    """Return how the configuration makes an alarm."""
    delay = Delay(
        settings.on_delay_s,
        settings.off_delay_s,
        settings.count or 0,
        settings.count_within_s or 0.0,
    )
    return Design(
        delay, settings.latched, settings.shelve_max_s, settings.realarm_after_s
    )


def plant_state_of(settings: AlarmSettings) -> PlantState | None:
    """Return the state of the plant in which an alarm means nothing, if declared."""
    declared = settings.suppressed_while
    if declared is None:
        return None
    return PlantState(
        TagId(declared.tag), declared.above, declared.below, declared.equals
    )


def watched_tag(settings: AlarmSettings) -> TagId:
    """Return the tag an alarm looks at: for `score`, the anomaly score of its asset."""
    if settings.rule == "score":
        return TagId(f"{asset_of(TagId(settings.tag))}/{ANOMALY_SCORE}")
    return TagId(settings.tag)


def rule_of(settings: AlarmSettings, place: Place) -> AlarmRule:
    """Return the rule that the configuration names."""
    setpoint = settings.setpoint
    limit = 0.0 if setpoint is None else setpoint
    match settings.rule:
        case "high" | "high_high":
            return High(limit, settings.deadband)
        case "low" | "low_low":
            return Low(limit, settings.deadband)
        case "rate":
            return Rate(limit, settings.deadband)
        case "score":
            return Score(1.0 if setpoint is None else setpoint, settings.deadband)
        case "bad":
            return Bad()
    return Stale(place.stale_after_s)
