"""What of the outbox may leave, and what is urgent. Pure.

The hub does not even enqueue summaries, health and snippets that may not leave. Events
are numbered with the buffer's own record, so one that may not leave goes empty: the
fleet can still prove that it has every number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.config.globs import matcher
from appliance.domain.event import EventKind
from appliance.wire.outbox import EventRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.wire.outbox import Row

WITHHELD = "withheld"
_URGENT = frozenset({EventKind.ALARM, EventKind.ANOMALY, EventKind.TRIP})


class Policy:
    """The decisions of `[uplink]` about rows."""

    def __init__(self, sends: Sequence[str], tags: Sequence[str]) -> None:
        self._events = "event" in sends
        self._allowed = matcher(tags)

    def released(self, row: Row) -> Row:
        """Return the row as it may leave."""
        if not isinstance(row, EventRow) or self.lets_out(row):
            return row
        return EventRow(WITHHELD, "", row.time_ns, "", "", None, "", "", {})

    def lets_out(self, row: EventRow) -> bool:
        """Tell whether an event may leave as it is."""
        return self._events and (row.tag is None or self._allowed(row.tag))


def is_urgent(row: Row) -> bool:
    """Tell whether a row is worth a connection at any time, and before all budgets."""
    return isinstance(row, EventRow) and row.kind in _URGENT


def is_withheld(row: Row) -> bool:
    """Tell whether a row's content stayed at the gateway."""
    return isinstance(row, EventRow) and row.kind == WITHHELD


EVERYTHING = Policy(("event",), ("*",))
"""What a benchmark or a test sends."""
