"""What several sources share of the field: a device takes only so many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.config.document import Finding
    from appliance.config.model import Config
    from appliance.runtime.plugins import Dialling

_REMEDY = "let one source list its [[sources.devices]], or read the tags from safety"


def connections_check(draft: Config) -> Iterator[Finding]:
    """Yield each source with which more connections are opened than the device takes.

    `check` sees one configuration; who else dials the device it cannot know.
    """
    opened: dict[str, list[str]] = {}
    takes = _takes(draft)
    for path, name, dialled in _dialled(draft):
        users = opened.setdefault(dialled.where, [])
        users += [name] * dialled.opens
        limit = takes.get(dialled.where)
        if limit is not None and len(users) > limit:
            by = " and ".join(dict.fromkeys(users))
            problem = (
                f"{dialled.where} takes {limit} connection{'s' if limit > 1 else ''}, "
                f"and {len(users)} are opened, by {by}"
            )
            yield path, problem, _REMEDY


def _takes(draft: Config) -> dict[str, int]:
    """Return the fewest that anybody says a device takes, by where it is."""
    takes: dict[str, int] = {}
    for _, _, each in _dialled(draft):
        if each.accepts is not None:
            takes[each.where] = min(each.accepts, takes.get(each.where, each.accepts))
    return takes


def _dialled(
    draft: Config,
) -> Iterator[tuple[tuple[str | int, ...], str, Dialling]]:
    """Yield safety's sources first: in doubt the others have to give way."""
    for index, source in enumerate(draft.safety_sources):
        dialled = source.dialling(in_safety=True)
        if dialled is not None:
            yield ("safety", "sources", index), source.name, dialled
    for index, source in enumerate(draft.sources):
        dialled = source.dialling(in_safety=False)
        if dialled is not None:
            yield ("sources", index), source.name, dialled
