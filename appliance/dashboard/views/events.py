"""Events and audit: what happened, to what, and who did it; the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.standing import SYMBOLS
from appliance.dashboard.views.words import Items, Row, title
from appliance.dashboard.wording import clock_time, day_and_time, fit, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from appliance.wire.messages import EventMessage

_LABEL = 10
_WHEN, _WORD = 15, 9


def event_items(
    events: Sequence[EventMessage], width: int, zone: tzinfo | None, *, dated: bool
) -> Items:
    """Return a row for each event; `dated` tells the day, too."""
    return Items(
        [key_of(event) for event in events],
        lambda place: _row(events[place], width, zone, dated=dated),
    )


def event_head(width: int) -> Row:
    """Return the head of the log's columns."""
    words = fit(" when", _WHEN + 4) + fit("kind", _WORD) + fit("who", _WORD) + "what"
    return ((fit(words, width), "label"),)


def key_of(event: EventMessage) -> str:
    """Return what a list knows an event by."""
    return f"{event.time_ns} {event.kind} {event.name} {event.message}"


def detail_rows(
    event: EventMessage | None, width: int, zone: tzinfo | None
) -> list[Row]:
    """Return all that is on record of an event."""
    if event is None:
        return [title("event", width), ((fit(" none", width), "label"),)]
    rows = [title(f"{event.kind}: {event.name.replace('_', ' ')}", width)]
    number = "not on disk yet" if event.pending else f"number {event.seq}"
    about = event.tag or event.asset or "the gateway"
    texts = [
        ("what", event.message),
        ("about", about),
        ("when", f"{day_and_time(event.time_ns, zone)}; {number}"),
        ("who", event.actor or "nobody: it happened"),
        (
            "details",
            ", ".join(
                f"{name} {value}"
                for name, value in event.details.items()
                if value not in {None, ""}
            )
            or "-",
        ),
    ]
    for label, text in texts:
        for place, line in enumerate(wrapped(text, max(1, width - _LABEL))):
            head = f" {label}" if place == 0 else ""
            rows.append(((fit(head, _LABEL), "label"), (fit(line, width - _LABEL), "")))
    return rows


def _row(event: EventMessage, width: int, zone: tzinfo | None, *, dated: bool) -> Row:
    sign = SYMBOLS.get(event.priority, "")
    pending = " …not on disk yet" if event.pending else ""
    when = (day_and_time if dated else clock_time)(event.time_ns, zone)
    when_width = _WHEN if dated else _WHEN - 6
    used = when_width + 1 + 3 + 2 * _WORD
    return (
        (fit(f" {when}", when_width) + " ", "label"),
        (fit(sign, 3), "strong"),
        (fit(event.kind, _WORD - 1) + " ", "label"),
        (fit(event.actor, _WORD - 1) + " ", "strong"),
        (fit(f"{event.message}{pending}", max(0, width - used)), ""),
    )
