"""What one section says about another: names that must exist, and only once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

from appliance.domain.tag import InvalidTagIdError, parse_tag_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.config.locate import KeyPath
    from appliance.config.model import AssetSettings, Config

_RESERVED = frozenset({"safety", "inference"})
"""Names under which the hub lists the other processes among its sources."""

Finding: TypeAlias = "tuple[KeyPath, str, str]"


def cross_check(draft: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield (key path, problem, remedy) for what does not fit together.

    Names are taken from the raw document, so a mistake inside one source does not
    make every mention of its tags a mistake too.
    """
    hub_tags = _raw_tags(raw.get("sources"))
    safety = raw.get("safety")
    safety = safety if isinstance(safety, dict) else {}
    safety_tags = _raw_tags(safety.get("sources"))
    yield from _tag_names(("sources",), raw.get("sources"))
    yield from _tag_names(("safety", "sources"), safety.get("sources"))
    yield from _twice(("sources",), raw.get("sources"), "name")
    yield from _twice(("safety", "sources"), safety.get("sources"), "name")
    for table, key in (("initiators", "id"), ("elements", "id")):
        yield from _twice(("safety", table), safety.get(table), key)
    yield from _twice(("assets",), raw.get("assets"), "id")
    yield from _reserved(raw)
    yield from _assets(draft, raw, hub_tags)
    yield from _alarms(raw, hub_tags | {tag.id for tag in draft.derived_tags()})
    yield from _initiators(draft, safety, safety_tags)
    yield from _elements(draft, safety, safety_tags)
    yield from _matrix(safety)
    yield from _shared_ports(draft)


def _raw_tags(sources: object) -> set[str]:
    return {tag["id"] for _, tag in _raw_tag_tables(sources)}


def _raw_tag_tables(sources: object) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    for index, source in enumerate(_tables(sources)):
        for row, tag in enumerate(_tables(source.get("tags"))):
            if isinstance(tag.get("id"), str):
                yield (index, "tags", row, "id"), tag


def _tables(found: object) -> list[dict[str, Any]]:
    if not isinstance(found, list):
        return []
    return [each if isinstance(each, dict) else {} for each in found]


def _tag_names(path: KeyPath, sources: object) -> Iterator[Finding]:
    seen: Counter[str] = Counter()
    for place, tag in _raw_tag_tables(sources):
        name = tag["id"]
        try:
            parse_tag_id(name)
        except InvalidTagIdError as error:
            yield (*path, *place), f"{name!r} {error}", "rename the tag"
        seen[name] += 1
        if seen[name] == 2:  # noqa: PLR2004 - the second one is the mistake
            yield (*path, *place), f"tag {name!r} is declared twice", "remove one"


def _twice(path: KeyPath, found: object, key: str) -> Iterator[Finding]:
    seen: Counter[str] = Counter()
    for index, table in enumerate(_tables(found)):
        name = table.get(key)
        if not isinstance(name, str):
            continue
        seen[name] += 1
        if seen[name] == 2:  # noqa: PLR2004 - the second one is the mistake
            yield (*path, index, key), f"{name!r} is used twice", "rename one"


def _reserved(raw: Mapping[str, Any]) -> Iterator[Finding]:
    for index, source in enumerate(_tables(raw.get("sources"))):
        name = source.get("name")
        if name in _RESERVED:
            problem = f"{name!r} is the name of one of our processes"
            yield ("sources", index, "name"), problem, "rename the source"


def _assets(draft: Config, raw: Mapping[str, Any], tags: set[str]) -> Iterator[Finding]:
    index_of = {t.get("id"): i for i, t in enumerate(_tables(raw.get("assets")))}
    for asset in draft.assets:
        for key, tag in _asset_tags(asset):
            if tag not in tags:
                path = ("assets", index_of[asset.id], *key)
                yield path, f"no source has the tag {tag!r}", "declare it in a source"


def _asset_tags(asset: AssetSettings) -> Iterator[tuple[KeyPath, str]]:
    if asset.running:
        yield ("running", "tag"), asset.running.tag
    if asset.failure:
        yield ("failure", "tag"), asset.failure.tag
    for key in ("hour_meter", "speed_tag", "waveform_tag"):
        tag = getattr(asset, key)
        if tag is not None:
            yield (key,), tag
    for row, tag in enumerate(asset.detection.tags):
        yield ("detection", "tags", row), tag


def _alarms(raw: Mapping[str, Any], tags: set[str]) -> Iterator[Finding]:
    assets = {table.get("id") for table in _tables(raw.get("assets"))}
    seen: Counter[tuple[object, object]] = Counter()
    for index, alarm in enumerate(_tables(raw.get("alarms"))):
        tag, rule = alarm.get("tag"), alarm.get("rule")
        if not isinstance(tag, str):
            continue
        seen[tag, rule] += 1
        if seen[tag, rule] == 2:  # noqa: PLR2004 - the second one is the mistake
            yield ("alarms", index), f"{tag}:{rule} is declared twice", "remove one"
        if rule == "score":
            if tag.split("/")[0] not in assets:
                problem = f"{tag!r} belongs to no asset"
                yield ("alarms", index, "tag"), problem, "declare it in [[assets]]"
        elif tag not in tags:
            problem = f"no source has the tag {tag!r}"
            yield ("alarms", index, "tag"), problem, "declare it in a source"


def _initiators(
    draft: Config, safety: Mapping[str, Any], tags: set[str]
) -> Iterator[Finding]:
    for index, row in enumerate(_tables(safety.get("initiators"))):
        path: KeyPath = ("safety", "initiators", index)
        channels = row.get("channels", [])
        for place, channel in enumerate(channels if isinstance(channels, list) else []):
            if channel not in tags:
                problem = f"no safety source has the tag {channel!r}"
                remedy = "declare it in [[safety.sources]]; safety reads by itself"
                yield (*path, "channels", place), problem, remedy
    derived = {tag.id for tag in draft.derived_tags()}
    for index, row in enumerate(_tables(safety.get("initiators"))):
        if row.get("source") == "model" and row.get("tag") not in derived:
            problem = f"no asset has the derived tag {row.get('tag')!r}"
            remedy = 'name one, such as tag = "P-101/anomaly_score"'
            yield ("safety", "initiators", index, "tag"), problem, remedy
    scan_s = draft.safety.scan_period_s
    for initiator in draft.initiators:
        if initiator.source == "field" and initiator.max_age_s < scan_s:
            problem = f"{initiator.id!r}: max_age_s is below scan_period_s"
            yield ("safety", "initiators"), problem, "raise max_age_s or scan faster"


def _elements(
    draft: Config, safety: Mapping[str, Any], tags: set[str]
) -> Iterator[Finding]:
    outputs = {source.name: source for source in draft.safety_sources}
    names = {table.get("name") for table in _tables(safety.get("sources"))}
    for index, row in enumerate(_tables(safety.get("elements"))):
        path: KeyPath = ("safety", "elements", index)
        output, feedback = row.get("output"), row.get("feedback")
        if isinstance(output, str) and output not in names:
            problem = f"no safety source is named {output!r}"
            yield (*path, "output"), problem, "declare it in [[safety.sources]]"
        if isinstance(feedback, str) and feedback not in tags:
            problem = f"no safety source has the tag {feedback!r}"
            yield (*path, "feedback"), problem, "declare it in [[safety.sources]]"
        if output in outputs:
            points = {p.name for p in getattr(outputs[output], "points", ())}
            for key in ("point", "heartbeat"):
                point = row.get(key)
                if isinstance(point, str) and point not in points:
                    problem = f"{output!r} has no writable point {point!r}"
                    yield (*path, key), problem, "declare it in its points"


def _matrix(safety: Mapping[str, Any]) -> Iterator[Finding]:
    rows = {table.get("id") for table in _tables(safety.get("initiators"))}
    columns = {table.get("id") for table in _tables(safety.get("elements"))}
    matrix = safety.get("matrix")
    matrix = matrix if isinstance(matrix, dict) else {}
    path: KeyPath = ("safety", "matrix")
    for row, elements in matrix.items():
        if row not in rows:
            problem = f"no initiator has the id {row!r}"
            yield (*path, row), problem, "use an id of [[safety.initiators]]"
        for element in elements if isinstance(elements, list) else []:
            if element not in columns:
                problem = f"no element has the id {element!r}"
                yield (*path, row), problem, "use an id of [[safety.elements]]"
    for row in sorted(name for name in rows - matrix.keys() if isinstance(name, str)):
        problem = f"initiator {row!r} stops nothing"
        yield path, problem, "add its row to [safety.matrix]"


def _shared_ports(draft: Config) -> Iterator[Finding]:
    owned = {source.shared_port() for source in draft.safety_sources} - {None}
    for index, source in enumerate(draft.sources):
        port = source.shared_port()
        if port in owned:
            problem = f"the serial port {port!r} belongs to safety alone"
            yield ("sources", index), problem, "read those tags from safety"
