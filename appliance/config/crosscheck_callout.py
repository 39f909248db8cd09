"""What `[callout]` says of targets, sources and the hours of a week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from appliance.config.callout import PRIORITIES
from appliance.config.document import table, tables
from appliance.config.windows import is_open, parse_window

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from appliance.config.callout import CalloutSettings, RelaySettings, StepSettings
    from appliance.config.document import Finding
    from appliance.config.model import Config
    from appliance.runtime.plugins import SourceSettings
    from appliance.runtime.settings import Settings

_KINDS = ("mail", "webhook", "relay")
_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)
_QUARTERS = 7 * 24 * 4
_URGENT = PRIORITIES[:2]


def callout_check(draft: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield targets that are none or two, and relays that may not be written."""
    section = table(raw.get("callout"))
    names = [
        ((kind, index, "name"), each.get("name"))
        for kind in _KINDS
        for index, each in enumerate(tables(section.get(kind)))
    ]
    known: set[object] = set()
    for place, name in names:
        if name in known:
            yield ("callout", *place), f"{name!r} is used twice", "rename one"
        known.add(name)
    for index, step in enumerate(tables(section.get("steps"))):
        wanted = step.get("targets")
        for row, name in enumerate(wanted if isinstance(wanted, list) else ()):
            if name not in known:
                path = ("callout", "steps", index, "targets", row)
                remedy = "declare it in [[callout.mail]], webhook or relay"
                yield path, f"there is no target {name!r}", remedy
    if draft.callout is not None:
        yield from _relays(draft, draft.callout)


def uncalled(callout: CalloutSettings) -> Iterator[tuple[str, str]]:
    """Yield what would go unheard: targets without a step, priorities without a call.

    Urgent alarms are looked for in every quarter of an hour of a week.
    """
    called = {name for step in callout.steps for name in step.targets}
    for target in callout.targets:
        if target.name not in called:
            yield target.name, "no step calls it; name it in [[callout.steps]]"
    for priority in _URGENT:
        steps = [step for step in callout.steps if priority in step.priorities]
        if (moment := _gap(steps)) is not None:
            when = "at any time" if not steps else f"on {moment:%A at %H:%M}"
            yield f"{priority} alarms", f"nobody is called {when}"
    if any(step.windows for step in callout.steps) and callout.time_zone == "UTC":
        yield "time_zone", "the windows are UTC; say where the clock on the wall is"


def _gap(steps: Sequence[StepSettings]) -> datetime | None:
    """Return the first quarter of the week in which none of them applies."""
    windows = [[parse_window(text) for text in step.windows] for step in steps]
    for quarter in range(_QUARTERS):
        moment = _MONDAY + timedelta(minutes=15 * quarter)
        if not any(is_open(each, moment) for each in windows):
            return moment
    return None


def _relays(draft: Config, callout: CalloutSettings) -> Iterator[Finding]:
    sources = {source.name: source for source in draft.sources}
    safety = {
        place
        for source in draft.safety_sources
        for point in _points(source)
        if (place := source.written_place(point)) is not None
    }
    for index, relay in enumerate(callout.relay):
        path = ("callout", "relay", index)
        source = sources.get(relay.source)
        if source is None:
            owned = any(s.name == relay.source for s in draft.safety_sources)
            problem = f"no source of the hub is called {relay.source!r}"
            remedy = "name one of [[sources]]"
            if owned:
                remedy += "; what safety writes is safety's alone"
            yield (*path, "source"), problem, remedy
            continue
        for problem, remedy in _wrong(source, relay, safety):
            yield (*path, "point"), problem, remedy


def _wrong(
    source: SourceSettings, relay: RelaySettings, safety: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield why the relay's point may not be written, and what to do about it."""
    named = [p for p in _points(source) if getattr(p, "name", None) == relay.point]
    if not named:
        problem = f"{relay.source!r} permits no point {relay.point!r}"
        yield problem, "list it under [[sources.points]]"
    elif source.written_place(named[0]) in safety:
        problem = f"{relay.point!r} is a final element of safety"
        yield problem, "a call must never move it: wire another point"


def _points(source: SourceSettings) -> Sequence[Settings]:
    points: Sequence[Settings] = getattr(source, "points", ())
    return points
