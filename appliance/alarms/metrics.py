"""How good the alarms are: figures counted from their events, live or afterwards. Pure.

Names and meanings of `AlarmMetricsType` (OPC UA Part 9, 9.2): durations in ms, rates
in alarms per `Rate` seconds. Beside them those of EEMUA 191 and ISA-18.2. The same
events give the same figures, whoever counts them.
"""

from __future__ import annotations

from array import array
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.alarms.activity import STALE_AFTER_S
from appliance.alarms.alarm import CHATTERING, RANK
from appliance.alarms.counted import calls, times_of
from appliance.alarms.flood import FLOOD
from appliance.alarms.lifecycle import Change
from appliance.alarms.notes import notes_of
from appliance.alarms.rates import (
    RATE_NS,
    flood_time_pct,
    most_within,
    periods_over_pct,
)
from appliance.domain.event import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.domain.event import Event

_NS, _NS_PER_MS = 1_000_000_000, 1_000_000
_DAY_S = 86_400.0
_TOP = 10
_KEPT = 100_000
"""Times that rates are counted from: the newest. A look takes some 50 ms then."""


class Metrics:
    """Counts from `start_ns` on; `standing` are the last events of alarms before it."""

    def __init__(self, start_ns: int, standing: Mapping[str, Event]) -> None:
        self._start_ns = start_ns
        self._times_ns = array("q")
        self._by_alarm: Counter[str] = Counter()
        self._by_priority: Counter[str] = Counter(dict.fromkeys(RANK, 0))
        self._chattering: set[str] = set()
        self._active = _Longest(start_ns)
        self._unacknowledged = _Longest(start_ns)
        self._realarms: Counter[str] = Counter()
        self._realarms_max = 0
        for event in standing.values():
            self._stand(event)

    def add(self, event: Event) -> None:
        """Count an event, if it is one of an alarm."""
        alarm = str(event.details.get("id"))
        if event.kind is not EventKind.ALARM or alarm == FLOOD:
            return
        self._stand(event)
        if event.name == CHATTERING:
            self._chattering.add(alarm)
        if event.name == Change.ACTIVE:
            self._realarms[alarm] = 0
        elif event.name == Change.REANNOUNCED:
            self._realarms[alarm] += 1
            self._realarms_max = max(self._realarms_max, self._realarms[alarm])
        if calls(event):
            times = tuple(times_of(event))
            self._times_ns.extend(times)
            del self._times_ns[:-_KEPT]
            self._by_alarm[alarm] += len(times)
            self._by_priority[event.priority] += len(times)

    def figures(self, now_ns: int) -> dict[str, Any]:
        """Return all figures as of a time."""
        times = np.sort(np.frombuffer(self._times_ns, np.int64))
        count = self._by_alarm.total()
        passed_ns = max(now_ns - self._start_ns, 1)
        return {
            "AlarmCount": count,
            "StartTime": _iso(self._start_ns),
            "EndTime": _iso(now_ns),
            "Rate": RATE_NS // _NS,
            "MaximumActiveState": self._active.longest_ns(now_ns) / _NS_PER_MS,
            "MaximumUnAck": self._unacknowledged.longest_ns(now_ns) / _NS_PER_MS,
            "CurrentAlarmRate": int((now_ns - times <= RATE_NS).sum()),
            "MaximumAlarmRate": most_within(times),
            "MaximumReAlarmCount": self._realarms_max,
            "AverageAlarmRate": round(count * RATE_NS / passed_ns, 6),
            "alarms_per_day": round(count * _DAY_S * 1e9 / passed_ns, 3),
            "periods_over_10_pct": periods_over_pct(times, self._start_ns, now_ns),
            "flood_time_pct": flood_time_pct(times, self._start_ns, now_ns),
            "priority_pct": _shares(self._by_priority),
            "top_10": [
                {"alarm": alarm, "count": n, "share_pct": round(100 * n / count, 2)}
                for alarm, n in _most(self._by_alarm)
            ],
            "chattering": sorted(self._chattering),
            "stale": self._active.longer_than(STALE_AFTER_S, now_ns),
            "standing": self._active.standing,
            "unacknowledged": self._unacknowledged.standing,
        }

    def _stand(self, event: Event) -> None:
        details = event.details
        alarm, notes = str(details.get("id")), notes_of(details)
        active = bool(details.get("active"))
        waits = not details.get("acknowledged", True)
        since_ns, waits_ns = notes.since_ns, notes.unacknowledged_ns
        self._active.note(
            alarm, event.time_ns, since_ns if active else None, is_on=active
        )
        self._unacknowledged.note(alarm, event.time_ns, waits_ns, is_on=waits)


class _Longest:
    """How long alarms were in a state, within the time that is counted."""

    def __init__(self, start_ns: int) -> None:
        self._start_ns = start_ns
        self._since_ns: dict[str, int] = {}
        self._longest_ns = 0

    @property
    def standing(self) -> int:
        """How many are in it."""
        return len(self._since_ns)

    def note(
        self, alarm: str, time_ns: int, since_ns: int | None, *, is_on: bool
    ) -> None:
        if is_on:
            given_ns = time_ns if since_ns is None else since_ns
            self._since_ns.setdefault(alarm, given_ns)
        elif (begun_ns := self._since_ns.pop(alarm, None)) is not None:
            self._longest_ns = max(self._longest_ns, self._lasted(begun_ns, time_ns))

    def longest_ns(self, now_ns: int) -> int:
        lasting = (self._lasted(t, now_ns) for t in self._since_ns.values())
        return max(self._longest_ns, *lasting, 0)

    def longer_than(self, length_s: float, now_ns: int) -> list[str]:
        """Return the alarms that are in it for longer, also from before the start."""
        found = self._since_ns.items()
        return sorted(alarm for alarm, t in found if now_ns - t > length_s * 1e9)

    def _lasted(self, begun_ns: int, end_ns: int) -> int:
        return max(0, end_ns - max(begun_ns, self._start_ns))


def recomputed(events: Iterable[Event], from_ns: int, to_ns: int) -> dict[str, Any]:
    """Return the figures of [from_ns, to_ns] from all events up to then, in order."""
    standing: dict[str, Event] = {}
    within: list[Event] = []
    for event in events:
        if event.kind is not EventKind.ALARM or event.time_ns > to_ns:
            continue
        if event.time_ns < from_ns:
            standing[str(event.details.get("id"))] = event
        else:
            within.append(event)
    metrics = Metrics(from_ns, standing)
    for event in within:
        metrics.add(event)
    return metrics.figures(to_ns)


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:_TOP]


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = max(1, sum(counts.values()))
    return {name: round(100 * count / total, 2) for name, count in counts.items()}


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns * 1e-9, UTC).isoformat(
        timespec="milliseconds"
    )
