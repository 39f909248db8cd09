"""What happened, the newest first: as it is told, and in pages from the hub. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from appliance.wire.messages import EventMessage, WireError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEPT = 5000
PAGE = 200
KINDS = (
    "everything",
    "alarm",
    "trip",
    "safety",
    "anomaly",
    "maintenance",
    "call",
    "audit",
    "source",
    "model",
    "gap",
    "system",
)
"""What the list can be kept to."""


class EventLog:
    """Up to `KEPT` events by time; what was told twice is one."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], EventMessage] = {}
        self._sorted: tuple[EventMessage, ...] | None = None
        self.oldest_seq: int | None = None
        """The lowest number of the hub's own that was read; None: none was."""
        self.complete = False
        """Whether the hub has no older ones."""

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[EventMessage]:
        return iter(self.newest_first())

    def take(self, event: EventMessage) -> None:
        """Take an event; its committed copy replaces the pending one."""
        key = (event.kind, event.name, event.time_ns, event.message)
        known = self._known.get(key)
        if known is not None and not known.pending:
            return
        self._known[key] = event
        self._sorted = None
        if len(self._known) > KEPT:
            oldest = min(self._known, key=lambda each: self._known[each].time_ns)
            del self._known[oldest]

    def take_page(self, told: Mapping[str, Any], *, asked: int = PAGE) -> None:
        """Take a page of `events.recent`: what is committed, the newest or older ones.

        Raises:
            WireError: It is none.
        """
        rows = [{**row, "pending": False} for row in told["events"]]
        try:
            events = msgspec.convert(rows, tuple[EventMessage, ...])
        except msgspec.ValidationError as error:
            raise WireError(str(error)) from error
        for event in events:
            self.take(event)
            if self.oldest_seq is None or event.seq < self.oldest_seq:
                self.oldest_seq = event.seq
        self.complete = self.complete or len(events) < asked

    def newest_first(self, kind: str = KINDS[0]) -> tuple[EventMessage, ...]:
        """Return all events of a kind, the newest first."""
        if self._sorted is None:
            self._sorted = tuple(
                sorted(self._known.values(), key=lambda event: -event.time_ns)
            )
        if kind == KINDS[0]:
            return self._sorted
        return tuple(event for event in self._sorted if event.kind == kind)

    def of_alarm(self, alarm_id: str, most: int) -> list[EventMessage]:
        """Return the newest events of an alarm."""
        found: list[EventMessage] = []
        for event in self.newest_first():
            if event.kind == "alarm" and event.details.get("id") == alarm_id:
                found.append(event)
                if len(found) == most:
                    break
        return found

    def of_tag(
        self, tag: str, asset: str, *, from_ns: int, to_ns: int
    ) -> list[EventMessage]:
        """Return what was told of a tag, or of its asset as a whole, in a time."""
        return [
            event
            for event in self.newest_first()
            if from_ns <= event.time_ns <= to_ns
            and (event.tag == tag or (event.tag is None and event.asset == asset))
        ]
