"""How good the alarms are, as the hub counts it, and what is good enough. Pure.

Targets of EEMUA 191 and ISA-18.2 / IEC 62682, for one operator. An average of less
than an hour is shown, but not judged; nor are shares of a few alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from appliance.dashboard.standing import PRIORITIES
from appliance.dashboard.wording import number

if TYPE_CHECKING:
    from collections.abc import Mapping

_PER_HOUR = 6
PER_10_MIN, PER_HOUR, PER_DAY = 1.0, 6.0, 144.0
MOST_PER_10_MIN, OVER_PCT, FLOOD_PCT, TOP_PCT = 10, 1.0, 1.0, 5.0
STALE_BELOW = 5
SHARES_PCT = {"critical": 1.0, "high": 5.0, "medium": 15.0, "low": 80.0}
_SHARE_TIMES = 2.0
"""A share that is more than so many times its target is beyond it; not of the low."""
JUDGED_AFTER_S = 3600.0
JUDGED_FROM = 50
"""Shares of fewer alarms say nothing."""


class Judged(Enum):
    """How a figure stands to its target."""

    WELL = "well"
    BEYOND = "beyond"
    EARLY = "early"
    """It is too early, or they are too few, to say."""


class Figure(NamedTuple):
    """A figure with its target, both as people read them."""

    name: str
    text: str
    target: str = ""
    judged: Judged = Judged.WELL


class Frequent(NamedTuple):
    """One of the most frequent alarms; 0 where it is not one of the ten."""

    alarm: str
    came: int = 0
    share_pct: float = 0.0
    chattering: bool = False
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Kpis:
    """The answer to `alarms.kpi`."""

    since_ns: int
    until_ns: int
    count: int
    figures: tuple[Figure, ...]
    shares: tuple[Figure, ...]
    states: tuple[tuple[str, int], ...]
    longest: tuple[tuple[str, float], ...]
    """In seconds."""
    frequent: tuple[Frequent, ...]

    @property
    def length_s(self) -> float:
        """How long was counted."""
        return (self.until_ns - self.since_ns) * 1e-9

    @property
    def beyond(self) -> int:
        """How many figures are beyond their targets."""
        every = (*self.figures, *self.shares)
        return sum(each.judged is Judged.BEYOND for each in every)


def kpis_of(told: Mapping[str, Any]) -> Kpis:
    """Return what the hub told.

    Raises:
        KeyError: A figure is missing.
        TypeError, ValueError: One is of another kind.
    """
    since_ns, until_ns = _ns(told["StartTime"]), _ns(told["EndTime"])
    count = int(told["AlarmCount"])
    return Kpis(
        since_ns=since_ns,
        until_ns=until_ns,
        count=count,
        figures=_figures(told, count, (until_ns - since_ns) * 1e-9),
        shares=_shares(told["priority_pct"], count),
        states=(
            ("standing", int(told["standing"])),
            ("not acknowledged", int(told["unacknowledged"])),
            ("told again, most", int(told["MaximumReAlarmCount"])),
        ),
        longest=(
            ("longest active", float(told["MaximumActiveState"]) * 1e-3),
            ("longest waiting", float(told["MaximumUnAck"]) * 1e-3),
        ),
        frequent=_frequent(told),
    )


def _figures(
    told: Mapping[str, Any], count: int, length_s: float
) -> tuple[Figure, ...]:
    early = length_s < JUDGED_AFTER_S
    average = float(told["AverageAlarmRate"])
    top_pct = sum(float(each["share_pct"]) for each in told["top_10"])
    chattering, stale = len(told["chattering"]), len(told["stale"])
    return (
        _most("now, in 10 min", int(told["CurrentAlarmRate"]), MOST_PER_10_MIN),
        _most("most in 10 min", int(told["MaximumAlarmRate"]), MOST_PER_10_MIN),
        _most("per 10 min, average", average, PER_10_MIN, early=early),
        _most("per hour, average", _PER_HOUR * average, PER_HOUR, early=early),
        _most("per day, average", float(told["alarms_per_day"]), PER_DAY, early=early),
        _below("10 min with over 10", told["periods_over_10_pct"], OVER_PCT, early),
        _below("time in flood", told["flood_time_pct"], FLOOD_PCT, early),
        _below("top ten's share", top_pct, TOP_PCT, count < JUDGED_FROM),
        Figure("chattering", str(chattering), "0", _judged(beyond=chattering > 0)),
        Figure(
            "stale, over a day", str(stale), f"< {STALE_BELOW}",
            _judged(beyond=stale >= STALE_BELOW),
        ),
    )  # fmt: skip


def _shares(told: Mapping[str, Any], count: int) -> tuple[Figure, ...]:
    figures = []
    for priority in PRIORITIES:
        share_pct, target_pct = float(told[priority]), SHARES_PCT[priority]
        lowest = priority == PRIORITIES[-1]
        beyond = share_pct > _SHARE_TIMES * target_pct and not lowest
        judged = _judged(beyond=beyond, early=count < JUDGED_FROM)
        about = f"about {target_pct:g} %" if target_pct > 1.0 else f"< {target_pct:g} %"
        figures.append(Figure(priority, _pct(share_pct), about, judged))
    return tuple(figures)


def _frequent(told: Mapping[str, Any]) -> tuple[Frequent, ...]:
    """Return the ten, then what else chatters or is stale."""
    chattering, stale = set(told["chattering"]), set(told["stale"])
    top = {str(each["alarm"]): each for each in told["top_10"]}
    names = (*top, *sorted((chattering | stale) - top.keys()))
    return tuple(
        Frequent(
            name,
            int(top[name]["count"]) if name in top else 0,
            float(top[name]["share_pct"]) if name in top else 0.0,
            chattering=name in chattering,
            stale=name in stale,
        )
        for name in names
    )


def _most(name: str, value: float, most: float, *, early: bool = False) -> Figure:
    text = f"{value:.0f}" if value == int(value) else number(value, 3)
    judged = _judged(beyond=value > most, early=early)
    return Figure(name, text, f"≤ {most:g}", judged)


def _below(name: str, told: Any, most_pct: float, early: bool) -> Figure:  # noqa: ANN401, FBT001 - msgpack; one row of a table
    pct = float(told)
    judged = _judged(beyond=pct >= most_pct, early=early)
    return Figure(name, _pct(pct), f"< {most_pct:g} %", judged)


def _judged(*, beyond: bool, early: bool = False) -> Judged:
    if early:
        return Judged.EARLY
    return Judged.BEYOND if beyond else Judged.WELL


def _pct(value: float) -> str:
    return f"{number(value, 3)} %"


def _ns(moment: object) -> int:
    return round(datetime.fromisoformat(str(moment)).timestamp() * 1e3) * 1_000_000
