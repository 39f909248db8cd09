"""What happened before a restart, as the journal has it: counting goes on. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from appliance.alarms.activity import COUNTED_WITHIN_S
from appliance.alarms.counted import calls, times_of
from appliance.alarms.flood import FLOOD
from appliance.alarms.lifecycle import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from appliance.domain.event import Event

LATELY_S = COUNTED_WITHIN_S
LATELY_MAX = 5000
"""How far back, and how many events at most, a restart looks."""


class Lately(NamedTuple):
    """When alarms called for a person, and when each became active; in order."""

    announced_s: Sequence[float]
    activated_s: Mapping[str, Sequence[float]]


def lately_of(events: Iterable[Event], *, now_s: float, utc_ns: int) -> Lately:
    """Return what events of alarms count for, on the clock of `now_s`.

    What claims to be of the future was stamped by a wrong clock, and counts for
    nothing.
    """
    announced: list[float] = []
    activated: defaultdict[str, list[float]] = defaultdict(list)
    for event in events:
        alarm = str(event.details.get("id"))
        if alarm == FLOOD or event.time_ns > utc_ns:
            continue
        times_s = [now_s - (utc_ns - time_ns) * 1e-9 for time_ns in times_of(event)]
        if calls(event):
            announced += times_s
        if event.name == Change.ACTIVE:
            activated[alarm] += times_s
    by_alarm = {alarm: sorted(times_s) for alarm, times_s in activated.items()}
    return Lately(sorted(announced), by_alarm)
