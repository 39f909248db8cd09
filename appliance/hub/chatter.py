"""What repeats without end is recorded once a period, with a count. Pure.

Shown is everything; this is about the disk. An alarm or a source has `TOLD_AT_ONCE`
events of the same word free, and one more each minute. What it says beyond is written
as one event that counts the others; while it goes on, the periods double up to an
hour. So a month of chattering is some hundred rows. Trips, safety and audit are
written one by one, always.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from appliance.domain.event import EventKind

if TYPE_CHECKING:
    from appliance.domain.event import Event

TOLD_AT_ONCE = 10
PERIOD_S = 60.0
PERIOD_MAX_S = 3600.0
FREE_EACH_S = 60.0
SUBJECTS_MAX = 10_000
COALESCED = "coalesced"
SINCE = "coalesced_since_ns"
"""Details of an event that stands for several: how many, and since when."""

_KINDS = frozenset({EventKind.ALARM, EventKind.SOURCE})

_Subject: TypeAlias = "tuple[str, str, str | None, object]"


@dataclass(slots=True)
class _Held:
    """The newest of what was held back, how many they are, and since when."""

    event: Event
    count: int
    since_ns: int

    def as_one(self) -> Event:
        if self.count == 1:
            return self.event
        details = {COALESCED: self.count, SINCE: self.since_ns}
        return replace(self.event, details={**self.event.details, **details})


@dataclass(slots=True)
class _Word:
    """How many events of a word are free, as of when."""

    free: float
    at_s: float
    chatters: bool = False

    def take(self, now_s: float) -> bool:
        """Use one; say whether there was one. None comes while it chatters."""
        if self.chatters:
            self.at_s = now_s
            return False
        gained = (now_s - self.at_s) / FREE_EACH_S
        self.free, self.at_s = min(self.free + gained, TOLD_AT_ONCE), now_s
        self.chatters = self.free < 1
        self.free -= not self.chatters
        return not self.chatters


@dataclass(slots=True)
class _Period:
    """What one subject said in its current period, by word."""

    since_s: float
    length_s: float = PERIOD_S
    words: dict[str, _Word] = field(default_factory=dict)
    held: dict[str, _Held] = field(default_factory=dict)

    def over(self, now_s: float) -> bool:
        return now_s - self.since_s >= self.length_s

    def quiet(self, now_s: float) -> bool:
        """Whether every word is free again as it was before the first event."""
        heal_s = TOLD_AT_ONCE * FREE_EACH_S
        return all(now_s - word.at_s >= heal_s for word in self.words.values())

    def free(self, name: str, now_s: float) -> bool:
        """Say whether an event may be recorded by itself."""
        return self.words.setdefault(name, _Word(TOLD_AT_ONCE, now_s)).take(now_s)

    def released(self) -> list[Event]:
        """Return what was held, in the order in which it came last."""
        events = [each.as_one() for each in self.held.values()]
        self.held = {}
        return events

    def again(self, now_s: float, length_s: float) -> None:
        """Begin the next period; a longer one while the chattering goes on.

        A word that was silent in the last one chatters no more.
        """
        for word in self.words.values():
            word.chatters = word.chatters and word.at_s >= self.since_s
        self.since_s = now_s
        self.length_s = min(length_s, PERIOD_MAX_S)


class Chatter:
    """Holds back what repeats; bounded by SUBJECTS_MAX, beyond it nothing is held."""

    def __init__(self) -> None:
        self._periods: dict[_Subject, _Period] = {}
        self.coalesced = 0
        """Events that another one stands for."""

    def take(self, event: Event, *, now_s: float) -> list[Event]:
        """Return what is to be recorded now: nothing, the event, or held ones first."""
        if event.kind not in _KINDS:
            return [event]
        period = self._period_of(event, now_s)
        if period is None:
            return [event]
        if not period.free(event.name, now_s):
            self._hold(period, event)
            return []
        # The last word on a subject must be the last in the log.
        return [*period.released(), event]

    def before(self, event: Event) -> list[Event]:
        """Return what is held of the subject of an event that is recorded by itself."""
        period = self._periods.get(_subject_of(event))
        return [] if period is None else period.released()

    def due(self, *, now_s: float) -> list[Event]:
        """Return what was held in periods that are over; what is quiet is forgotten."""
        found: list[Event] = []
        over = [key for key, each in self._periods.items() if each.over(now_s)]
        for subject in over:
            period = self._periods[subject]
            if period.held:
                found += period.released()
                period.again(now_s, 2 * period.length_s)
            elif period.quiet(now_s):
                del self._periods[subject]
            else:
                period.again(now_s, PERIOD_S)
        return found

    def rest(self) -> list[Event]:
        """Return all that is held: the last act."""
        return [event for each in self._periods.values() for event in each.released()]

    def _period_of(self, event: Event, now_s: float) -> _Period | None:
        subject = _subject_of(event)
        period = self._periods.get(subject)
        if period is None and len(self._periods) < SUBJECTS_MAX:
            period = self._periods[subject] = _Period(now_s)
        return period

    def _hold(self, period: _Period, event: Event) -> None:
        before = period.held.pop(event.name, None)
        if before is None:
            period.held[event.name] = _Held(event, 1, event.time_ns)
            return
        self.coalesced += 1
        period.held[event.name] = _Held(event, before.count + 1, before.since_ns)


def _subject_of(event: Event) -> _Subject:
    return event.kind, event.asset, event.tag, event.details.get("id")
