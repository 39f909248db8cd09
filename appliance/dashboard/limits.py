"""The limits that a tag is held against: configured alarms and trips. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

TRIP = "trip"
_ABOVE = {
    "high": True,
    "high_high": True,
    "score": True,
    "low": False,
    "low_low": False,
}


@dataclass(frozen=True, slots=True)
class Limit:
    """A level in engineering units: beyond it, `above` or below, somebody acts.

    `priority` is the alarm's, or `trip` where the machine is stopped.
    """

    level: float
    above: bool
    priority: str
    name: str

    def passed_by(self, value: float) -> bool:
        """Whether a value lies beyond it; what is not a number does not."""
        return value > self.level if self.above else value < self.level


def limits_by_tag(description: Mapping[str, Any]) -> dict[str, tuple[Limit, ...]]:
    """Return the limits of every tag that has some, the outermost last."""
    found: dict[str, list[Limit]] = {}
    for row in description.get("alarms") or ():
        rule, level = row.get("rule"), row.get("setpoint")
        if rule == "score":
            level = 1.0 if level is None else level
        if rule in _ABOVE and isinstance(level, int | float):
            limit = Limit(
                float(level),
                above=_ABOVE[rule],
                priority=str(row.get("priority")),
                name=str(row["id"]),
            )
            found.setdefault(str(row["tag"]), []).append(limit)
    for row in description.get("initiators") or ():
        for limit in _of_initiator(row):
            for channel in row.get("channels") or ():
                found.setdefault(str(channel), []).append(limit)
    return {
        tag: tuple(sorted(dict.fromkeys(limits), key=lambda each: each.level))
        for tag, limits in found.items()
    }


def _of_initiator(row: Mapping[str, Any]) -> list[Limit]:
    high, low = row.get("setpoint"), row.get("setpoint_low")
    name = str(row["id"])
    match row.get("condition"):
        case "low":
            high, low = None, high
        case "high":
            low = None
        case "outside":
            pass
        case _:
            return []
    limits = []
    if isinstance(high, int | float):
        limits.append(Limit(float(high), above=True, priority=TRIP, name=name))
    if isinstance(low, int | float):
        limits.append(Limit(float(low), above=False, priority=TRIP, name=name))
    return limits
