"""What goes out to one target, and the event that tells of it. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from appliance.alarms.alarm import RANK
from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator

SENT, FAILED = "sent", "failed"
"""Names of the events of calls."""
LOWEST = max(RANK.values())


class Slot(NamedTuple):
    """One call: of which episode, which step of it (by its time), whom."""

    alarm: str
    begun_ns: int
    after_s: float


@dataclass(frozen=True, slots=True)
class Message:
    """What one target is to be told: the alarms of its calls, and what is over."""

    id: str
    target: str
    slots: tuple[Slot, ...]
    events: tuple[Event, ...]
    notes: tuple[Event, ...] = ()
    flood: bool = False

    @property
    def rank(self) -> int:
        """The rank of its most urgent alarm; 0 is the highest."""
        return min((rank_of(event) for event in self.events), default=LOWEST)


def told_of(message: Message, said: str, now_ns: int, *, sent: bool) -> Event:
    """Return the event of a call."""
    first = message.events[0] if message.events else None
    about = "an alarm that is over" if first is None else str(first.details["id"])
    more = len(message.events) - 1
    others = f" and {more} more" if more > 0 else ""
    how = "was called" if sent else "could not be called"
    slots = [[s.begun_ns, s.after_s, s.alarm] for s in message.slots]
    return Event(
        kind=EventKind.CALL,
        name=SENT if sent else FAILED,
        time_ns=now_ns,
        message=f"{message.target} {how} about {about}{others}: {said}",
        asset="" if first is None else first.asset,
        tag=None if first is None else first.tag,
        priority="" if first is None else first.priority,
        details={
            "target": message.target,
            "message": message.id,
            "alarms": len(message.events),
            "said": said,
            "calls": json.dumps(slots, ensure_ascii=False),
        },
    )


def slots_of(event: Event) -> Iterator[Slot]:
    """Yield the calls that an event tells of; what is no such list tells of none."""
    try:
        found = json.loads(str(event.details.get("calls")))
        for begun_ns, after_s, alarm in found:
            yield Slot(str(alarm), int(begun_ns), float(after_s))
    except (ValueError, TypeError):
        return


def rank_of(event: Event) -> int:
    """Return the rank of an event's priority; 0 is the highest."""
    return RANK.get(event.priority, LOWEST)
