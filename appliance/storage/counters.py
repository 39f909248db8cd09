"""The conservation law as counters: nothing leaves without being counted.

Samples: read = stored + rejected + in flight (duplicates are among the rejected).
Outbox, per stream and in total: enqueued = delivered + pending + declared gaps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.storage.outbox import StreamStatus
from appliance.storage.records import (
    DECIMATED,
    DECLARED_GAPS,
    DELIVERED,
    DROPPED,
    DUPLICATE,
    ENQUEUED,
    PENDING_BYTES,
    READ,
    REJECTED,
    STORED,
    WAVEFORM_POINTS,
    outbox_counter,
)
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping

IN_FLIGHT = "samples_in_flight"
PENDING = "pending"
_ACCOUNTS = (ENQUEUED, DELIVERED, PENDING, DECLARED_GAPS)


def sample_counters(
    committed: Mapping[str, int], *, read: int, lost: int, in_flight: int
) -> dict[str, int]:
    """Return what happened to samples: committed, and still in memory."""
    return {
        READ: read,
        STORED: committed.get(STORED, 0),
        REJECTED: committed.get(REJECTED, 0) + lost,
        IN_FLIGHT: in_flight,
        DECIMATED: committed.get(DECIMATED, 0),
        DROPPED: committed.get(DROPPED, 0),
        DUPLICATE: committed.get(DUPLICATE, 0),
        WAVEFORM_POINTS: committed.get(WAVEFORM_POINTS, 0),
    }


def outbox_counters(committed: Mapping[str, int]) -> dict[str, int]:
    """Return every stream's account, and the total as `outbox_<account>`."""
    found: dict[str, int] = {}
    for stream in Stream:
        account = account_of(committed, stream)
        found |= {outbox_counter(stream, what): account[what] for what in _ACCOUNTS}
    for what in _ACCOUNTS:
        found[f"outbox_{what}"] = sum(
            found[outbox_counter(stream, what)] for stream in Stream
        )
    return found


def account_of(committed: Mapping[str, int], stream: Stream) -> dict[str, int]:
    """Return a stream's account."""
    account = {
        what: committed.get(outbox_counter(stream, what), 0)
        for what in (ENQUEUED, DELIVERED, DECLARED_GAPS)
    }
    left = account[DELIVERED] + account[DECLARED_GAPS]
    return {**account, PENDING: account[ENQUEUED] - left}


def status_of(
    committed: Mapping[str, int], stream: Stream, *, oldest_ns: int | None
) -> StreamStatus:
    """Return where a stream stands."""
    account = account_of(committed, stream)
    return StreamStatus(
        enqueued=account[ENQUEUED],
        delivered=account[DELIVERED],
        pending=account[PENDING],
        declared_gaps=account[DECLARED_GAPS],
        oldest_ns=oldest_ns,
        pending_bytes=committed.get(outbox_counter(stream, PENDING_BYTES), 0),
    )
