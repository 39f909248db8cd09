"""The lines on top of every screen: where we are, what is tripped, what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from appliance.dashboard.actions import SCREENS, SHORT
from appliance.dashboard.model import HUB, SAFETY
from appliance.dashboard.standing import PRIORITIES, SYMBOLS
from appliance.dashboard.wording import clock_time, fit, span

if TYPE_CHECKING:
    from datetime import tzinfo

    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.views.words import Row, Word

_WIDE, _NAMED = 100, 110


def banner_rows(
    plant: Plant, width: int, now: Now, *, screen: str, zone: tzinfo | None
) -> list[Row]:
    """Return two rows, and a third while a process does not answer."""
    rows = [_first(plant, width, now, screen, zone), _safety(plant, width, now, zone)]
    lost = _lost(plant, now)
    if lost:
        rows.append(((fit(f" ? {lost}", width), "unknown"),))
    return rows


def _first(plant: Plant, width: int, now: Now, screen: str, zone: tzinfo | None) -> Row:
    counts = dict.fromkeys(PRIORITIES, 0)
    for alarm in plant.alarms:
        if alarm.announced and alarm.priority in counts:
            counts[alarm.priority] += 1
    unseen = sum(alarm.needs_acknowledgement for alarm in plant.alarms)
    words: list[Word] = []
    for place, (name, short) in enumerate(zip(SCREENS, SHORT, strict=True), start=1):
        here = name == screen
        style = "here" if here else "label"
        if width >= _NAMED:
            words += [
                (f" {place} ", "strong" if here else "label"),
                (name, style),
            ]
        else:
            words += [(f" {place}", "strong"), (short, style)]
    counted: list[Word] = []
    for priority, count in counts.items():
        style = priority if count else "label"
        counted += [(f"{SYMBOLS[priority]}{count}", style), (" ", "")]
    new: Word = (f"{unseen} new " if unseen else "", "strong")
    time = clock_time(now.utc_ns, zone)[: 8 if width >= _WIDE else 5]
    time = f"{time} "
    used = sum(cell_len(text) for text, _ in (*words, *counted, new)) + 1
    if used + len(time) > width:  # many are new: they matter more than the hour
        time = ""
    site = f" {plant.place}" if width >= _NAMED else ""
    room = max(0, width - used - len(time))
    return (*words, (fit(site, room) + " ", "label"), *counted, new, (time, ""))


def _safety(plant: Plant, width: int, now: Now, zone: tzinfo | None) -> Row:
    guard = plant.guard
    if not plant.links[SAFETY].up:
        known = "its last word: " + ("TRIPPED" if guard.tripped else "not tripped")
        text = f" ? safety: state UNKNOWN; {known if guard.known else 'none yet'}"
        return ((fit(text, width), "unknown"),)
    if not guard.known:
        return ((fit("   safety: asking", width), "label"),)
    bypassed = len(guard.bypassed)
    bypass = f" · {bypassed} BYPASSED" if bypassed else ""
    away = guard.maintenance
    if away is not None:
        left = f"{away.phase}, {span(away.left_s)} left, by {away.by}"
        bypass += f" · HANDED OVER to the PLC ({left})"
    if guard.tripped and guard.armed:
        first_out, at_ns = plant.machine_stopped_by
        element = next((each for each in guard.elements if each.tripped), None)
        name = "" if element is None else f"{element.id} "
        stop = "" if element is None else f" · stop {element.stop or 'unknown'}"
        when = ""
        if at_ns is not None:
            ago = span((now.utc_ns - at_ns) / 1e9)
            exact = f", {clock_time(at_ns, zone)}" if width >= _WIDE else ""
            when = f" · {ago} ago{exact}"
        text = f" ■ TRIP {name}by {first_out}{stop}{bypass}{when}"
        return ((fit(text, width), "critical"),)
    if not guard.armed:
        text = f" ! safety only OBSERVES: nothing would be stopped{bypass}"
        return ((fit(text, width), "notice"),)
    text = f"   safety armed · no trip{bypass}"
    return ((fit(text, width), "notice" if bypass else "label"),)


def _lost(plant: Plant, now: Now) -> str:
    parts = []
    for name in (HUB, SAFETY):
        link = plant.links[name]
        if link.up:
            continue
        since = "" if link.since_s is None else f" ({span(now.s - link.since_s)})"
        parts.append(f"{name}{since}")
    if not parts:
        return ""
    old = "all values are OLD; " if not plant.links[HUB].up else ""
    return f"DISCONNECTED: {', '.join(parts)}; {old}trying again"
