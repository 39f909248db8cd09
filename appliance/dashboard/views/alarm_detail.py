"""One alarm: what to do stands first, then why, how sure, since when, and its past."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from appliance.dashboard.advice import condition_of, model_words
from appliance.dashboard.readings import Trust
from appliance.dashboard.views.alarms import in_units, mark, state_word
from appliance.dashboard.views.words import Row, title, trail
from appliance.dashboard.wording import (
    clock_time,
    day_and_time,
    fit,
    number,
    plain_name,
    span,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.standing import Alarm
    from appliance.domain.health import Contribution, Explanation

_LABEL = 13
_PAST_SHOWN = 30
_TAGS_SHOWN = 6
_URGENT_SHARE = 0.25


def alarm_rows(
    plant: Plant, alarm: Alarm | None, width: int, now: Now, zone: tzinfo | None
) -> list[Row]:
    """Return all there is to know of an alarm, the most useful first."""
    if alarm is None:
        quiet = "no alarm stands" if plant.links["hub"].up else "no alarm is known"
        return [title("detail", width), ((fit(f" {quiet}", width), "label"),)]
    rows = [title(condition_of(alarm) + mark(alarm), width, "t tag · enter all of it")]
    rows.extend(_paragraph("WHAT TO DO", _do(alarm), width, "strong"))
    rows.extend(_time_left(alarm, width, now))
    asset = plant.asset(alarm.asset, now)
    for label, text in _texts(plant, alarm, asset, now=now, zone=zone):
        rows.extend(_paragraph(label, text, width))
    rows.extend(_last_minutes(plant, alarm, width, now))
    rows.extend(_past(plant, alarm, width, zone))
    return rows


def _do(alarm: Alarm) -> str:
    return alarm.action or "no action is configured"


def _time_left(alarm: Alarm, width: int, now: Now) -> list[Row]:
    within_s, left_s = alarm.respond_within_s, alarm.respond_left_s(now.utc_ns)
    if within_s is None:
        return []
    if left_s is None:
        return _paragraph("time", f"to respond within {span(within_s)}", width)
    if left_s < 0:
        late = f"TOO LATE by {span(-left_s)}: it was {span(within_s)}"
        return _paragraph("time", late, width, "notice")
    urgent = left_s < _URGENT_SHARE * within_s
    text = f"{span(left_s)} left to respond, of {span(within_s)}"
    return _paragraph("time", text, width, "notice" if urgent else "")


def _texts(
    plant: Plant, alarm: Alarm, asset: Asset | None, *, now: Now, zone: tzinfo | None
) -> Iterator[tuple[str, str]]:
    told = None if asset is None or not alarm.tag else asset.explanation
    if told is not None:
        yield from _faults(told)
    yield "cause", alarm.cause or "not configured"
    yield "otherwise", alarm.consequence or "not configured"
    yield "now", _now(plant, alarm, now)
    if asset is not None and alarm.tag:
        yield from (("model", text) for text in model_words(asset))
    if told is not None:
        yield from _model(told, now, zone)
    yield "stands", _story(alarm, now, zone)
    yield from _aside(alarm, zone)
    if alarm.inhibited_by:
        yield "below", f"{alarm.inhibited_by} speaks for it"
    yield "name", f"{alarm.id} · priority {alarm.priority}{_often(alarm)}"


def _faults(told: Explanation) -> Iterator[tuple[str, str]]:
    """Yield what is likely broken, the machine or an instrument, and why so."""
    for fault in told.likely:
        sure = f"{plain_name(fault.fault)}, {100 * fault.confidence:.0f} %"
        yield "likely", f"{sure}: {fault.evidence}"
    for finding in told.sensor:
        yield "instrument", f"{finding.tag} {finding.finding}: {finding.evidence}"


def _model(
    told: Explanation, now: Now, zone: tzinfo | None
) -> Iterator[tuple[str, str]]:
    """Yield since when it is abnormal, by which tags, and what was alike before."""
    since = day_and_time(told.since_ns, zone)
    ago = span((now.utc_ns - told.since_ns) / 1e9)
    mode = f", machine {told.mode}" if told.mode else ""
    yield "abnormal", f"since {since} ({ago}){mode}"
    if told.tags:
        tags = ", ".join(_contribution(each) for each in told.tags[:_TAGS_SHOWN])
        yield "contribute", tags
    for past in told.similar:
        outcome = past.outcome or "outcome not told"
        when = day_and_time(past.since_ns, zone)
        yield "alike", f"{when}, {100 * past.similarity:.0f} %: {outcome}"


def _contribution(part: Contribution) -> str:
    how = f"{part.feature} {part.direction}".strip()
    share = "" if math.isnan(part.share) else f" {100 * part.share:.0f} %"
    return f"{part.tag}{share}" + (f" ({how})" if how else "")


def _now(plant: Plant, alarm: Alarm, now: Now) -> str:
    if alarm.of_source:
        return f"touches {', '.join(alarm.tags)}" if alarm.tags else "see 5 (system)"
    reading = plant.readings.reading(alarm.tag, now.s)
    if reading is None:
        return "the tag is not known here"
    value = in_units(alarm, reading.text, reading.engineering_units)
    limit = "" if alarm.setpoint is None else f", limit {number(alarm.setpoint, 3)}"
    shown = "no value" if reading.trust is Trust.BAD else value
    return f"{shown}{limit}; {reading.why}, {span(reading.age_s)} old"


def _story(alarm: Alarm, now: Now, zone: tzinfo | None) -> str:
    if not alarm.changed_ns:
        return "-"
    at = clock_time(alarm.changed_ns, zone)
    ago = span((now.utc_ns - alarm.changed_ns) / 1e9)
    by = f" by {alarm.actor}" if alarm.actor else ""
    seen = f"; seen by {alarm.acknowledged_by}" if alarm.acknowledged_by else ""
    return f"{state_word(alarm, now)} since {at} ({ago}){by}{seen}"


def _aside(alarm: Alarm, zone: tzinfo | None) -> Iterator[tuple[str, str]]:
    """Yield why it calls nobody, and what a person thought of it."""
    if alarm.state == "shelved":
        until = "?" if not alarm.shelved_until_ns else (
            day_and_time(alarm.shelved_until_ns, zone)
        )  # fmt: skip
        once = " or until it is gone once" if alarm.one_shot else ""
        yield (
            "shelved",
            (
                f"until {until}{once}{_by(alarm.shelved_by)}: {alarm.shelve_reason}"
            ).rstrip(": "),
        )
    if alarm.suppressed_by:
        yield "suppressed", f"while {alarm.suppressed_by}"
    if alarm.state == "out_of_service":
        yield (
            "out of serv.",
            (f"{_by(alarm.out_of_service_by)}: {alarm.out_of_service_reason}").strip(
                ": "
            ),
        )
    if alarm.verdict:
        note = f": {alarm.verdict_note}" if alarm.verdict_note else ""
        yield "verdict", f"{alarm.verdict}{_by(alarm.verdict_by)}{note}"


def _by(actor: str) -> str:
    return f" by {actor}" if actor else ""


def _often(alarm: Alarm) -> str:
    words = f" · {alarm.count} times lately" if alarm.count > 1 else ""
    if alarm.chattering:
        words += " · CHATTERS"
    return words + (" · stands for over a day" if alarm.stale else "")


def _last_minutes(plant: Plant, alarm: Alarm, width: int, now: Now) -> list[Row]:
    reading = plant.readings.reading(alarm.tag, now.s)
    if reading is None:
        return []
    past = trail(reading, width - _LABEL)
    return [((fit(" last 2 min", _LABEL), "label"), (past, "dim"))]


def _past(plant: Plant, alarm: Alarm, width: int, zone: tzinfo | None) -> list[Row]:
    """Return what became of it before, the newest first."""
    events = plant.events.of_alarm(alarm.id, _PAST_SHOWN)
    rows: list[Row] = [title("its past, the newest first", width)] if events else []
    for event in events:
        by = f" by {event.actor}" if event.actor else ""
        reason = event.details.get("reason")
        why = f": {reason}" if reason else ""
        text = f"{event.name.replace('_', ' ')}{by}{why}"
        value = event.details.get("value")
        if isinstance(value, float):
            text += f" (at {number(value)} {alarm.engineering_units}".rstrip() + ")"
        rows.append(
            (
                (fit(f" {day_and_time(event.time_ns, zone)} ", 17), "label"),
                (fit(text, max(0, width - 17)), ""),
            )
        )
    return rows


def _paragraph(label: str, text: str, width: int, style: str = "") -> list[Row]:
    return [
        (
            (fit(f" {label}" if place == 0 else "", _LABEL), "label"),
            (fit(line, width - _LABEL), style),
        )
        for place, line in enumerate(wrapped(text, max(1, width - _LABEL)))
    ]
