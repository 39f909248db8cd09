"""Which rules watch which tag, and what became of them.

A batch costs one vectorised look: rows that lie where nothing can change (`Watch.span`)
are passed over, the others are judged one by one. After a restart every alarm stands
where its last committed event left it (`recalled`), with its condition unknown: what
was active stays so until a good sample proves it gone; a latch, a shelf and an
acknowledgement survive. Chattering and floods are counted on from `lately`, the
events of the last day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.alarms.acts import Elapse, Observe, Suppress
from appliance.alarms.calm import Calm, readings
from appliance.alarms.delay import Condition
from appliance.alarms.families import Families
from appliance.alarms.flood import FLOOD, Flood
from appliance.alarms.lately import lately_of
from appliance.alarms.listing import listed, overview
from appliance.alarms.notes import Cause
from appliance.alarms.rules import Rate, Reading, Stale
from appliance.alarms.sources import SourceAlarms
from appliance.alarms.suppression import Suppressions
from appliance.alarms.watch import Watch, watched_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from appliance.alarms.acts import Act
    from appliance.alarms.alarm import Alarm
    from appliance.alarms.listing import Filter
    from appliance.alarms.sources import SourceWord
    from appliance.alarms.watch import Explain, Place
    from appliance.config import AlarmSettings
    from appliance.domain.batch import Batch
    from appliance.domain.event import Event
    from appliance.domain.tag import TagId


class UnknownAlarmError(Exception):
    """No alarm has this name."""


class AlarmEngine:
    """All alarms of the configuration. `places` has every tag that they watch.

    `explain` tells what a model thinks of an asset, for the alarms of its score.
    """

    def __init__(
        self,
        alarms: Sequence[AlarmSettings],
        places: Mapping[TagId, Place],
        *,
        now_s: float,
        utc_ns: int,
        recalled: Mapping[str, Event] | None = None,
        lately: Iterable[Event] = (),
        explain: Explain | None = None,
    ) -> None:
        self._watches = {
            a.id: Watch(a, places[watched_tag(a)], explain) for a in alarms
        }
        self._sources = SourceAlarms()
        for alarm_id, event in (recalled or {}).items():
            if watch := self._watches.get(alarm_id):
                watch.recall(event, now_s=now_s, utc_ns=utc_ns)
            else:
                self._sources.recall(event, now_s=now_s, utc_ns=utc_ns)
        past = lately_of(lately, now_s=now_s, utc_ns=utc_ns)
        for alarm in self._every():
            alarm.activity.recall(past.activated_s.get(alarm.id, ()))
        self._flood = Flood(past.announced_s, (recalled or {}).get(FLOOD))
        every = tuple(self._watches.values())
        self._stale = [(w, w.rule) for w in every if isinstance(w.rule, Stale)]
        self._rates = [w for w in every if isinstance(w.rule, Rate)]
        self._confirmed_s = dict.fromkeys((w.source.group for w in every), now_s)
        self._timed = {w.id: w for w in every if w.timed}
        self._by_tag: dict[int, list[Watch]] = {}
        for watch in every:
            self._by_tag.setdefault(watch.source.number, []).append(watch)
        self._calm = Calm(self._by_tag)
        self._families = Families(self._watches)
        self._suppressions = Suppressions(every, places, now_s=now_s)

    def evaluate(self, batch: Batch, *, now_s: float, utc_ns: int) -> list[Event]:
        """Judge the rows of a batch; historical ones are the past and raise nothing."""
        if batch.historical:
            return []
        if batch.confirms and batch.group in self._confirmed_s:
            self._confirmed_s[batch.group] = now_s
        events: list[Event] = []
        cause = Cause(now_s, utc_ns)
        states = tuple(self._suppressions.take(batch, now_s=now_s))
        # What begins to mean nothing is not announced; what ends to is judged first.
        self._suppress((each for each in states if each[1]), cause, events)
        for tag, reading in readings(batch, self._calm.rows_to_judge(batch), now_s):
            for watch in self._by_tag[tag]:
                self._judge(watch, reading, cause, events)
            self._calm.narrow(tag)
        if batch.confirms:
            self._judge_still(batch, cause, events)
        self._suppress((each for each in states if not each[1]), cause, events)
        return self._told(events, cause)

    def tick(self, *, now_s: float, utc_ns: int) -> list[Event]:
        """Let time pass: delays, shelves, stale tags."""
        events: list[Event] = []
        cause = Cause(now_s, utc_ns)
        for watch in tuple(self._timed.values()):
            self._step(watch, Elapse(), now_s, cause, events)
            self._calm.narrow(watch.source.number)
        for watch, rule in self._stale:
            condition = rule.judge_age(now_s - self._confirmed_s[watch.source.group])
            if condition is not watch.life.lasting.condition:
                self._step(watch, Observe(condition), now_s, cause, events)
        self._suppress(tuple(self._suppressions.tick(now_s=now_s)), cause, events)
        return self._told(events + self._sources.tick(cause), cause)

    def hear_sources(
        self, words: Mapping[str, SourceWord], *, now_s: float, utc_ns: int
    ) -> list[Event]:
        """Take what every source says is wrong with itself; return the events."""
        cause = Cause(now_s, utc_ns)
        return self._told(self._sources.hear(words, cause), cause)

    def act(
        self,
        alarm_id: str,
        act: Act,
        *,
        actor: str,
        now_s: float,
        utc_ns: int,
        reason: str = "",
    ) -> list[Event]:
        """Do what a person asks for; return the events.

        Raises:
            UnknownAlarmError: There is no such alarm.
            NotPossibleError: It has no meaning in the alarm's state.
        """
        watch = self._watches.get(alarm_id)
        cause = Cause(now_s, utc_ns, actor, reason)
        if watch is None:
            self._alarm(alarm_id)
            return self._told(self._sources.act(alarm_id, act, cause), cause)
        events: list[Event] = []
        self._step(watch, act, now_s, cause, events)
        self._calm.narrow(watch.source.number)
        return self._told(events, cause)

    def judge(
        self,
        alarm_id: str,
        verdict: str,
        *,
        note: str,
        actor: str,
        now_s: float,
        utc_ns: int,
    ) -> Event:
        """Note whether an alarm was right: `true`, `false`, or `unknown`.

        Raises:
            UnknownAlarmError: There is no such alarm.
        """
        cause = Cause(now_s, utc_ns, actor)
        return self._alarm(alarm_id).judge(verdict, note, cause)

    def calls(self, alarm_id: str) -> bool:
        """Whether an alarm calls for a person now; one that is gone does not."""
        found = self._watches.get(alarm_id) or self._sources.get(alarm_id)
        return found is not None and found.announced

    def root_of(self, alarm_id: str) -> str:
        """Return the furthest ancestor of an alarm that stands, or the alarm itself."""
        watch = self._watches.get(alarm_id)
        return alarm_id if watch is None else self._families.root(watch)

    def table(
        self, *, now_s: float, utc_ns: int, only: Filter | None = None
    ) -> list[dict[str, Any]]:
        """Return every alarm and where it stands, in the order of configuration.

        After them those of sources, as long as they stand.
        """
        return [
            {
                **alarm.row(now_s=now_s, utc_ns=utc_ns),
                "group": self._families.root(alarm),
            }
            for alarm in listed(self._every(), only)
        ]

    def overview(self, *, now_s: float, utc_ns: int) -> dict[str, Any]:
        """Return how many stand, by priority and by state, and whether it floods."""
        return {
            "flood": self._flood.active,
            "flood_since_ns": self._flood.since_ns,
            "announced_10min": self._flood.announced(now_s),
            **overview(self._every(), utc_ns),
        }

    def _every(self) -> Iterator[Alarm]:
        yield from self._watches.values()
        yield from self._sources

    def _alarm(self, alarm_id: str) -> Alarm:
        found = self._watches.get(alarm_id) or self._sources.get(alarm_id)
        if found is None:
            raise UnknownAlarmError(f"there is no alarm {alarm_id!r}")
        return found

    def _told(self, events: list[Event], cause: Cause) -> list[Event]:
        """Return the events, and the one of a flood that they begin or end."""
        return events + self._flood.follow(events, cause)

    def _suppress(
        self,
        states: Iterable[tuple[Watch, bool, str]],
        cause: Cause,
        events: list[Event],
    ) -> None:
        for watch, suppressed, why in states:
            because = cause._replace(reason=why)
            self._step(watch, Suppress(suppressed), cause.now_s, because, events)

    def _judge(
        self, watch: Watch, reading: Reading, cause: Cause, events: list[Event]
    ) -> None:
        if isinstance(watch.rule, Stale):
            return
        leans_on = watch.life.lasting.leans_on
        condition = watch.rule.judge(reading, watch.last, leans_on=leans_on)
        if reading.usable:
            watch.last = reading
        self._step(watch, Observe(condition), reading.at_s, cause, events)

    def _judge_still(self, batch: Batch, cause: Cause, events: list[Event]) -> None:
        """What was confirmed without a new row has not moved."""
        for watch in self._rates:
            last, known = watch.last, watch.life.lasting.condition
            mine = watch.source.group == batch.group
            if last is None or not mine or watch.source.number in batch.tag:
                continue
            if known is not Condition.UNKNOWN:
                self._judge(watch, last.held_until(cause.now_s), cause, events)

    def _step(
        self,
        watch: Watch,
        act: Act,
        at_s: float,
        cause: Cause,
        events: list[Event],
    ) -> None:
        happened = watch.take(act, at_s, cause)
        if watch.timed:
            self._timed[watch.id] = watch
        else:
            self._timed.pop(watch.id, None)
        if happened:
            events += happened
            events += self._families.follow(watch, cause)
