"""Events: anything recorded; alarms and trips are kinds of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.tag import TagId


class EventKind(StrEnum):
    """What an event is about; retention and uplink class follow from it."""

    ALARM = "alarm"
    TRIP = "trip"
    SAFETY = "safety"
    ANOMALY = "anomaly"
    SOURCE = "source"
    GAP = "gap"
    MODEL = "model"
    MAINTENANCE = "maintenance"
    AUDIT = "audit"
    SYSTEM = "system"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, at a time (UTC, ns), to an asset or tag.

    `name` is a stable word (`active`, `lost`, `first_out`), `message` a sentence for
    people, `details` flat values for machines.
    """

    kind: EventKind
    name: str
    time_ns: int
    message: str
    asset: str = ""
    tag: TagId | None = None
    priority: str = ""
    actor: str = ""
    details: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval in which something is known to be missing, and why.

    `what` is `acquisition` (samples never read or never committed), the name of an
    outbox stream (then `first` and `through` are its sequence numbers), or what
    retention gave up here: `waveform`, `text`, `raw`, `rollup`.
    `count` is how many are missing, or -1 where nobody can know.
    """

    what: str
    reason: str
    from_ns: int
    to_ns: int
    count: int
    first: int = 0
    through: int = 0
