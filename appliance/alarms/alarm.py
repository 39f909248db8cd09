"""One alarm: where it stands, how it tells of that, and what a restart gives back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from appliance.alarms.activity import STALE_AFTER_S, Activity
from appliance.alarms.acts import Reannounce
from appliance.alarms.delay import Lasting
from appliance.alarms.lifecycle import Change, Design, Lifecycle, Shelf, State, step
from appliance.alarms.notes import Cause, Notes, noted, notes_of
from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.alarms.acts import Act
    from appliance.domain.tag import TagId

CHATTERING, CALM, VERDICT = "chattering", "calm", "verdict"
"""Names of an alarm's events that are no change of its state."""
RANK = {"critical": 0, "high": 1, "medium": 2, "low": 3}
"""Of priorities: 0 is the highest."""
_RAISED = frozenset({Change.ACTIVE, Change.REANNOUNCED})
_SAYINGS = {
    CHATTERING: "the alarm chatters",
    CALM: "the alarm chatters no more",
    VERDICT: "a verdict on the alarm",
}
_NS = 1_000_000_000


class Alarm(ABC):
    """What every alarm has, whatever its condition comes from."""

    def __init__(self, alarm_id: str, design: Design) -> None:
        self.id = alarm_id
        self.design = design
        self.life = Lifecycle()
        self.notes = Notes()
        self.activity = Activity()
        self.inhibited_by = ""
        """The alarm that speaks for this one, while it does."""
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
    def sentence(self, change: str) -> str:
        """Return what happened, for people."""

    @abstractmethod
    def details(self) -> dict[str, str | int | float | bool | None]:
        """Return what an event of it says to machines."""

    @abstractmethod
    def description(self) -> Mapping[str, Any]:
        """Return what a list says of it beside where it stands."""

    def call(self) -> dict[str, str | int | float | bool | None]:
        """Return what an event says more when it calls for a person."""
        return {}

    @property
    def parent(self) -> str:
        """The alarm that causes this one, by the design."""
        return ""

    @property
    def timed(self) -> bool:
        """Whether time alone may change something."""
        life = self.life
        under_way = not life.lasting.settled or life.shelf is not None
        again = self.design.realarm_s is not None and life.active
        return under_way or again or self.activity.chattering

    @property
    def at_rest(self) -> bool:
        """Whether there is nothing about it that anybody need know."""
        return self.life.state is State.NORMAL

    @property
    def announced(self) -> bool:
        """Whether it calls for a person now."""
        life = self.life
        return not (life.acknowledged or life.masked or self.inhibited_by)

    def take(self, act: Act, at_s: float, cause: Cause) -> list[Event]:
        """Go through an act that happened at `at_s`; return the events.

        Raises:
            NotPossibleError: A person's act has no meaning in this state.
        """
        self.life, changes = step(self.design, self.life, act, at_s)
        events = []
        for change in changes:
            events.append(self._changed(change, cause))
            if change is Change.ACTIVE and self.activity.activated(at_s):
                events.append(self.tell(CHATTERING, cause))
        if self.activity.calmed(cause.now_s):
            events.append(self.tell(CALM, cause))
        return events

    def inhibit(self, parent: str, cause: Cause) -> list[Event]:
        """Let a parent speak for it, or (empty) no more; return the events.

        What nobody has seen yet is announced when its parent is gone.
        """
        before, self.inhibited_by = self.inhibited_by, parent
        ends = bool(before) and not parent
        if not ends or self.life.acknowledged:
            return []
        return self.take(Reannounce(), cause.now_s, cause)

    def judge(self, verdict: str, note: str, cause: Cause) -> Event:
        """Note a person's verdict on its last activation; return the event."""
        self.notes = replace(
            self.notes, verdict=verdict, verdict_note=note, verdict_by=cause.actor
        )
        self.changed_ns, self.actor = cause.utc_ns, cause.actor
        return self.tell(VERDICT, cause)

    def row(self, *, now_s: float, utc_ns: int) -> dict[str, Any]:
        """Return the alarm for a list."""
        asset, tag = self.place
        notes, life = self.notes, self.life
        described = self.description()
        since_ns = notes.since_ns if life.active else None
        return {
            "id": self.id,
            "asset": asset,
            "tag": "" if tag is None else tag,
            "priority": self.priority,
            "condition": str(life.lasting.condition),
            "changed_ns": self.changed_ns,
            "actor": self.actor,
            **described,
            **self._memory(now_s=now_s, utc_ns=utc_ns),
            **{name: getattr(notes, name) for name in Notes.__slots__},
            "shelve_max_s": self.design.shelve_max_s,
            "respond_by_ns": _after(since_ns, described["respond_within_s"]),
            "parent": self.parent,
            "inhibited_by": self.inhibited_by,
            "announced": self.announced,
            "chattering": self.activity.chattering,
            "stale": since_ns is not None and utc_ns - since_ns > STALE_AFTER_S * _NS,
            "count": self.activity.count(now_s),
            "realarms": life.realarms,
            "explanation": None,
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
            shelf = Shelf(now_s + min(left_s, self.design.shelve_max_s), one_shot)
        self.changed_ns, self.actor = event.time_ns, event.actor
        self.activity.chattering = bool(details.get(CHATTERING))
        self.notes = notes_of(details)
        self.life = Lifecycle(
            lasting=Lasting(active=bool(details.get("active"))),
            acknowledged=bool(details.get("acknowledged", True)),
            latched=bool(details.get("latched")) and self.design.latches,
            shelf=shelf,
            suppressed=bool(details.get("suppressed")),
            out_of_service=bool(details.get("out_of_service")),
        )

    def tell(self, name: str, cause: Cause, *, announced: bool = False) -> Event:
        """Return an event about the alarm as it stands."""
        asset, tag = self.place
        details = {
            "id": self.id,
            **self.details(),
            **self._memory(now_s=cause.now_s, utc_ns=cause.utc_ns),
            **self.notes.said(),
            **(self.call() if announced else {}),
        }
        if announced:
            details["announced"] = True
        if self.activity.chattering:
            details[CHATTERING] = True
        if self.inhibited_by:
            details["inhibited_by"] = self.inhibited_by
        if cause.reason:
            details["reason"] = cause.reason
        return Event(
            kind=EventKind.ALARM,
            name=name,
            time_ns=cause.utc_ns,
            message=self.sentence(name),
            asset=asset,
            tag=tag,
            priority=self.priority,
            actor=cause.actor,
            details=details,
        )

    def _changed(self, change: Change, cause: Cause) -> Event:
        """Return the event of a change that `life` has just gone through."""
        self.changed_ns, self.actor = cause.utc_ns, cause.actor
        announced = change in _RAISED and not (self.life.masked or self.inhibited_by)
        self.notes = noted(self.notes, change, cause, announced=announced)
        return self.tell(change, cause, announced=announced)

    def _memory(self, *, now_s: float, utc_ns: int) -> dict[str, Any]:
        """Return what `recall` needs beside the notes."""
        life, shelf = self.life, self.life.shelf
        until_ns = (
            None if shelf is None else utc_ns + round((shelf.until_s - now_s) * _NS)
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


def sentence_of(condition: str, change: str) -> str:
    """Return a condition with what has become of its alarm."""
    if change in _RAISED:
        return condition
    if change in _SAYINGS:
        return f"{condition}: {_SAYINGS[change]}"
    return f"{condition}: alarm {change.replace('_', ' ')}"


def _after(since_ns: int | None, length_s: float | None) -> int | None:
    if since_ns is None or length_s is None:
        return None
    return since_ns + round(length_s * _NS)
