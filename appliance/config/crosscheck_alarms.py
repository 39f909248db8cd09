"""What alarms say of each other and of the plant; and what they leave unsaid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.config.document import table, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.config.alarms import AlarmSettings
    from appliance.config.document import Finding
    from appliance.config.model import Config

_TOLD = ("priority", "cause", "consequence", "action", "respond_within_s")


def alarms_check(raw: Mapping[str, Any], tags: set[str]) -> Iterator[Finding]:
    """Yield parents that are none, and states of the plant that nobody tells."""
    alarms = list(enumerate(tables(raw.get("alarms"))))
    parents = {_id(alarm): alarm.get("parent") for _, alarm in alarms}
    for index, alarm in alarms:
        parent = alarm.get("parent")
        if isinstance(parent, str):
            path = ("alarms", index, "parent")
            if parent not in parents:
                yield path, f"there is no alarm {parent!r}", "write TAG:RULE of one"
            elif _returns(_id(alarm), parents):
                yield path, "it is its own ancestor", "leave one parent of the ring out"
        tag = table(alarm.get("suppressed_while")).get("tag")
        if isinstance(tag, str) and tag not in tags:
            problem = f"no source has the tag {tag!r}"
            yield (
                ("alarms", index, "suppressed_while", "tag"),
                problem,
                "declare it in a source",
            )


def unsaid(config: Config) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each alarm that does not tell an operator all, and the keys it lacks."""
    for alarm in config.alarms:
        missing = tuple(key for key in _TOLD if not _says(alarm, key))
        if missing:
            yield alarm.id, missing


def unwatched(config: Config) -> Iterator[str]:
    """Yield the tags whose alarms nobody would miss: no alarm of their bad quality."""
    watched = {a.tag for a in config.alarms if a.rule in {"bad", "stale"}}
    limited = dict.fromkeys(
        a.tag for a in config.alarms if a.rule not in {"bad", "stale", "score"}
    )
    yield from (tag for tag in limited if tag not in watched)


def _says(alarm: AlarmSettings, key: str) -> bool:
    return key in alarm.model_fields_set and getattr(alarm, key) not in {"", None}


def _returns(alarm_id: str, parents: Mapping[str, object]) -> bool:
    seen: set[object] = set()
    at: object = parents.get(alarm_id)
    while isinstance(at, str) and at not in seen:
        if at == alarm_id:
            return True
        seen.add(at)
        at = parents.get(at)
    return False


def _id(alarm: Mapping[str, Any]) -> str:
    return f"{alarm.get('tag')}:{alarm.get('rule')}"
