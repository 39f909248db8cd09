"""Which alarms are listed, and how many stand. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from appliance.alarms.activity import STALE_AFTER_S
from appliance.alarms.alarm import RANK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.alarms.alarm import Alarm

LIMIT = 2000
"""Rows of a list, unless fewer are asked for: a message on the link is bounded."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Filter:
    """Only those that are not normal; of one asset or tag; at most so many."""

    standing: bool = False
    asset: str = ""
    tag: str = ""
    limit: int = LIMIT

    def takes(self, alarm: Alarm) -> bool:
        """Whether an alarm is among those that are asked for."""
        asset, tag = alarm.place
        if self.standing and alarm.at_rest:
            return False
        return self.asset in {"", asset} and self.tag in {"", tag}


def listed(alarms: Iterable[Alarm], only: Filter | None) -> Iterator[Alarm]:
    """Return those that are asked for; where they are too many, the standing first."""
    if only is None:
        return iter(alarms)
    found = [alarm for alarm in alarms if only.takes(alarm)]
    if len(found) > only.limit:
        found.sort(key=lambda alarm: (alarm.at_rest, RANK[alarm.priority]))
    return islice(found, only.limit)


def overview(alarms: Iterable[Alarm], utc_ns: int) -> dict[str, Any]:
    """Return how many alarms call for somebody, by priority, and how others stand."""
    standing: Counter[str] = Counter(dict.fromkeys(RANK, 0))
    counts = Counter(
        dict.fromkeys(
            (
                "unacknowledged", "shelved", "suppressed", "out_of_service",
                "chattering", "stale", "inhibited",
            ),
            0,
        )
    )  # fmt: skip
    for alarm in alarms:
        if alarm.at_rest:
            continue
        life = alarm.life
        since_ns = alarm.notes.since_ns
        standing[alarm.priority] += not life.masked
        counts["unacknowledged"] += alarm.announced
        counts["shelved"] += life.shelf is not None
        counts["suppressed"] += life.suppressed
        counts["out_of_service"] += life.out_of_service
        counts["chattering"] += alarm.activity.chattering
        counts["inhibited"] += bool(alarm.inhibited_by) and life.active
        old = since_ns is not None and utc_ns - since_ns > STALE_AFTER_S * _NS
        counts["stale"] += life.active and old
    return {"standing": dict(standing), **counts}
