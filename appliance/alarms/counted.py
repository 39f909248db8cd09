"""What an event of an alarm counts for: whether it called, and how often. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.alarms.lifecycle import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.domain.event import Event

_MASKED = frozenset({"shelved", "suppressed", "out_of_service"})
_RAISED = frozenset({Change.ACTIVE, Change.REANNOUNCED})


def calls(event: Event) -> bool:
    """Whether it called for a person; events of older releases do not say so."""
    told = event.details.get("announced")
    if told is not None or event.name not in _RAISED:
        return bool(told)
    inhibited = event.details.get("inhibited_by")
    return not inhibited and event.details.get("state") not in _MASKED


def times_of(event: Event) -> Iterator[int]:
    """Yield when it happened; one that stands for several has them spread evenly."""
    count, since_ns = (
        event.details.get(k) for k in ("coalesced", "coalesced_since_ns")
    )
    if not isinstance(count, int) or not isinstance(since_ns, int) or count < 2:  # noqa: PLR2004 - several
        yield event.time_ns
        return
    span_ns = event.time_ns - since_ns
    yield from (since_ns + span_ns * n // (count - 1) for n in range(count))
