"""What a call says, in plain words and as values for machines. Pure."""

from __future__ import annotations

import shlex
import unicodedata
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from appliance.domain.health import FAULT_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

    from appliance.alarms.call_message import Message
    from appliance.domain.event import Event

SHOWN_MAX = 10
_SUBJECT_MAX, _TEXT_MAX = 150, 600
_LAST_LETTERS = "…"
_PLAIN = ("cause", "consequence", "evidence", "action", "respond_within_s")


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest value of a tag, as a person reads it."""

    value: float
    engineering_units: str
    quality: str
    source_time_ns: int


@dataclass(frozen=True, slots=True)
class Scene:
    """Where it happens, and how to look things up.

    `reading` gives the newest value of an alarm's tag, `root_of` the alarm that causes
    it.
    """

    place: str
    zone: tzinfo
    reading: Callable[[Event], Reading | None]
    root_of: Callable[[str], str]


def letter_of(message: Message, scene: Scene) -> dict[str, Any]:
    """Return what a target is told: `subject`, `text`, and `alarms` and `over`.

    No text has a control character in it; a subject is one line.
    """
    alarms = [_row(event, scene) for event in message.events]
    lines = [
        *_headline(message, scene),
        *(line for row in alarms[:SHOWN_MAX] for line in _paragraph(row)),
        *_rest(alarms),
        *(f"{plain(_over(event))}" for event in message.notes),
        "",
        f"This is the gateway {scene.place}.",
    ]
    return {
        "id": message.id,
        "target": message.target,
        "subject": plain(_subject(message, scene), _SUBJECT_MAX),
        "text": "\n".join(lines).strip() + "\n",
        "flood": message.flood,
        "alarms": alarms,
        "over": [_end(event) for event in message.notes],
        "calls": [f"{s.begun_ns} {s.after_s:g} {s.alarm}" for s in message.slots],
    }


def trial_letter(message_id: str, target: str, place: str) -> dict[str, Any]:
    """Return a letter that asks for nothing."""
    text = (
        "Somebody at this gateway tries whether calls arrive. Nothing is wrong; there"
        f" is nothing to do.\n\nThis is the gateway {plain(place)}.\n"
    )
    return {
        "id": message_id,
        "target": target,
        "subject": plain(f"[TEST] a call from {place}", _SUBJECT_MAX),
        "text": text,
        "test": True,
        "flood": False,
        "alarms": [],
        "over": [],
        "calls": [],
    }


def plain(text: str, most: int = _TEXT_MAX) -> str:
    """Return a text on one line, without anything that does not show itself."""
    shown = "".join(
        " " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else shown[: most - 1] + _LAST_LETTERS


def _subject(message: Message, scene: Scene) -> str:
    if not message.events:
        first, more = message.notes[0], len(message.notes) - 1
        others = f" and {more} more" if more else ""
        return f"[OVER] {_id(first)}{others} at {scene.place}"
    first = message.events[0]
    urgency = f"[{first.priority.upper()}]"
    if len(message.events) == 1:
        return f"{urgency} {first.message} at {scene.place}"
    return f"{urgency} {len(message.events)} alarms at {scene.place}: {first.message}"


def _headline(message: Message, scene: Scene) -> Iterator[str]:
    """Say of many what they have in common: where they began."""
    count = len(message.events)
    if count < 2:  # noqa: PLR2004 - several
        return
    what = "A flood of alarms" if message.flood else f"{count} alarms"
    yield f"{what} at {scene.place}."
    first = min(message.events, key=lambda each: each.time_ns)
    roots = Counter(scene.root_of(_id(event)) for event in message.events)
    root, belonging = roots.most_common(1)[0]
    if belonging > 1:
        yield plain(f"Root cause: {root}; {belonging} of them follow from it.")
    else:
        yield plain(f"It began with {_id(first)}: {first.message}")
    yield ""


def _row(event: Event, scene: Scene) -> dict[str, Any]:
    details, reading = event.details, scene.reading(event)
    row: dict[str, Any] = {
        "id": _id(event),
        "asset": event.asset,
        "tag": event.tag or "",
        "priority": event.priority,
        "message": event.message,
        "time": _iso(event.time_ns, scene.zone),
        "time_ns": event.time_ns,
        **{key: details[key] for key in _PLAIN if details.get(key) is not None},
        "acknowledge": f"wheeltapper alarms ack {shlex.quote(_id(event))}",
    }
    if reading is not None:
        shown = f"{reading.value:.6g} {reading.engineering_units}".strip()
        row["value"] = shown
        row["quality"] = reading.quality
        row["measured"] = _iso(reading.source_time_ns, scene.zone)
    if details.get("likely_fault"):
        fault = str(details["likely_fault"])
        row["likely_fault"] = FAULT_WORDS.get(fault, fault)
    if contributing := details.get("contributing"):
        row["contributing"] = str(contributing).replace("\n", ", ")
    if life := _life(details):
        row["remaining_life"] = life
    return {k: plain(v) if isinstance(v, str) else v for k, v in row.items()}


def _paragraph(row: Mapping[str, Any]) -> Iterator[str]:
    yield f"{row['priority'].upper()} {row['id']}"
    yield row["message"]
    yield f"  since: {row['time']}"
    if row["asset"]:
        yield f"  asset: {row['asset']}"
    if "value" in row:
        yield f"  now: {row['value']}, {row['quality']}, measured {row['measured']}"
    for key, said in (
        ("likely_fault", "likely fault"),
        ("evidence", "evidence"),
        ("contributing", "most of it from"),
        ("remaining_life", "remaining life"),
        ("cause", "cause"),
        ("consequence", "if nobody acts"),
        ("action", "what to do"),
    ):
        if key in row:
            yield f"  {said}: {row[key]}"
    if "respond_within_s" in row:
        yield f"  respond within: {_span(float(row['respond_within_s']))}"
    yield f"  acknowledge at the gateway: {row['acknowledge']}"
    yield ""


def _rest(alarms: list[dict[str, Any]]) -> Iterator[str]:
    """Count those that have no paragraph, by priority."""
    rest = Counter(row["priority"] for row in alarms[SHOWN_MAX:])
    if rest:
        counts = ", ".join(f"{count} {name}" for name, count in rest.items())
        yield f"And {rest.total()} more: {counts}. See `wheeltapper alarms list`."
        yield ""


def _over(event: Event) -> str:
    end = _end(event)
    by = f" by {end['by']}" if end["by"] else ""
    return f"{end['id']}: {end['how']}{by}"


def _end(event: Event) -> dict[str, str]:
    how = plain(event.name.replace("_", " "))
    return {"id": plain(_id(event)), "how": how, "by": plain(event.actor)}


def _life(details: Mapping[str, Any]) -> str:
    low_h, high_h = details.get("life_low_h"), details.get("life_high_h")
    if not isinstance(low_h, int | float):
        return ""
    if not isinstance(high_h, int | float):
        return f"{low_h:.3g} h or more"
    return f"{low_h:.3g} to {high_h:.3g} h"


def _span(length_s: float) -> str:
    for unit, seconds in (("h", 3600), ("min", 60)):
        if length_s >= seconds:
            return f"{length_s / seconds:.3g} {unit}"
    return f"{length_s:.3g} s"


def _iso(time_ns: int, zone: tzinfo) -> str:
    moment = datetime.fromtimestamp(time_ns * 1e-9, UTC).astimezone(zone)
    return moment.isoformat(sep=" ", timespec="seconds")


def _id(event: Event) -> str:
    return str(event.details.get("id", ""))
