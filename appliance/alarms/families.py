"""Which alarm speaks for which: a parent that stands explains its children.

A child lives on, but calls for nobody while an ancestor is active and announced; when
that is over, a child that nobody has seen is announced. An ancestor of lower priority
speaks for nobody of a higher one, so the highest priority is never hidden.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.alarms.alarm import RANK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.alarms.alarm import Alarm
    from appliance.alarms.notes import Cause
    from appliance.domain.event import Event


class Families:
    """The alarms that have a parent, and those that have children."""

    def __init__(self, alarms: Mapping[str, Alarm]) -> None:
        self._alarms = alarms
        self._descendants: dict[str, list[Alarm]] = {}
        for alarm in alarms.values():
            for ancestor in self._ancestors(alarm):
                self._descendants.setdefault(ancestor.id, []).append(alarm)
        for family in self._descendants.values():
            for alarm in family:
                alarm.inhibited_by = self._speaker(alarm)

    def follow(self, alarm: Alarm, cause: Cause) -> list[Event]:
        """After a change of an alarm: see who speaks for its descendants now."""
        events: list[Event] = []
        for each in self._descendants.get(alarm.id, ()):
            speaker = self._speaker(each)
            if speaker != each.inhibited_by:
                events += each.inhibit(speaker, cause)
        return events

    def root(self, alarm: Alarm) -> str:
        """Return the furthest ancestor that stands, or the alarm itself: its group."""
        standing = [each.id for each in self._ancestors(alarm) if _stands(each)]
        return standing[-1] if standing else alarm.id

    def _speaker(self, alarm: Alarm) -> str:
        rank = RANK[alarm.priority]
        for each in self._ancestors(alarm):
            if _stands(each) and RANK[each.priority] <= rank:
                return each.id
        return ""

    def _ancestors(self, alarm: Alarm) -> Iterator[Alarm]:
        """Yield the parent, its parent, and so on; a circle ends where it closes."""
        seen = {alarm.id}
        while (parent := self._alarms.get(alarm.parent)) and parent.id not in seen:
            seen.add(parent.id)
            yield parent
            alarm = parent


def _stands(alarm: Alarm) -> bool:
    return alarm.life.active and not alarm.life.masked
