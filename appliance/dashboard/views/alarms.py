"""Alarms: the list, with how many stand below each in a flood."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.readings import Trust
from appliance.dashboard.views.words import Items, Row
from appliance.dashboard.wording import fit, number, right, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.roster import Line
    from appliance.dashboard.standing import Alarm

STATES = {
    "active_unack": "ACTIVE, new",
    "active_ack": "active, seen",
    "rtn_unack": "gone, new",
    "latched_unack": "latched, new",
    "latched_ack": "latched, seen",
    "shelved": "shelved",
    "suppressed": "suppressed",
    "out_of_service": "out of serv.",
}
_OTHERS = 47
_WIDE = 110
_CAUSE_SHARE = 0.45


def alarm_head(width: int) -> Row:
    """Return the head of the list's columns."""
    words = (
        "   " + fit("state", 13) + fit("alarm", _name_width(width))
        + right("value", 15) + " " + right("limit", 7) + " " + right("since", 7)
        + ("  " + fit("what to do", _more_width(width)) if width >= _WIDE else "")
    )  # fmt: skip
    return ((fit(words, width), "label"),)


def alarm_items(plant: Plant, lines: Sequence[Line], width: int, now: Now) -> Items:
    """Return the alarms of the list."""
    return Items(
        [line.alarm.id for line in lines],
        lambda place: _row(plant, lines[place], width, now),
    )


def state_word(alarm: Alarm, now: Now) -> str:
    """Return how an alarm stands; for how long it is still put aside."""
    if alarm.inhibited_by and alarm.active:
        return "active, below"
    if alarm.state == "shelved" and alarm.shelved_until_ns:
        left_s = max(0.0, (alarm.shelved_until_ns - now.utc_ns) / 1e9)
        return f"shelf {span(left_s)}"
    return STATES.get(alarm.state, alarm.state)


def mark(alarm: Alarm) -> str:
    """Return what else is to be known: it chatters, or stands for too long."""
    if alarm.chattering:
        return " ~chatters"
    return " (stale)" if alarm.stale else ""


def _row(plant: Plant, line: Line, width: int, now: Now) -> Row:
    alarm = line.alarm
    value, style = _value(plant, alarm, now)
    since = span((now.utc_ns - alarm.begun_ns) / 1e9) if alarm.begun_ns else "-"
    state_style = "strong" if alarm.needs_acknowledgement else "label"
    below = f" +{line.below}" if line.below else ""
    name = fit(alarm.id + mark(alarm), _name_width(width) - 1 - len(below))
    limit = "-" if alarm.setpoint is None else number(alarm.setpoint, 3)
    if alarm.rule == "score" and alarm.setpoint is None:
        limit = "1×"  # noqa: RUF001 - times
    row: Row = (
        (fit(alarm.symbol, 2) + " ", alarm.priority if alarm.announced else "label"),
        (fit(state_word(alarm, now), 12) + " ", state_style),
        (name, ""),
        (below + " ", "strong"),
        (right(value, 15) + " ", style),
        (right(limit, 7) + " ", "dim"),
        (right(since, 7), "dim"),
    )
    if width < _WIDE:
        return row
    return (*row, ("  " + fit(alarm.action, _more_width(width)), "label"))


def _value(plant: Plant, alarm: Alarm, now: Now) -> tuple[str, str]:
    """Return value and unit; marked where it is not fresh, none where it is bad."""
    units = alarm.engineering_units
    reading = plant.readings.reading(alarm.tag, now.s)
    if reading is None:
        if alarm.value is None:
            return "-", "dim"
        return in_units(alarm, number(alarm.value), units), "dim"
    units = reading.engineering_units
    match reading.trust:
        case Trust.GOOD:
            return in_units(alarm, reading.text, units), ""
        case Trust.UNCERTAIN:
            return f"~{in_units(alarm, reading.text, units)}", "notice"
        case Trust.BAD:
            return f"×--- {units}".rstrip(), "bad"  # noqa: RUF001 - the sign
    return f"?{in_units(alarm, number(alarm.value), units)}", "stale"


def in_units(alarm: Alarm, text: str, units: str) -> str:
    """Return a value with its unit; a model's score is in multiples of its limit."""
    if alarm.rule == "score":
        return f"{text}×"  # noqa: RUF001 - times
    return f"{text} {units}".rstrip()


def _name_width(width: int) -> int:
    more = 2 + _more_width(width) if width >= _WIDE else 0
    return max(12, width - _OTHERS - more)


def _more_width(width: int) -> int:
    return round((width - _OTHERS) * _CAUSE_SHARE)
