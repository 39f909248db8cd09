"""What one section says about another: names that must exist, and only once."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from appliance.config.crosscheck_alarms import alarms_check
from appliance.config.crosscheck_callout import callout_check
from appliance.config.crosscheck_safety import safety_check
from appliance.config.crosscheck_wires import connections_check
from appliance.config.document import table, tables
from appliance.config.globs import matcher
from appliance.domain.tag import InvalidTagIdError, TagId, asset_of, parse_tag_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.config.assets import AssetSettings
    from appliance.config.document import Finding
    from appliance.config.locate import KeyPath
    from appliance.config.model import Config

_RESERVED = frozenset({"safety", "inference", "buffer", "sensors", "callout"})
"""Names under which the hub lists the other processes, and its buffer, with sources."""


def cross_check(draft: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield (key path, problem, remedy) for what does not fit together.

    Names are taken from the raw document, so a mistake inside one source does not
    make every mention of its tags a mistake too.
    """
    hub_tags = _raw_tags(raw.get("sources"))
    safety = table(raw.get("safety"))
    safety_tags = _raw_tags(safety.get("sources"))
    yield from _tag_names(("sources",), raw.get("sources"))
    yield from _tag_names(("safety", "sources"), safety.get("sources"))
    yield from _twice(("sources",), raw.get("sources"), "name")
    yield from _twice(("safety", "sources"), safety.get("sources"), "name")
    for name in ("initiators", "elements"):
        yield from _twice(("safety", name), safety.get(name), "id")
    yield from _twice(("assets",), raw.get("assets"), "id")
    yield from _reserved(raw)
    yield from _assets(draft, raw, hub_tags)
    yield from _instruments(draft, raw)
    hub_sees = hub_tags | {tag.id for tag in draft.derived_tags()}
    yield from _alarms(raw, hub_sees)
    yield from alarms_check(raw, hub_sees)
    yield from safety_check(draft, safety, safety_tags)
    yield from _shared_ports(draft)
    yield from connections_check(draft)
    yield from _uplink(draft, hub_tags | safety_tags)
    yield from callout_check(draft, raw)


def _raw_tags(sources: object) -> set[str]:
    return {tag["id"] for _, tag in _raw_tag_tables(sources)}


def _raw_tag_tables(sources: object) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    for index, source in enumerate(tables(sources)):
        for row, tag in enumerate(tables(source.get("tags"))):
            if isinstance(tag.get("id"), str):
                yield (index, "tags", row, "id"), tag


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
    for index, each in enumerate(tables(found)):
        name = each.get(key)
        if not isinstance(name, str):
            continue
        seen[name] += 1
        if seen[name] == 2:  # noqa: PLR2004 - the second one is the mistake
            yield (*path, index, key), f"{name!r} is used twice", "rename one"


def _reserved(raw: Mapping[str, Any]) -> Iterator[Finding]:
    for index, source in enumerate(tables(raw.get("sources"))):
        name = source.get("name")
        if name in _RESERVED:
            problem = f"{name!r} is the name of a part of ours"
            yield ("sources", index, "name"), problem, "rename the source"


def _assets(draft: Config, raw: Mapping[str, Any], tags: set[str]) -> Iterator[Finding]:
    index_of = {t.get("id"): i for i, t in enumerate(tables(raw.get("assets")))}
    for asset in draft.assets:
        for key, tag in _asset_tags(asset):
            if tag not in tags:
                path = ("assets", index_of[asset.id], *key)
                yield path, f"no source has the tag {tag!r}", "declare it in a source"


def _instruments(draft: Config, raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the instruments to be watched that are not among the scored tags."""
    index_of = {t.get("id"): i for i, t in enumerate(tables(raw.get("assets")))}
    for asset in draft.assets:
        chosen = set(asset.detection.tags)
        for key, tag in _watched_tags(asset):
            if tag in chosen or (not chosen and asset_of(TagId(tag)) == asset.id):
                continue
            path = ("assets", index_of[asset.id], *key)
            problem = f"{tag!r} is not among the scored tags of {asset.id}"
            yield path, problem, "add it to detection.tags"


def _asset_tags(asset: AssetSettings) -> Iterator[tuple[KeyPath, str]]:
    if asset.running:
        yield ("running", "tag"), asset.running.tag
    if asset.failure:
        yield ("failure", "tag"), asset.failure.tag
    for key in ("hour_meter", "speed_tag", "waveform_tag"):
        tag = getattr(asset, key)
        if tag is not None:
            yield (key,), tag
    for key, tag in asset.quantities:
        if tag is not None:
            yield ("quantities", key), tag
    for row, tag in enumerate(asset.detection.tags):
        yield ("detection", "tags", row), tag
    yield from _mode_tags(asset)
    yield from _watched_tags(asset)


def _mode_tags(asset: AssetSettings) -> Iterator[tuple[KeyPath, str]]:
    if asset.modes.tag is not None:
        yield ("modes", "tag"), asset.modes.tag
    for row, tag in enumerate(asset.modes.tags):
        yield ("modes", "tags", row), tag


def _watched_tags(asset: AssetSettings) -> Iterator[tuple[KeyPath, str]]:
    for row, group in enumerate(asset.sensors.twins):
        for tag in group:
            yield ("sensors", "twins", row), tag
    for row, tag in enumerate(asset.sensors.cross_checked):
        yield ("sensors", "cross_checked", row), tag


def _alarms(raw: Mapping[str, Any], tags: set[str]) -> Iterator[Finding]:
    assets = {each.get("id") for each in tables(raw.get("assets"))}
    seen: Counter[tuple[object, object]] = Counter()
    for index, alarm in enumerate(tables(raw.get("alarms"))):
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


def _uplink(draft: Config, tags: set[str]) -> Iterator[Finding]:
    """Yield the patterns of `[uplink] tags` that let nothing leave."""
    if draft.uplink is None:
        return
    known = tags | {tag.id for tag in draft.derived_tags()}
    for index, pattern in enumerate(draft.uplink.tags):
        if not any(map(matcher((pattern,)), known)) and pattern != "*":
            problem = f"{pattern!r} matches no tag"
            yield ("uplink", "tags", index), problem, "correct the pattern"


def _shared_ports(draft: Config) -> Iterator[Finding]:
    owned = {source.shared_port() for source in draft.safety_sources} - {None}
    taken: dict[str, str] = {}
    for index, source in enumerate(draft.sources):
        port = source.shared_port()
        if port in owned:
            problem = f"the serial port {port!r} belongs to safety alone"
            yield ("sources", index), problem, "read those tags from safety"
        elif port is not None and port in taken:
            problem = f"the serial port {port!r} is {taken[port]!r}'s already"
            remedy = "a bus has one master: list both devices in one source"
            yield ("sources", index), problem, remedy
        if port is not None:
            taken.setdefault(port, source.name)
