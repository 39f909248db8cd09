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

from appliance.alarms.activity import STALE_AFTER_S
from appliance.alarms.alarm import CHATTERING, RANK
from appliance.alarms.flood import BEGINS_ABOVE, ENDS_BELOW, FLOOD, WITHIN_S
from appliance.alarms.lifecycle import Change
from appliance.alarms.notes import notes_of
from appliance.domain.event import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from appliance.domain.event import Event

_RATE_NS = round(WITHIN_S * 1e9)
_NS_PER_MS = 1_000_000
_DAY_S = 86_400.0
_TOP = 10
_KEPT = 1_000_000
"""Times that rates are counted from: the newest."""
_MASKED = frozenset({"shelved", "suppressed", "out_of_service"})
_RAISED = frozenset({Change.ACTIVE, Change.REANNOUNCED})


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
        if _calls(event):
            times = tuple(_times_of(event))
            self._times_ns.extend(times)
            del self._times_ns[:-_KEPT]
            self._by_alarm[alarm] += len(times)
            self._by_priority[event.priority] += len(times)

    def figures(self, now_ns: int) -> dict[str, Any]:
        """Return all figures as of a time."""
        times = sorted(self._times_ns)
        count = self._by_alarm.total()
        passed_ns = max(now_ns - self._start_ns, 1)
        return {
            "AlarmCount": count,
            "StartTime": _iso(self._start_ns),
            "EndTime": _iso(now_ns),
            "Rate": round(WITHIN_S),
            "MaximumActiveState": self._active.longest_ns(now_ns) / _NS_PER_MS,
            "MaximumUnAck": self._unacknowledged.longest_ns(now_ns) / _NS_PER_MS,
            "CurrentAlarmRate": sum(now_ns - t <= _RATE_NS for t in times),
            "MaximumAlarmRate": most_within(times),
            "MaximumReAlarmCount": self._realarms_max,
            "AverageAlarmRate": round(count * _RATE_NS / passed_ns, 6),
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


def most_within(times: Sequence[int]) -> int:
    """Return the most of sorted times (ns) that lie within any ten minutes."""
    most = first = 0
    for last, time_ns in enumerate(times):
        while time_ns - times[first] > _RATE_NS:
            first += 1
        most = max(most, last - first + 1)
    return most


def periods_over_pct(times: Sequence[int], start_ns: int, now_ns: int) -> float:
    """Return which part of the ten-minute periods had more than ten, in per cent."""
    periods = max(1, -(-(now_ns - start_ns) // _RATE_NS))
    counts = Counter((t - start_ns) // _RATE_NS for t in times)
    over = sum(count > BEGINS_ABOVE for count in counts.values())
    return round(100 * over / periods, 3)


def flood_time_pct(times: Sequence[int], start_ns: int, now_ns: int) -> float:
    """Return which part of the time was flooded, in per cent."""
    steps = sorted([(t, 1) for t in times] + [(t + _RATE_NS, -1) for t in times])
    count, since_ns, flooded_ns = 0, None, 0
    for time_ns, by in steps:
        if time_ns > now_ns:
            break
        count += by
        if since_ns is None and count > BEGINS_ABOVE:
            since_ns = time_ns
        elif since_ns is not None and count < ENDS_BELOW:
            flooded_ns += time_ns - since_ns
            since_ns = None
    if since_ns is not None:
        flooded_ns += now_ns - since_ns
    return round(100 * flooded_ns / max(now_ns - start_ns, 1), 3)


def _calls(event: Event) -> bool:
    """Whether it called for a person; events of older releases do not say so."""
    told = event.details.get("announced")
    if told is not None or event.name not in _RAISED:
        return bool(told)
    inhibited = event.details.get("inhibited_by")
    return not inhibited and event.details.get("state") not in _MASKED


def _times_of(event: Event) -> Iterator[int]:
    """Yield when it happened; one that stands for several has them spread evenly."""
    count, since_ns = (
        event.details.get(k) for k in ("coalesced", "coalesced_since_ns")
    )
    if not isinstance(count, int) or not isinstance(since_ns, int) or count < 2:  # noqa: PLR2004 - several
        yield event.time_ns
        return
    span_ns = event.time_ns - since_ns
    yield from (since_ns + span_ns * n // (count - 1) for n in range(count))


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:_TOP]


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = max(1, sum(counts.values()))
    return {name: round(100 * count / total, 2) for name, count in counts.items()}


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns * 1e-9, UTC).isoformat(
        timespec="milliseconds"
    )
