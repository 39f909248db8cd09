"""One alarm: where it stands, how it tells of that, and what a restart gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.alarms.delay import Lasting
from appliance.alarms.lifecycle import (
    SHELVE_MAX_S,
    Change,
    Design,
    Lifecycle,
    Shelf,
    step,
)
from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.alarms.lifecycle import Act
    from appliance.domain.tag import TagId


class Cause(NamedTuple):
    """When an act becomes known, and who is behind it."""

    now_s: float
    utc_ns: int
    actor: str = ""
    reason: str = ""


class Alarm(ABC):
    """What every alarm has, whatever its condition comes from."""

    def __init__(self, alarm_id: str, design: Design) -> None:
        self.id = alarm_id
        self.design = design
        self.life = Lifecycle()
        self.changed_ns = 0
        self.actor = ""

    @property
    @abstractmethod
    def priority(self) -> str:
        """How urgent it is."""

    @property
    @abstractmethod
    def place(self) -> tuple[str, TagId | None]:
        """The asset and the tag it is about; empty and None where it is neither's."""

    @abstractmethod
    def sentence(self, change: Change) -> str:
        """Return what happened, for people."""

    @abstractmethod
    def details(self) -> dict[str, str | int | float | bool | None]:
        """Return what an event of it says to machines."""

    @abstractmethod
    def description(self) -> Mapping[str, Any]:
        """Return what a list says of it beside where it stands."""

    @property
    def timed(self) -> bool:
        """Whether time alone may change something."""
        return not self.life.lasting.settled or self.life.shelf is not None

    def take(self, act: Act, at_s: float, cause: Cause) -> list[Event]:
        """Go through an act that happened at `at_s`; return the events.

        Raises:
            NotPossibleError: A person's act has no meaning in this state.
        """
        self.life, changes = step(self.design, self.life, act, at_s)
        return [self._event(change, cause) for change in changes]

    def row(self, *, now_s: float, utc_ns: int) -> dict[str, Any]:
        """Return the alarm for a list."""
        _, tag = self.place
        return {
            "id": self.id,
            "tag": "" if tag is None else tag,
            "priority": self.priority,
            "condition": str(self.life.lasting.condition),
            "changed_ns": self.changed_ns,
            "actor": self.actor,
            **self.description(),
            **self._memory(now_s=now_s, utc_ns=utc_ns),
        }

    def recall(self, event: Event, *, now_s: float, utc_ns: int) -> None:
        """Take up again where the last event of this alarm left it.

        The condition is unknown until it is seen again, so what was active stays
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

    def _event(self, change: Change, cause: Cause) -> Event:
        """Return the event of a change that `life` has just gone through."""
        self.changed_ns, self.actor = cause.utc_ns, cause.actor
        asset, tag = self.place
        details = {
            "id": self.id,
            **self.details(),
            **self._memory(now_s=cause.now_s, utc_ns=cause.utc_ns),
        }
        if cause.reason:
            details["reason"] = cause.reason
        return Event(
            kind=EventKind.ALARM,
            name=change,
            time_ns=cause.utc_ns,
            message=self.sentence(change),
            asset=asset,
            tag=tag,
            priority=self.priority,
            actor=cause.actor,
            details=details,
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


def sentence_of(condition: str, change: Change) -> str:
    """Return a condition with what has become of its alarm."""
    if change in {Change.ACTIVE, Change.REANNOUNCED}:
        return condition
    return f"{condition}: alarm {change.replace('_', ' ')}"
