"""Who is called when about alarms that nobody has answered. Pure.

```text
  announced ─▶ an episode begins ─▶ each step, when it is due ─▶ a message per target
                     │                             sent: perhaps again, later │
  acknowledged, shelved, … ─▶ it is over: silence  failed: the next step now ◀┘
```

What has been called is told by events of their own (`CALL`), so that after a restart
the event log, heard again (`recall`), leaves everything where it stood.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from appliance.alarms.call_message import (
    LOWEST,
    SENT,
    Message,
    Slot,
    rank_of,
    slots_of,
    told_of,
)
from appliance.alarms.episode import Call, Episode, due_of, quiet_until_ns
from appliance.alarms.flood import FLOOD, FLOOD_BEGIN
from appliance.alarms.lifecycle import State
from appliance.alarms.pace import HOUR_NS, Pace
from appliance.alarms.sources import id_of
from appliance.config.callout import LetterSettings
from appliance.config.windows import Window, is_open, parse_window
from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from appliance.config.callout import CalloutSettings, StepSettings, TargetSettings

CALLOUT = "callout"
"""Under which targets that fail stand among the sources."""
SLOTS_MAX = 200
"""Calls of one message; more go with the next."""
NOTES_MAX = 20
SINCE = "coalesced_since_ns"
"""Of an event that stands for several: when the first of them was."""
_MASKED = frozenset({State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE})
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Step:
    settings: StepSettings
    windows: tuple[Window, ...]


class Calling:
    """Hears the events of alarms, and says who is called now."""

    def __init__(self, settings: CalloutSettings) -> None:
        self._settings = settings
        self._steps = [
            _Step(step, tuple(map(parse_window, step.windows)))
            for step in sorted(settings.steps, key=lambda each: each.after_s)
        ]
        self._open = [each.settings for each in self._steps]
        self._zone = ZoneInfo(settings.time_zone)
        self._targets = {target.name: target for target in settings.targets}
        self._pace = {
            name: _pace_of(each, settings) for name, each in self._targets.items()
        }
        self._episodes: dict[str, Episode] = {}
        self._out: dict[str, Message] = {}
        self._notes: defaultdict[str, list[Event]] = defaultdict(list)
        self._flood = False
        self._numbers = 0

    def hear(self, event: Event) -> None:
        """Take an event as it happens; only those of alarms matter."""
        self._take(event, live=True)

    def recall(
        self,
        alarms: Iterable[Event],
        calls: Iterable[Event],
        last: Mapping[str, Event],
        *,
        now_ns: int,
    ) -> None:
        """Take up again: events of alarms and of calls, the last word on each alarm.

        They are those since `past_from_ns`. What nobody was called for yet is counted
        from now on.
        """
        for event in alarms:
            self._take(event, live=False)
        for alarm, event in last.items():
            announced_ns = event.details.get("announced_ns")
            known = alarm in self._episodes or self._is_over(event)
            if not known and isinstance(announced_ns, int):
                self._begin(alarm, announced_ns, event)
        for event in calls:
            self._recall_call(event)
        for episode in self._episodes.values():
            if not episode.calls:
                episode.since_ns = now_ns
        self._flood = False  # the engine begins to count anew, too

    def step(self, now_ns: int, calls: Callable[[str], bool]) -> list[Message]:
        """Return what goes out now, at most one message per target at a time.

        `calls` says whether an alarm calls for a person: a parent may speak for it, and
        it may be gone.
        """
        due: defaultdict[str, list[tuple[Episode, float]]] = defaultdict(list)
        local = datetime.fromtimestamp(now_ns / _NS, UTC).astimezone(self._zone)
        self._open = [
            each.settings
            for each in self._steps
            if is_open(each.windows, local, self._settings.holidays)
        ]
        every = [each.settings for each in self._steps]
        for episode in self._episodes.values():
            if now_ns < episode.quiet_ns:
                continue
            if not calls(episode.alarm):
                episode.pause(now_ns)
                continue
            slots = list(due_of(episode, self._open, now_ns))
            for after_s, target in slots:
                due[target].append((episode, after_s))
            if not slots:
                episode.quiet_ns = quiet_until_ns(episode, every, now_ns)
        messages = []
        for target in self._targets:
            found = self._compose(target, due.get(target, []), now_ns)
            if found is not None:
                messages.append(found)
        return messages

    def done(self, message_id: str, said: str, now_ns: int, *, sent: bool) -> Event:
        """Take how a message fared; return the event that tells of it.

        Raises:
            KeyError: It is not under way.
        """
        message = self._out.pop(message_id)
        pace = self._pace[message.target]
        for slot in message.slots:
            if (episode := self._episode(slot)) is not None:
                self._answered(episode, slot.after_s, message.target, now_ns, sent=sent)
        if sent:
            pace.sent(now_ns, message.rank)
        else:
            pace.failed(now_ns)
        return told_of(message, said, now_ns, sent=sent)

    def holds(self, target: str, calls: Callable[[str], bool]) -> bool:
        """Whether an alarm that called a target still waits for an answer."""
        return any(e.told(target) and calls(e.alarm) for e in self._episodes.values())

    @property
    def waiting(self) -> int:
        """How many alarms wait for an answer."""
        return len(self._episodes)

    def _take(self, event: Event, *, live: bool) -> None:
        alarm = str(event.details.get("id", ""))
        if event.kind is not EventKind.ALARM or not alarm:
            return
        if alarm == FLOOD:
            self._flood = event.name == FLOOD_BEGIN
        elif self._is_over(event):
            self._end(alarm, event, live=live)
        elif event.details.get("announced"):
            since_ns = event.details.get(SINCE)
            begun_ns = since_ns if isinstance(since_ns, int) else event.time_ns
            self._begin(alarm, begun_ns, event)

    def _is_over(self, event: Event) -> bool:
        gone = self._settings.stop_on_return and not event.details.get("active")
        return gone or not _waits(event)

    def _begin(self, alarm: str, begun_ns: int, event: Event) -> None:
        """What was announced already goes on, unless it has become more urgent."""
        episode = self._episodes.get(alarm)
        if episode is None or rank_of(event) < rank_of(episode.event):
            self._episodes[alarm] = Episode(alarm, begun_ns, event, begun_ns)
        else:
            episode.event = event

    def _end(self, alarm: str, event: Event, *, live: bool) -> None:
        episode = self._episodes.pop(alarm, None)
        if episode is None or not live:
            return
        for name, target in self._targets.items():
            notes = self._notes[name]
            wanted = isinstance(target, LetterSettings) and target.resolved
            if wanted and episode.told(name) and len(notes) < NOTES_MAX:
                notes.append(event)

    def _recall_call(self, event: Event) -> None:
        target, sent = str(event.details.get("target")), event.name == SENT
        for slot in slots_of(event):
            episode = self._episodes.get(slot.alarm)
            if episode is None or not episode.was(slot.begun_ns):
                continue
            episode.begun_ns = slot.begun_ns
            episode.calls.setdefault((slot.after_s, target), Call(event.time_ns))
            self._answered(episode, slot.after_s, target, event.time_ns, sent=sent)
        if sent and target in self._pace:
            self._pace[target].sent(event.time_ns, rank_of(event))

    def _episode(self, slot: Slot) -> Episode | None:
        found = self._episodes.get(slot.alarm)
        return found if found and found.begun_ns == slot.begun_ns else None

    def _answered(
        self, episode: Episode, after_s: float, target: str, now_ns: int, *, sent: bool
    ) -> None:
        call = episode.calls[after_s, target]
        call.out, episode.quiet_ns = False, 0
        if sent:
            call.told += 1
            call.next_ns = self._again_ns(episode, after_s, target, now_ns)
            return
        call.next_ns = now_ns  # as soon as the target's pace allows
        later = [
            step.after_s
            for step in self._open
            if step.after_s > after_s and episode.event.priority in step.priorities
        ]
        episode.through_s = max(episode.through_s, min(later, default=0.0))

    def _again_ns(
        self, episode: Episode, after_s: float, target: str, now_ns: int
    ) -> int | None:
        told = episode.calls[after_s, target].told
        for step in (each.settings for each in self._steps):
            mine = step.after_s == after_s and target in step.targets
            if mine and step.repeat_s is not None and told <= step.repeats:
                return now_ns + round(step.repeat_s * _NS)
        return None

    def _compose(
        self, target: str, due: list[tuple[Episode, float]], now_ns: int
    ) -> Message | None:
        """Return the message to a target, or None while it must wait."""
        # A target that fails is not told so: that is for the others.
        own = id_of(CALLOUT, target)
        due = [each for each in due if each[0].alarm != own]
        notes = self._notes[target]
        under_way = any(each.target == target for each in self._out.values())
        if under_way or not (due or notes):
            return None
        rank = min((rank_of(episode.event) for episode, _ in due), default=LOWEST)
        if not self._pace[target].allows(now_ns, rank, flood=self._flood):
            return None
        due.sort(key=lambda each: (rank_of(each[0].event), each[0].begun_ns))
        taken = due[:SLOTS_MAX]
        for episode, after_s in taken:
            episode.calls[after_s, target].out = True
        self._numbers += 1
        message = Message(
            f"{now_ns:x}-{self._numbers:x}",
            target,
            tuple(Slot(e.alarm, e.begun_ns, after_s) for e, after_s in taken),
            tuple({e.alarm: e.event for e, _ in taken}.values()),
            tuple(notes),
            flood=self._flood,
        )
        notes.clear()
        self._out[message.id] = message
        return message


def _pace_of(target: TargetSettings, settings: CalloutSettings) -> Pace:
    """Return the pace of a target; a lamp has nothing to read, and need not wait."""
    if not isinstance(target, LetterSettings):
        return Pace(target.calls_per_hour, 0.0, 0.0)
    return Pace(target.calls_per_hour, settings.gather_s, settings.flood_gather_s)


def past_from_ns(last: Mapping[str, Event], now_ns: int) -> int:
    """Return from when on `Calling.recall` wants the past."""
    waiting = (e.details.get("unacknowledged_ns") for e in last.values() if _waits(e))
    return min((t for t in waiting if isinstance(t, int)), default=now_ns) - HOUR_NS


def _waits(event: Event) -> bool:
    details = event.details
    return not details.get("acknowledged", True) and details.get("state") not in _MASKED
