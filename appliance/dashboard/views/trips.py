"""Trips: the mode with its honest claim, the elements, the matrix, one initiator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.model import SAFETY
from appliance.dashboard.views.words import Item, Row, title
from appliance.dashboard.wording import clock_time, fit, number, right, span, wrapped

if TYPE_CHECKING:
    from datetime import tzinfo

    from appliance.dashboard.guard import Element, Initiator
    from appliance.dashboard.model import Now, Plant

_STATE_STYLE = {
    "demand": "critical",
    "on-delay": "high",
    "bad": "bad",
    "late": "notice",
    "bypassed": "notice",
    "clear": "",
}
_LABEL = 13
_WIDE = 100


def mode_rows(plant: Plant, width: int, now: Now, zone: tzinfo | None) -> list[Row]:
    """Return the mode, what it means, and every element."""
    guard, link = plant.guard, plant.links[SAFETY]
    if not link.up and not guard.known:
        reason = f" safety is not connected: {link.why}"
        return [title("trips", width), ((fit(reason, width), "unknown"),)]
    old = "" if link.up else " (OLD: safety is not connected)"
    mode = "ARMED" if guard.armed else "OBSERVE: judges, but stops nothing"
    rows = [title(f"safety is {mode}{old}", width, "r reset · m mode")]
    rows.extend(((fit(f" {line}", width), "label"),) for line in _claim(plant, width))
    rows.extend(_element(plant, each, width, now, zone) for each in guard.elements)
    if guard.journal_trouble:
        text = f" its journal is in trouble: {guard.journal_trouble}"
        rows.append(((fit(text, width), "high"),))
    return rows


def matrix_head(width: int) -> Row:
    """Return the head of the matrix's columns."""
    words = (
        "  " + fit("initiator", _name_width(width)) + fit("state", 10)
        + fit("vote", 12) + right("margin", 7) + " " + right("limit", 6) + "  "
        + fit("stops", 12)
    )  # fmt: skip
    return ((fit(words, width), "label"),)


def matrix_items(plant: Plant, width: int) -> list[Item]:
    """Return the rows of the matrix, with the first-out marked `1`."""
    first_out, _ = plant.machine_stopped_by
    return [
        Item(row.id, _initiator(row, width, first=row.id == first_out))
        for row in plant.guard.initiators
    ]


def initiator_rows(plant: Plant, row: Initiator | None, width: int) -> list[Row]:
    """Return the channels of an initiator and what it means."""
    if row is None:
        return [title("initiator", width), ((fit(" none", width), "label"),)]
    rows = [title(row.id, width, "b bypass")]
    old = not plant.links[SAFETY].up
    for channel in row.channels:
        value = f"{number(channel.value)} {row.engineering_units}"
        word = "demands the stop" if channel.demanding else "safe side"
        sign = "■" if channel.demanding else " "
        trust = "OLD" if old else channel.trust
        style = "" if trust == "good" else "bad"
        style = "critical" if channel.demanding and not old else style
        text = f" {sign} {fit(channel.name, 30)} {right(value, 14)}  {trust}, {word}"
        rows.append(((fit(text, width), style),))
    if row.bypassed:
        what = f" BYPASSED for {span(row.bypass_left_s)} more by {row.bypass_by}:"
        rows.append(
            ((fit(f"{what} {row.bypass_reason} (u ends it)", width), "notice"),)
        )
    for label, text in (
        ("WHAT TO DO", row.action),
        ("cause", row.cause),
        ("otherwise", row.consequence),
    ):
        for place, line in enumerate(wrapped(text, max(1, width - _LABEL))):
            head = f" {label}" if place == 0 else ""
            style = "strong" if label.isupper() else ""
            rows.append(
                ((fit(head, _LABEL), "label"), (fit(line, width - _LABEL), style))
            )
    return rows


def _claim(plant: Plant, width: int) -> list[str]:
    short = (
        "A stop REQUEST to the PLC, not a certified safety function and no emergency"
        " stop. Reset never restarts the machine."
    )
    return wrapped(short if plant.guard.claim else "", max(1, width - 2))


def _element(
    plant: Plant, element: Element, width: int, now: Now, zone: tzinfo | None
) -> Row:
    armed = plant.guard.armed
    if not element.tripped:
        beat = "heartbeat sent" if element.heartbeat else "no heartbeat"
        text = f"   {element.id}: may run; {beat}"
        return ((fit(text, width), "" if armed else "notice"),)
    at_ns = plant.tripped_at_ns.get(element.id)
    when = ""
    if at_ns is not None:
        ago = span((now.utc_ns - at_ns) / 1e9)
        exact = f", {clock_time(at_ns, zone)}" if width >= _WIDE else ""
        when = f" {ago} ago{exact}"
    also = f", then {', '.join(element.causes[1:])}" if element.causes[1:] else ""
    stop = f"; stop {element.stop}" if armed and element.stop else ""
    text = f" ■ {element.id} TRIPPED by {element.first_out}{also}{stop}{when}"
    return ((fit(text, width), "critical" if armed else "notice"),)


def _initiator(row: Initiator, width: int, *, first: bool) -> Row:
    vote = row.vote
    if row.acting_vote not in {"", row.vote}:
        vote = f"{row.vote}→{row.acting_vote}"
    style = _STATE_STYLE.get(row.state, "notice")
    return (
        ("1 " if first else "  ", "critical" if first else ""),
        (fit(row.id, _name_width(width) - 1) + " ", "strong"),
        (fit(row.state, 9) + " ", style),
        (fit(vote, 11) + " ", "notice" if vote != row.vote else "label"),
        (right(number(row.margin, 3), 7) + " ", ""),
        (right(number(row.setpoint, 3), 6) + "  ", "label"),
        (fit(", ".join(row.elements), 12), "label"),
    )


def _name_width(width: int) -> int:
    return max(16, width - 52)
