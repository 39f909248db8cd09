"""Notification messages as bytes, by the standard, and the slow way to read them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary, variant_from_binary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.opcua.published import Published

EPOCH_TICKS = 116_444_736_000_000_000
GOOD_TICKS = EPOCH_TICKS + 17_000_000_000_000_000
PICOSECONDS = 0x30


@dataclass(frozen=True)
class Record:
    """A MonitoredItemNotification; `variant` is encoded already."""

    handle: int = 1
    mask: int = 0x0F
    variant: bytes = b"\x0b" + struct.pack("<d", 1.5)
    status: int = 0
    source: int = GOOD_TICKS
    server: int = GOOD_TICKS + 10

    def encoded(self) -> bytes:
        """Return it in the order of Part 6, 5.2.2.17."""
        parts = (
            self.variant,
            struct.pack("<I", self.status),
            struct.pack("<q", self.source),
            struct.pack("<q", self.server),
            struct.pack("<H", 1),
            struct.pack("<H", 2),
        )
        bits = (0x01, 0x02, 0x04, 0x08, 0x10, 0x20)
        there = dict(zip(bits, parts, strict=True))
        in_order = (0x01, 0x02, 0x04, 0x10, 0x08, 0x20)
        body = b"".join(there[bit] for bit in in_order if self.mask & bit)
        return struct.pack("<IB", self.handle, self.mask) + body


def data_change(records: Sequence[Record]) -> bytes:
    """Return a DataChangeNotification in its ExtensionObject."""
    body = struct.pack("<i", len(records))
    body += b"".join(record.encoded() for record in records) + struct.pack("<i", -1)
    return extension(811, body)


def extension(type_id: int, body: bytes) -> bytes:
    return struct.pack("<BBHBi", 1, 0, type_id, 1, len(body)) + body


def response(
    *parts: bytes,
    number: int = 7,
    subscription: int = 3,
    service_result: int = 0,
    available: tuple[int, ...] = (5, 7),
) -> bytes:
    """Return the body of a PublishResponse."""
    header = ua.ResponseHeader(ServiceResult=ua.StatusCode(ua.UInt32(service_result)))
    numbers = struct.pack(f"<i{len(available)}I", len(available), *available)
    return b"".join(
        (
            struct.pack("<BBH", 1, 0, 829),
            struct_to_binary(header),
            struct.pack("<I", subscription),
            numbers,
            struct.pack("<?Iq", False, number, GOOD_TICKS),
            struct.pack("<i", len(parts)),
            *parts,
            struct.pack("<ii", 0, 0),
        )
    )


def by_the_book(message: Published) -> list[ua.MonitoredItemNotification]:
    """Read the records one by one, their Variants as asyncua does.

    asyncua's own DataValue has both times before the picoseconds, which is not the
    order of the standard: that much is done here.
    """
    return [
        change
        for part in message.changes
        for change in _records(
            Buffer(message.body, part.start, part.end - part.start), part.count
        )
    ]


def _records(buffer: Buffer, count: int) -> list[ua.MonitoredItemNotification]:
    found = []
    for _ in range(count):
        handle, mask = struct.unpack("<IB", buffer.read(5))
        given = ua.DataValue(StatusCode=None)
        if mask & 0x01:
            given.Value = variant_from_binary(buffer)
        if mask & 0x02:
            given.StatusCode = ua.StatusCode(ua.UInt32(_one("<I", buffer)))
        if mask & 0x04:
            given.SourceTimestamp = _moment(buffer)
        if mask & 0x10:
            buffer.read(2)
        if mask & 0x08:
            given.ServerTimestamp = _moment(buffer)
        if mask & 0x20:
            buffer.read(2)
        found.append(ua.MonitoredItemNotification(handle, given))
    return found


def _moment(buffer: Buffer) -> ua.DateTime:
    return cast("ua.DateTime", ua.win_epoch_to_datetime(_one("<q", buffer)))


def _one(kind: str, buffer: Buffer) -> int:
    number: int = struct.unpack(kind, buffer.read(struct.calcsize(kind)))[0]
    return number
