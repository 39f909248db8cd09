"""More alarms than a person can take in: when a flood begins and ends (ISA-18.2)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.alarms.notes import Cause

FLOOD = "flood"
FLOOD_BEGIN, FLOOD_END = "flood_begin", "flood_end"
WITHIN_S = 600.0
BEGINS_ABOVE, ENDS_BELOW = 10, 5
"""Announced within the last ten minutes."""
_KEPT = 100_000


class Flood:
    """Counts what is announced.

    After a restart: from `announced_s`, in order, and from the flood's `last` event.
    """

    def __init__(
        self, announced_s: Iterable[float] = (), last: Event | None = None
    ) -> None:
        self._times_s: deque[float] = deque(announced_s, maxlen=_KEPT)
        begun = last is not None and last.name == FLOOD_BEGIN
        self.since_ns: int | None = last.time_ns if last and begun else None

    @property
    def active(self) -> bool:
        """Whether there is one now."""
        return self.since_ns is not None

    def announced(self, now_s: float) -> int:
        """Return how many were announced within the last ten minutes."""
        while self._times_s and now_s - self._times_s[0] > WITHIN_S:
            self._times_s.popleft()
        return len(self._times_s)

    def follow(self, events: Sequence[Event], cause: Cause) -> list[Event]:
        """Take note of what is told; return the flood's own event, if there is one."""
        for event in events:
            if event.details.get("announced"):
                self._times_s.append(cause.now_s)
        count = self.announced(cause.now_s)
        if not self.active and count > BEGINS_ABOVE:
            self.since_ns = cause.utc_ns
            message = f"a flood of alarms: {count} within ten minutes"
            return [_event(FLOOD_BEGIN, message, count, cause)]
        if self.active and count < ENDS_BELOW:
            self.since_ns = None
            return [_event(FLOOD_END, "the flood of alarms is over", count, cause)]
        return []


def _event(name: str, message: str, count: int, cause: Cause) -> Event:
    return Event(
        kind=EventKind.ALARM,
        name=name,
        time_ns=cause.utc_ns,
        message=message,
        details={"id": FLOOD, "count": count},
    )
