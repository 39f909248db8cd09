"""Whether the cause-and-effect matrix can do what it says: names, effects, times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.config.document import table, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.config.document import Finding
    from appliance.config.locate import KeyPath
    from appliance.config.model import Config
    from appliance.config.safety import ElementSettings, InitiatorSettings

_TOLD = ("cause", "consequence", "action")
_TO_READ = "declare it in [[safety.sources]]; safety reads by itself"
_TO_WRITE = "declare it in its points"


def safety_check(
    draft: Config, safety: Mapping[str, Any], tags: set[str]
) -> Iterator[Finding]:
    """Yield (key path, problem, remedy) for what does not fit in `[safety]`.

    `tags` are those of the safety sources, by the raw document.
    """
    yield from _initiators(draft, safety, tags)
    yield from _elements(draft, safety, tags)
    yield from _maintenance(draft, safety, tags)
    yield from _matrix(safety)
    yield from _times(draft, safety)


def _initiators(
    draft: Config, safety: Mapping[str, Any], tags: set[str]
) -> Iterator[Finding]:
    derived = {tag.id for tag in draft.derived_tags()}
    for index, row in enumerate(tables(safety.get("initiators"))):
        path: KeyPath = ("safety", "initiators", index)
        channels = row.get("channels", [])
        for place, channel in enumerate(channels if isinstance(channels, list) else []):
            if channel not in tags:
                problem = f"no safety source has the tag {channel!r}"
                yield (*path, "channels", place), problem, _TO_READ
        if row.get("source") == "model" and row.get("tag") not in derived:
            problem = f"no asset has the derived tag {row.get('tag')!r}"
            remedy = 'name one, such as tag = "P-101/anomaly_score"'
            yield (*path, "tag"), problem, remedy
        silent = [key for key in _TOLD if not str(row.get(key, "")).strip()]
        if silent:
            problem = f"a trip without {' and '.join(silent)}"
            remedy = "say why it trips, what it spares, and what a person shall do"
            yield path, problem, remedy


def _elements(
    draft: Config, safety: Mapping[str, Any], tags: set[str]
) -> Iterator[Finding]:
    for index, row in enumerate(tables(safety.get("elements"))):
        path: KeyPath = ("safety", "elements", index)
        feedback = row.get("feedback")
        if isinstance(feedback, str) and feedback not in tags:
            problem = f"no safety source has the tag {feedback!r}"
            yield (*path, "feedback"), problem, _TO_READ
        for place, permissive in enumerate(tables(row.get("permissives"))):
            tag = permissive.get("tag")
            if isinstance(tag, str) and tag not in tags:
                problem = f"no safety source has the tag {tag!r}"
                yield (*path, "permissives", place, "tag"), problem, _TO_READ
        yield from _points(draft, safety, path, row, ("point", "heartbeat"))


def _points(
    draft: Config,
    safety: Mapping[str, Any],
    path: KeyPath,
    row: Mapping[str, Any],
    keys: tuple[str, ...],
) -> Iterator[Finding]:
    """Yield what is wrong with an output and the points of it that are named."""
    output = row.get("output")
    names = {each.get("name") for each in tables(safety.get("sources"))}
    if isinstance(output, str) and output not in names:
        problem = f"no safety source is named {output!r}"
        yield (*path, "output"), problem, "declare it in [[safety.sources]]"
    source = next((each for each in draft.safety_sources if each.name == output), None)
    if source is None:
        return
    known = {point.name for point in getattr(source, "points", ())}
    for key in keys:
        point = row.get(key)
        if isinstance(point, str) and point not in known:
            problem = f"{output!r} has no writable point {point!r}"
            yield (*path, key), problem, _TO_WRITE


def _maintenance(
    draft: Config, safety: Mapping[str, Any], tags: set[str]
) -> Iterator[Finding]:
    row = table(safety.get("maintenance"))
    if not row:
        return
    path: KeyPath = ("safety", "maintenance")
    granted, request = row.get("granted"), row.get("request")
    if isinstance(granted, str) and granted not in tags:
        problem = f"no safety source has the tag {granted!r}"
        yield (*path, "granted"), problem, _TO_READ
    yield from _points(draft, safety, path, row, ("request",))
    for element in draft.elements:
        if element.feedback is None:
            problem = f"element {element.id!r} has no feedback"
            remedy = "give it one: who returns must see that the machine still runs"
            yield path, problem, remedy
        if (element.output, request) in {
            (row.get("output"), element.point),
            (row.get("output"), element.heartbeat),
        }:
            problem = f"{request!r} is a point of element {element.id!r}"
            yield (*path, "request"), problem, "give the request a point of its own"


def _matrix(safety: Mapping[str, Any]) -> Iterator[Finding]:
    rows = _ids(safety.get("initiators"))
    columns = _ids(safety.get("elements"))
    matrix = table(safety.get("matrix"))
    path: KeyPath = ("safety", "matrix")
    stopped: set[str] = set()
    for row, elements in matrix.items():
        named = elements if isinstance(elements, list) else []
        stopped.update(each for each in named if isinstance(each, str))
        if row not in rows:
            problem = f"no initiator has the id {row!r}"
            yield (*path, row), problem, "use an id of [[safety.initiators]]"
        for element in named:
            if element not in columns:
                problem = f"no element has the id {element!r}"
                yield (*path, row), problem, "use an id of [[safety.elements]]"
        if elements == []:
            problem = f"initiator {row!r} stops nothing"
            yield (*path, row), problem, "name the elements that it stops"
    for row in sorted(rows - matrix.keys()):
        problem = f"initiator {row!r} stops nothing"
        yield path, problem, "add its row to [safety.matrix]"
    for element in sorted(columns - stopped):
        problem = f"element {element!r} is stopped by nothing"
        yield path, problem, "name it in a row, or take it away"


def _ids(found: object) -> set[str]:
    return {each["id"] for each in tables(found) if isinstance(each.get("id"), str)}


def _times(draft: Config, safety: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the rows that cannot stop their elements within half of what is left."""
    place = {row.get("id"): i for i, row in enumerate(tables(safety.get("initiators")))}
    for row in draft.initiators:
        if row.source != "field":
            continue
        path: KeyPath = ("safety", "initiators", place[row.id])
        scan_s = draft.safety.scan_period_s
        if row.max_age_s < scan_s:
            problem = f"{row.id!r}: max_age_s is below scan_period_s"
            yield path, problem, "raise max_age_s or scan faster"
        if row.condition == "rate" and row.rate_window_s < 2 * scan_s:
            problem = f"{row.id!r}: rate_window_s is below two scans"
            yield (*path, "rate_window_s"), problem, "widen the window or scan faster"
        for element in draft.elements:
            if element.id in draft.matrix.get(row.id, ()):
                yield from _response(row, element, scan_s, path)


def _response(
    row: InitiatorSettings, element: ElementSettings, scan_s: float, path: KeyPath
) -> Iterator[Finding]:
    needed_s = row.response_s(
        scan_period_s=scan_s, write_within_s=element.write_within_s
    )
    half_s = row.process_safety_time_s / 2
    if needed_s <= half_s * (1 + 1e-9):  # sums of decimals: 2.5000000000000004 is 2.5
        return
    window = f" + window {row.rate_window_s:g}" if row.condition == "rate" else ""
    problem = (
        f"to stop {element.id!r} may take {needed_s:g} s (scan {scan_s:g} + age"
        f" {row.max_age_s:g} + loss {row.comms_loss_delay_s:g}{window} + on-delay"
        f" {row.on_delay_s:g} + write {element.write_within_s:g}), more than half of"
        f" process_safety_time_s ({half_s:g} s)"
    )
    yield path, problem, "shorten a delay, or state a longer time if the machine has it"
