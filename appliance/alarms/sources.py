"""Alarms that sources raise about themselves, by name instead of by tag.

Every source says regularly what is wrong with it. What is listed is an alarm like any
other (the same life-cycle); what is listed no more returns to normal. An alarm at rest
leaves the table, so the table holds what stands, and at most `LIMIT` of a source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.alarms.acts import Elapse, Observe, Reannounce
from appliance.alarms.alarm import RANK, Alarm, sentence_of
from appliance.alarms.delay import Condition, Delay
from appliance.alarms.lifecycle import Design
from appliance.domain.diagnostic import Diagnostic
from appliance.domain.tag import TagId, asset_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from appliance.alarms.acts import Act
    from appliance.alarms.notes import Cause
    from appliance.domain.event import Event

LIMIT = 64
"""Alarms of one source; the faults beyond share the alarm `OTHERS`."""
OTHERS = "others"
RULE = "source"
_AT_ONCE = Delay()
_TEXT_MAX = 500
_TAGS_MAX = 50


@dataclass(frozen=True, slots=True)
class Fault:
    """A standing diagnostic, and how long it must last to count, and to be gone."""

    diagnostic: Diagnostic
    delay: Delay = _AT_ONCE


@dataclass(frozen=True, slots=True)
class SourceWord:
    """What a source says now; until it is `settled` only what it lists is known."""

    faults: Sequence[Fault]
    settled: bool = True


class SourceAlarm(Alarm):
    """One fault of one source."""

    def __init__(self, source: str, fault: Fault) -> None:
        self.source = source
        self.fault = fault
        super().__init__(id_of(source, fault.diagnostic.key), Design(fault.delay))

    @property
    def priority(self) -> str:
        """As the source sees it."""
        return self.fault.diagnostic.priority

    @property
    def place(self) -> tuple[str, TagId | None]:
        """The one tag, and the one asset, that it touches."""
        tags = self.fault.diagnostic.tags
        assets = {asset_of(tag) for tag in tags}
        asset = assets.pop() if len(assets) == 1 else ""
        return asset, tags[0] if len(tags) == 1 else None

    def renew(self, fault: Fault) -> bool:
        """Take over how the source words it now; say whether it became worse."""
        before = RANK[self.priority]
        self.fault, self.design = fault, Design(fault.delay)
        return RANK[self.priority] < before

    def sentence(self, change: str) -> str:
        """Return what is wrong, and what has become of it."""
        message = self.fault.diagnostic.message[:_TEXT_MAX]
        return sentence_of(f"source {self.source}: {message}", change)

    def details(self) -> dict[str, str | int | float | bool | None]:
        """Return the diagnostic; `recalled` reads it again."""
        diagnostic = self.fault.diagnostic
        return {
            "rule": RULE,
            "source": self.source,
            "key": diagnostic.key,
            "fault": diagnostic.message[:_TEXT_MAX],
            "action": diagnostic.remedy[:_TEXT_MAX],
            "tags": "\n".join(diagnostic.tags[:_TAGS_MAX]),
            "tags_touched": len(diagnostic.tags),
        }

    def description(self) -> Mapping[str, Any]:
        """Return the diagnostic in the words of a configured alarm."""
        return {
            **self.details(),
            "tags": list(self.fault.diagnostic.tags[:_TAGS_MAX]),
            "cause": self.fault.diagnostic.message[:_TEXT_MAX],
            "consequence": "",
            "setpoint": None,
            "value": None,
            "engineering_units": "",
            "respond_within_s": None,
            "suppressed_while": "",
        }


class SourceAlarms:
    """The alarms of all sources that are not at rest."""

    def __init__(self) -> None:
        self._alarms: dict[str, SourceAlarm] = {}

    def __iter__(self) -> Iterator[SourceAlarm]:
        return iter(tuple(self._alarms.values()))

    def get(self, alarm_id: str) -> SourceAlarm | None:
        """Return an alarm that stands."""
        return self._alarms.get(alarm_id)

    def recall(self, event: Event, *, now_s: float, utc_ns: int) -> None:
        """Take up again an alarm that stood, if the event is one of a source."""
        details = event.details
        if details.get("rule") != RULE:
            return
        tags = str(details.get("tags", "")).split("\n")
        diagnostic = Diagnostic(
            key=str(details.get("key")),
            message=str(details.get("fault")),
            remedy=str(details.get("action")),
            priority=_priority(event.priority),
            tags=tuple(TagId(tag) for tag in tags if tag),
        )
        alarm = SourceAlarm(str(details.get("source")), Fault(diagnostic))
        alarm.recall(event, now_s=now_s, utc_ns=utc_ns)
        if not alarm.at_rest:
            self._alarms[alarm.id] = alarm

    def hear(self, words: Mapping[str, SourceWord], cause: Cause) -> list[Event]:
        """Take what every source says now; one that is not there says nothing more."""
        listed = {
            id_of(source, fault.diagnostic.key): (source, fault)
            for source, word in words.items()
            for fault in self._within_limit(source, word.faults)
        }
        events: list[Event] = []
        for alarm_id, (source, fault) in listed.items():
            alarm = self._alarms.setdefault(alarm_id, SourceAlarm(source, fault))
            act = Reannounce() if alarm.renew(fault) else Observe(Condition.ON)
            events += self.act(alarm_id, act, cause)
        for alarm in self:
            word = words.get(alarm.source)
            if alarm.id not in listed and (word is None or word.settled):
                events += self.act(alarm.id, Observe(Condition.OFF), cause)
        return events

    def tick(self, cause: Cause) -> list[Event]:
        """Let time pass: delays, shelves."""
        timed = [alarm.id for alarm in self if alarm.timed]
        return [event for each in timed for event in self.act(each, Elapse(), cause)]

    def act(self, alarm_id: str, act: Act, cause: Cause) -> list[Event]:
        """Go through an act; return the events.

        Raises:
            NotPossibleError: A person's act has no meaning in this state.
        """
        alarm = self._alarms[alarm_id]
        events = alarm.take(act, cause.now_s, cause)
        if alarm.at_rest:
            del self._alarms[alarm_id]
        return events

    def _within_limit(self, source: str, faults: Iterable[Fault]) -> list[Fault]:
        """Return the faults that get an alarm: those that have one, then the worst."""
        known = {a.id for a in self if a.source == source} - {id_of(source, OTHERS)}
        by_key = {each.diagnostic.key: each for each in faults}
        kept = [f for key, f in by_key.items() if id_of(source, key) in known]
        new = [f for key, f in by_key.items() if id_of(source, key) not in known]
        new.sort(key=lambda fault: RANK[fault.diagnostic.priority])
        room = max(0, LIMIT - len(known))
        if rest := new[room:]:
            kept.append(_others(rest))
        return kept + new[:room]


def id_of(source: str, key: str) -> str:
    """Return the name of the alarm of a source's fault."""
    return f"source {source}:{key}"


def _others(faults: Sequence[Fault]) -> Fault:
    worst = faults[0].diagnostic
    return Fault(
        Diagnostic(
            key=OTHERS,
            message=f"{len(faults)} more faults, the first of them: {worst.message}",
            remedy="mend and acknowledge those that are listed; `wheeltapper doctor`"
            " lists all",
            priority=worst.priority,
        )
    )


def _priority(name: str) -> Any:  # noqa: ANN401 - one of the literals of Diagnostic
    return name if name in {"high", "medium", "low"} else "medium"
