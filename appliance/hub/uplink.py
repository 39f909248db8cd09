"""What other processes say is wrong with their parts, as the alarms of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from appliance.alarms.sources import Fault, SourceWord
from appliance.domain.diagnostic import Diagnostic
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "uplink"
SENSORS = "sensors"
"""Under this name inference tells of instruments that it does not believe."""

_PRIORITIES: Mapping[str, Literal["low", "medium", "high"]] = {
    "low": "low",
    "high": "high",
}


def words_of(status: Mapping[str, Any], name: str = NAME) -> dict[str, SourceWord]:
    """Return the word of the uplink, from the last status that sync has sent.

    Or that of `SENSORS`, from inference's.

    Nothing before the first: what stood at the last run stands until then.
    """
    told = status.get("diagnostics")
    if not isinstance(told, list | tuple):
        return {}
    faults = [Fault(_diagnostic(each)) for each in told if isinstance(each, dict)]
    return {name: SourceWord(faults)}


def _diagnostic(told: Mapping[str, Any]) -> Diagnostic:
    tags, priority = told.get("tags", ()), str(told.get("priority", ""))
    return Diagnostic(
        key=str(told.get("key", "")),
        message=str(told.get("message", "")),
        remedy=str(told.get("remedy", "")),
        priority=_PRIORITIES.get(priority, "medium"),
        tags=tuple(TagId(str(tag)) for tag in tags)
        if isinstance(tags, list | tuple)
        else (),
    )
