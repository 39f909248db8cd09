"""What the uplink says is wrong with it, as the alarms of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.alarms.sources import Fault, SourceWord
from appliance.domain.diagnostic import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "uplink"


def words_of(status: Mapping[str, Any]) -> dict[str, SourceWord]:
    """Return the word of the uplink, from the last status that sync has sent.

    Nothing before the first: what stood at the last run stands until then.
    """
    told = status.get("diagnostics")
    if not isinstance(told, list | tuple):
        return {}
    faults = [Fault(_diagnostic(each)) for each in told if isinstance(each, dict)]
    return {NAME: SourceWord(faults)}


def _diagnostic(told: Mapping[str, Any]) -> Diagnostic:
    return Diagnostic(
        key=str(told.get("key", "")),
        message=str(told.get("message", "")),
        remedy=str(told.get("remedy", "")),
        priority="high" if told.get("priority") == "high" else "medium",
    )
