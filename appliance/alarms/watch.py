"""One configured alarm at work: its rule, where it stands, and how it tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.alarms.delay import Condition, Delay, Lasting
from appliance.alarms.lifecycle import (
    SHELVE_MAX_S,
    Change,
    Design,
    Lifecycle,
    Shelf,
)
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
from appliance.domain.event import Event, EventKind
from appliance.domain.health import ANOMALY_SCORE
from appliance.domain.tag import TagId, asset_of

if TYPE_CHECKING:
    from appliance.config import AlarmSettings

_CONDITION = {
    "high": "is high",
    "low": "is low",
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


class Watch:
    """An alarm of the configuration, and all that changes about it."""

    def __init__(self, settings: AlarmSettings, place: Place) -> None:
        self.settings = settings
        self.place = place
        self.id = settings.id
        self.tag = watched_tag(settings)
        self.rule = rule_of(settings, place)
        self.design = Design(
            Delay(settings.on_delay_s, settings.off_delay_s), settings.latched
        )
        self.life = Lifecycle()
        self.last: Reading | None = None
        self.changed_ns = 0
        self.actor = ""

    @property
    def span(self) -> Span:
        """Good values that change nothing as things stand."""
        if isinstance(self.rule, Stale):
            return EVERYTHING  # it looks at no values
        lasting = self.life.lasting
        resting = lasting.condition is Condition.OFF and not lasting.active
        return self.rule.calm if resting else NOTHING

    @property
    def timed(self) -> bool:
        """Whether time alone may change something."""
        return not self.life.lasting.settled or self.life.shelf is not None

    def event(
        self, change: Change, *, actor: str, reason: str, now_s: float, utc_ns: int
    ) -> Event:
        """Return the event of a change that `life` has just gone through."""
        self.changed_ns, self.actor = utc_ns, actor
        details: dict[str, str | int | float | bool | None] = {
            "id": self.id,
            "rule": self.settings.rule,
            "setpoint": self.settings.setpoint,
            "value": None if self.last is None else self.last.value,
            **self._memory(now_s=now_s, utc_ns=utc_ns),
        }
        if reason:
            details["reason"] = reason
        return Event(
            kind=EventKind.ALARM,
            name=change,
            time_ns=utc_ns,
            message=self._sentence(change),
            asset=asset_of(self.tag),
            tag=self.tag,
            priority=self.settings.priority,
            actor=actor,
            details=details,
        )

    def row(self, *, now_s: float, utc_ns: int) -> dict[str, Any]:
        """Return the alarm for a list."""
        settings = self.settings
        return {
            "id": self.id,
            "tag": self.tag,
            "rule": settings.rule,
            "priority": settings.priority,
            "condition": str(self.life.lasting.condition),
            "value": None if self.last is None else self.last.value,
            "setpoint": settings.setpoint,
            "engineering_units": self.place.engineering_units,
            "changed_ns": self.changed_ns,
            "actor": self.actor,
            "cause": settings.cause,
            "consequence": settings.consequence,
            "action": settings.action,
            "respond_within_s": settings.respond_within_s,
            **self._memory(now_s=now_s, utc_ns=utc_ns),
        }

    def recall(self, event: Event, *, now_s: float, utc_ns: int) -> None:
        """Take up again where the last event of this alarm left it.

        The condition is unknown until a sample proves it, so what was active stays
        active, and a latch stays closed.
        """
        details = event.details
        until_ns = details.get("shelved_until_ns")
        shelf = None
        if isinstance(until_ns, int):
            left_s = (until_ns - utc_ns) * 1e-9
            one_shot = bool(details.get("one_shot"))
            shelf = Shelf(now_s + min(left_s, SHELVE_MAX_S), one_shot)
        self.changed_ns, self.actor = event.time_ns, event.actor
        self.life = Lifecycle(
            lasting=Lasting(active=bool(details.get("active"))),
            acknowledged=bool(details.get("acknowledged", True)),
            latched=bool(details.get("latched")) and self.design.latches,
            shelf=shelf,
            suppressed=bool(details.get("suppressed")),
            out_of_service=bool(details.get("out_of_service")),
        )

    def _memory(self, *, now_s: float, utc_ns: int) -> dict[str, Any]:
        """Return what `recall` needs."""
        life, shelf = self.life, self.life.shelf
        until_ns = (
            None if shelf is None else utc_ns + round((shelf.until_s - now_s) * 1e9)
        )
        return {
            "state": str(life.state),
            "active": life.active,
            "acknowledged": life.acknowledged,
            "latched": life.latched,
            "shelved_until_ns": until_ns,
            "one_shot": shelf is not None and shelf.one_shot,
            "suppressed": life.suppressed,
            "out_of_service": life.out_of_service,
        }

    def _sentence(self, change: Change) -> str:
        condition = f"{self.tag} {_CONDITION[self.settings.rule]}"
        if change not in {Change.ACTIVE, Change.REANNOUNCED}:
            return f"{condition}: alarm {change.replace('_', ' ')}"
        if self.last is None or self.settings.rule in {"bad", "stale"}:
            return condition
        units = self.place.engineering_units
        limit = self.settings.setpoint
        against = "" if limit is None else f" (setpoint {limit:g})"
        return f"{condition}: {self.last.value:.6g} {units}".rstrip() + against


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
        case "high":
            return High(limit, settings.deadband)
        case "low":
            return Low(limit, settings.deadband)
        case "rate":
            return Rate(limit, settings.deadband)
        case "score":
            return Score(1.0 if setpoint is None else setpoint, settings.deadband)
        case "bad":
            return Bad()
    return Stale(place.stale_after_s)
