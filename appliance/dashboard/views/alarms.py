"""Alarms: the list, and of one all that its operator needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.advice import headline
from appliance.dashboard.readings import Trust
from appliance.dashboard.views.words import Item, Row, title, trail
from appliance.dashboard.wording import (
    clock_time,
    fit,
    number,
    right,
    span,
    wrapped,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.standing import Alarm

_STATES = {
    "active_unack": "ACTIVE, new",
    "active_ack": "active, seen",
    "rtn_unack": "gone, new",
    "latched_unack": "latched, new",
    "latched_ack": "latched, seen",
    "shelved": "shelved",
    "suppressed": "suppressed",
    "out_of_service": "out of serv.",
}
_LABEL = 13


def alarm_head(width: int) -> Row:
    """Return the head of the list's columns."""
    words = (
        "   " + fit("state", 13) + fit("alarm", _name_width(width))
        + right("value", 9) + " " + right("limit", 8) + "  " + right("since", 9)
    )  # fmt: skip
    return ((fit(words, width), "label"),)


def alarm_items(plant: Plant, width: int, now: Now) -> list[Item]:
    """Return every alarm that is not normal, the first one first."""
    return [Item(each.id, _row(plant, each, width, now)) for each in plant.alarms]


def alarm_rows(
    plant: Plant, alarm: Alarm | None, width: int, now: Now, zone: tzinfo | None
) -> list[Row]:
    """Return the detail of an alarm: what to do stands first."""
    if alarm is None:
        quiet = "no alarm stands" if plant.links["hub"].up else "no alarm is known"
        return [title("detail", width), ((fit(f" {quiet}", width), "label"),)]
    within = alarm.respond_within_s
    limit = "" if within is None else f" (within {span(within)})"
    rows = [title(headline(alarm), width)]
    texts = (
        ("WHAT TO DO", (alarm.action or "no action is configured") + limit, "strong"),
        ("cause", alarm.cause or "not configured", ""),
        ("otherwise", alarm.consequence or "not configured", ""),
        ("now", _now(plant, alarm, now), ""),
        ("history", _story(alarm, now, zone), ""),
        ("name", f"{alarm.id} · priority {alarm.priority}", "label"),
    )
    for label, text, style in texts:
        for place, line in enumerate(wrapped(text, max(1, width - _LABEL))):
            head = f" {label}" if place == 0 else ""
            rows.append(
                ((fit(head, _LABEL), "label"), (fit(line, width - _LABEL), style))
            )
    reading = plant.readings.reading(alarm.tag, now.s)
    if reading is not None:
        past = trail(reading, width - _LABEL)
        rows.append(((fit(" last 2 min", _LABEL), "label"), (past, "dim")))
    return rows


def _row(plant: Plant, alarm: Alarm, width: int, now: Now) -> Row:
    reading = plant.readings.reading(alarm.tag, now.s)
    value, style = number(alarm.value), "dim"
    if reading is not None and reading.trust is Trust.GOOD:
        value, style = reading.text, ""
    elif reading is not None:
        value, style = f"?{value}", "stale"
    since = span((now.utc_ns - alarm.changed_ns) / 1e9) if alarm.changed_ns else "-"
    state_style = "strong" if alarm.needs_acknowledgement else "label"
    return (
        (fit(alarm.symbol, 2) + " ", alarm.priority if alarm.announced else "label"),
        (fit(_STATES.get(alarm.state, alarm.state), 12) + " ", state_style),
        (fit(alarm.id, _name_width(width) - 1) + " ", ""),
        (right(value, 9) + " ", style),
        (right("-" if alarm.setpoint is None else number(alarm.setpoint, 3), 8), "dim"),
        ("  " + right(since, 9), "dim"),
    )


def _now(plant: Plant, alarm: Alarm, now: Now) -> str:
    if alarm.of_source:
        return f"touches {', '.join(alarm.tags)}" if alarm.tags else "see 5 (system)"
    reading = plant.readings.reading(alarm.tag, now.s)
    if reading is None:
        return "the tag is not known here"
    value = f"{reading.text} {reading.engineering_units}".rstrip()
    limit = "" if alarm.setpoint is None else f", limit {number(alarm.setpoint, 3)}"
    shown = "no value" if reading.trust is Trust.BAD else value
    return f"{shown}{limit}; {reading.why}, {span(reading.age_s)} old"


def _story(alarm: Alarm, now: Now, zone: tzinfo | None) -> str:
    if not alarm.changed_ns:
        return "-"
    at = clock_time(alarm.changed_ns, zone)
    ago = span((now.utc_ns - alarm.changed_ns) / 1e9)
    by = f" by {alarm.actor}" if alarm.actor else ""
    return f"{_STATES.get(alarm.state, alarm.state)} since {at} ({ago}){by}"


def _name_width(width: int) -> int:
    return max(12, width - 46)
