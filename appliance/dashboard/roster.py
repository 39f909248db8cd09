"""Which alarms are listed, and under which: filters, and groups in a flood. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.dashboard.standing import PRIORITIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.dashboard.standing import Alarm

ALL, NEW, URGENT, ASIDE = "all", "not acknowledged", "critical and high", "put aside"
FILTERS = (ALL, NEW, URGENT, ASIDE)
AUTO, GROUPED, SINGLY = "as needed", "by root cause", "one by one"
GROUPINGS = (AUTO, GROUPED, SINGLY)
FLOOD_COUNT, FLOOD_S = 10, 600.0
"""More new alarms than this within this time are a flood (ISA-18.2)."""


@dataclass(frozen=True, slots=True)
class Line:
    """An alarm of the list, with how many stand below it that are not listed."""

    alarm: Alarm
    below: int = 0


def roster(
    alarms: Sequence[Alarm],
    *,
    chosen: str = ALL,
    grouping: str = AUTO,
    flooded: bool = False,
) -> tuple[Line, ...]:
    """Return what is listed, in the order of `alarms`."""
    kept = [alarm for alarm in alarms if passes(alarm, chosen)]
    if grouping == SINGLY or (grouping == AUTO and not flooded):
        return tuple(Line(alarm) for alarm in kept)
    return _grouped(kept)


def passes(alarm: Alarm, chosen: str) -> bool:
    """Whether a filter lets an alarm through."""
    match chosen:
        case "not acknowledged":
            return alarm.needs_acknowledgement
        case "critical and high":
            return alarm.announced and alarm.priority in PRIORITIES[:2]
        case "put aside":
            return not alarm.announced
    return True


def is_flood(alarms: Iterable[Alarm], utc_ns: int) -> bool:
    """Whether more alarms came within the last ten minutes than a person can take."""
    since_ns = utc_ns - round(FLOOD_S * 1e9)
    return sum(a.announced and a.begun_ns > since_ns for a in alarms) > FLOOD_COUNT


def _grouped(alarms: Sequence[Alarm]) -> tuple[Line, ...]:
    """Hide what stands below another; the highest priority is never hidden.

    The root of an alarm is the one that the hub says speaks for its group; where that
    is itself, the alarm of its asset that came first.
    """
    standing = {alarm.id for alarm in alarms}
    first: dict[str, str] = {}
    for alarm in sorted(alarms, key=lambda each: each.begun_ns):
        if alarm.asset and alarm.announced:
            first.setdefault(alarm.asset, alarm.id)
    below: dict[str, int] = {}
    shown = []
    for alarm in alarms:
        root = _root(alarm, standing, first)
        if root == alarm.id or alarm.priority == PRIORITIES[0]:
            shown.append(alarm)
        else:
            below[root] = below.get(root, 0) + 1
    return tuple(Line(alarm, below.get(alarm.id, 0)) for alarm in shown)


def _root(alarm: Alarm, standing: set[str], first: dict[str, str]) -> str:
    if alarm.group != alarm.id and alarm.group in standing:
        return alarm.group
    return first.get(alarm.asset, alarm.id) if alarm.announced else alarm.id
