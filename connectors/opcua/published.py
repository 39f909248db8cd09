"""A PublishResponse by position: what it says of itself, and where its records lie."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.opcua.wirescan import MalformedMessageError, Scan

_PUBLISH_RESPONSE, _SERVICE_FAULT = 829, 397
_DATA_CHANGE, _STATUS_CHANGE = 811, 820
"""Node ids of the binary encodings (Part 6, annex A)."""
_LEAST_RECORD_BYTES = 5  # client handle and encoding mask


class ServiceFaultError(Exception):
    """The server refused a request; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server refused: 0x{status:08X}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Records:
    """`count` MonitoredItemNotifications that lie one after the other in a body."""

    start: int
    end: int
    count: int


@dataclass(frozen=True, slots=True)
class Published:
    """One notification message, its records still as they came over the wire.

    A keep-alive has no `parts`, and the number of the message that will come next.
    `ended` is the status with which the server ends the subscription. `available`
    are the numbers that the server can still send again, `missed` those of messages
    of this subscription that should have come before this one and did not.
    """

    body: bytes
    subscription_id: int
    sequence_number: int
    parts: int
    changes: tuple[Records, ...] = ()
    ended: int | None = None
    available: tuple[int, ...] = ()
    more: bool = False
    missed: range = range(0)

    @property
    def is_keep_alive(self) -> bool:
        """Whether nothing changed, and that is what it says."""
        return not self.parts


def published(body: bytes) -> Published:
    """Return the message in the body of an answer to Publish.

    Raises:
        MalformedMessageError: It is none.
        ServiceFaultError: The server answered by refusing.
    """
    scan = Scan(body)
    kind = scan.type_id()
    if kind not in {_PUBLISH_RESPONSE, _SERVICE_FAULT}:
        raise MalformedMessageError(f"a PublishResponse is i=829, this is i={kind}")
    _check_header(scan)
    if kind == _SERVICE_FAULT:
        raise MalformedMessageError("a fault that is none")
    subscription = scan.u32()
    available = tuple(scan.u32() for _ in range(scan.length(4)))
    more = scan.u8() != 0
    sequence = scan.u32()
    scan.skip(8)  # PublishTime
    parts = scan.length(3)
    changes: list[Records] = []
    ended: int | None = None
    for _ in range(parts):
        found = _part(scan)
        if isinstance(found, Records):
            changes.append(found)
        elif found is not None:
            ended = found
    return Published(
        body, subscription, sequence, parts,
        changes=tuple(changes), ended=ended, available=available, more=more,
    )  # fmt: skip


def _check_header(scan: Scan) -> None:
    scan.skip(12)  # Timestamp, RequestHandle
    status = scan.u32()
    scan.skip_diagnostic()
    for _ in range(scan.length(4)):
        scan.skip_text()
    scan.skip_extension()
    if status >> 30:
        raise ServiceFaultError(status)


def _part(scan: Scan) -> Records | int | None:
    """Return the records of a data change, the status of an end, None of others."""
    kind = scan.type_id()
    if not scan.u8() & 1:
        raise MalformedMessageError("a notification without a body")
    size = scan.length(1)
    inner = Scan(scan.body, scan.skip(size), scan.at)
    if kind == _DATA_CHANGE:
        count = inner.length(_LEAST_RECORD_BYTES)
        return Records(inner.at, inner.end, count)
    return inner.u32() if kind == _STATUS_CHANGE else None
