"""Work done on an asset: its life begins again, and the history gets a label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping

MAINTAINED = "maintained"
WHAT_MAX = 500
"""Characters of what a person says was done."""


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What was done on an asset, and when (UTC, ns).

    `since_ns` is when the anomaly began that this work ended, or None where there was
    none: from there to `at_ns` the history shows what `what` has repaired.
    """

    asset: str
    at_ns: int
    what: str
    since_ns: int | None = None


def event_of_maintenance(done: Maintenance, *, time_ns: int, actor: str) -> Event:
    """Return the event that puts it on record; `time_ns` is when it was told."""
    return Event(
        kind=EventKind.MAINTENANCE,
        name=MAINTAINED,
        time_ns=time_ns,
        message=f"{done.asset}: maintenance is done: {done.what}",
        asset=done.asset,
        actor=actor,
        details={"what": done.what, "at_ns": done.at_ns, "since_ns": done.since_ns},
    )


def maintenance_of_event(event: Event) -> Maintenance | None:
    """Return what an event says was done; None if it does not say that."""
    if event.kind is not EventKind.MAINTENANCE or event.name != MAINTAINED:
        return None
    at_ns = whole(event.details, "at_ns")
    return Maintenance(
        asset=event.asset,
        at_ns=event.time_ns if at_ns is None else at_ns,
        what=str(event.details.get("what", "")),
        since_ns=whole(event.details, "since_ns"),
    )


def whole(
    details: Mapping[str, str | int | float | bool | None], name: str
) -> int | None:
    """Return a whole number among details, None where there is none."""
    found = details.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else None
