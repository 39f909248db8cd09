"""Which rules watch which tag, and what became of them.

A batch costs one vectorised look: rows that lie where nothing can change (`Watch.span`)
are passed over, the others are judged one by one. After a restart every alarm stands
where its last committed event left it (`recalled`), with its condition unknown: what
was active stays so until a good sample proves it gone; a latch, a shelf and an
acknowledgement survive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.alarms.alarm import Cause
from appliance.alarms.delay import Condition
from appliance.alarms.lifecycle import Elapse, Observe
from appliance.alarms.rules import EVERYTHING, Rate, Reading, Stale
from appliance.alarms.sources import SourceAlarms
from appliance.alarms.watch import Watch, watched_tag
from appliance.domain.sample import Quality

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.alarms.lifecycle import Act
    from appliance.alarms.sources import SourceWord
    from appliance.alarms.watch import Place
    from appliance.config import AlarmSettings
    from appliance.domain.batch import Batch
    from appliance.domain.event import Event
    from appliance.domain.tag import TagId

_LONGEST_SHIFT_S = 60.0


class UnknownAlarmError(Exception):
    """No alarm has this name."""


class AlarmEngine:
    """All alarms of the configuration. `places` has every tag that they watch."""

    def __init__(
        self,
        alarms: Sequence[AlarmSettings],
        places: Mapping[TagId, Place],
        *,
        now_s: float,
        utc_ns: int,
        recalled: Mapping[str, Event] | None = None,
    ) -> None:
        self._watches = {a.id: Watch(a, places[watched_tag(a)]) for a in alarms}
        self._sources = SourceAlarms()
        for alarm_id, event in (recalled or {}).items():
            if watch := self._watches.get(alarm_id):
                watch.recall(event, now_s=now_s, utc_ns=utc_ns)
            else:
                self._sources.recall(event, now_s=now_s, utc_ns=utc_ns)
        every = self._watches.values()
        self._stale = [(w, w.rule) for w in every if isinstance(w.rule, Stale)]
        self._rates = [w for w in every if isinstance(w.rule, Rate)]
        self._confirmed_s = dict.fromkeys((w.source.group for w in every), now_s)
        self._timed = {w.id: w for w in every if w.timed}
        self._by_tag: dict[int, list[Watch]] = {}
        for watch in every:
            self._by_tag.setdefault(watch.source.number, []).append(watch)
        size = max(self._by_tag, default=-1) + 2  # the last stands for all others
        self._low = np.full(size, EVERYTHING[0])
        self._high = np.full(size, EVERYTHING[1])
        self._watched = np.zeros(size, dtype=bool)
        self._watched[list(self._by_tag)] = True
        for number in self._by_tag:
            self._narrow(number)

    def evaluate(self, batch: Batch, *, now_s: float, utc_ns: int) -> list[Event]:
        """Judge the rows of a batch; historical ones are the past and raise nothing."""
        if batch.historical:
            return []
        if batch.confirms and batch.group in self._confirmed_s:
            self._confirmed_s[batch.group] = now_s
        events: list[Event] = []
        cause = Cause(now_s, utc_ns)
        for tag, reading in _readings(batch, self._rows_to_judge(batch), now_s):
            for watch in self._by_tag[tag]:
                self._judge(watch, reading, cause, events)
            self._narrow(tag)
        if batch.confirms:
            self._judge_still(batch, cause, events)
        return events

    def tick(self, *, now_s: float, utc_ns: int) -> list[Event]:
        """Let time pass: delays, shelves, stale tags."""
        events: list[Event] = []
        cause = Cause(now_s, utc_ns)
        for watch in tuple(self._timed.values()):
            self._step(watch, Elapse(), now_s, cause, events)
            self._narrow(watch.source.number)
        for watch, rule in self._stale:
            condition = rule.judge_age(now_s - self._confirmed_s[watch.source.group])
            if condition is not watch.life.lasting.condition:
                self._step(watch, Observe(condition), now_s, cause, events)
        return events + self._sources.tick(cause)

    def hear_sources(
        self, words: Mapping[str, SourceWord], *, now_s: float, utc_ns: int
    ) -> list[Event]:
        """Take what every source says is wrong with itself; return the events."""
        return self._sources.hear(words, Cause(now_s, utc_ns))

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
            return self._act_on_source(alarm_id, act, cause)
        events: list[Event] = []
        self._step(watch, act, now_s, cause, events)
        self._narrow(watch.source.number)
        return events

    def table(self, *, now_s: float, utc_ns: int) -> list[dict[str, Any]]:
        """Return every alarm and where it stands, in the order of configuration.

        After them those of sources, as long as they stand.
        """
        every = (*self._watches.values(), *self._sources)
        return [alarm.row(now_s=now_s, utc_ns=utc_ns) for alarm in every]

    def _act_on_source(self, alarm_id: str, act: Act, cause: Cause) -> list[Event]:
        if alarm_id not in self._sources:
            raise UnknownAlarmError(f"there is no alarm {alarm_id!r}")
        return self._sources.act(alarm_id, act, cause)

    def _rows_to_judge(self, batch: Batch) -> Sequence[int]:
        """Return all rows of the watched tags that have a row beyond their span."""
        place = np.minimum(batch.tag, len(self._watched) - 1)
        good = batch.quality == Quality.GOOD
        calm = good & (batch.value >= self._low[place])
        calm &= batch.value <= self._high[place]
        restless = self._watched[place] & ~calm
        if not restless.any():
            return ()
        involved = np.zeros(len(self._watched), dtype=bool)
        involved[place[restless]] = True
        rows: list[int] = np.flatnonzero(involved[place]).tolist()
        return rows

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
        events += watch.take(act, at_s, cause)
        if watch.timed:
            self._timed[watch.id] = watch
        else:
            self._timed.pop(watch.id, None)

    def _narrow(self, number: int) -> None:
        """Note which good values of a tag change nothing as its alarms stand now."""
        spans = [watch.span for watch in self._by_tag[number]]
        self._low[number] = max(low for low, _ in spans)
        self._high[number] = min(high for _, high in spans)


def _readings(
    batch: Batch, rows: Sequence[int], now_s: float
) -> Iterator[tuple[int, Reading]]:
    """Yield (tag, reading); of several rows of a tag the newest is now.

    So a short excursion inside one notification is as long as it was at the source,
    however late it arrives, and a clock that is wrong over there changes nothing.
    """
    newest: dict[int, int] = {}
    for row in rows:
        tag, time_ns = int(batch.tag[row]), int(batch.source_time_ns[row])
        newest[tag] = max(newest.get(tag, time_ns), time_ns)
    for row in rows:
        tag, time_ns = int(batch.tag[row]), int(batch.source_time_ns[row])
        ago_s = min((newest[tag] - time_ns) * 1e-9, _LONGEST_SHIFT_S)
        quality = Quality(int(batch.quality[row]))
        yield tag, Reading(float(batch.value[row]), quality, time_ns, now_s - ago_s)
