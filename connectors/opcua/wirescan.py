"""OPC UA binary (Part 6) read by position: where a thing ends, not what it is. Pure.

Every length is checked against what is left before anything is made of it, so bytes
that a hostile server made up cost no memory and no time.
"""

from __future__ import annotations

import struct
from typing import Final

NULL, BOOLEAN, SBYTE, BYTE, INT16, UINT16 = 0, 1, 2, 3, 4, 5
INT32, UINT32, INT64, UINT64, FLOAT, DOUBLE = 6, 7, 8, 9, 10, 11
EXTENSION_OBJECT, DIAGNOSTIC_INFO = 22, 25
"""Ids of built-in types (Part 6, 5.1.2)."""

HAS_VALUE, HAS_STATUS, HAS_SOURCE_TIME, HAS_SERVER_TIME = 0x01, 0x02, 0x04, 0x08
HAS_SOURCE_PICOSECONDS, HAS_SERVER_PICOSECONDS = 0x10, 0x20
"""Bits of a DataValue's encoding mask (Part 6, 5.2.2.17)."""

_NESTING = 100  # Part 6: a decoder supports at least as many
IS_ARRAY, HAS_DIMENSIONS, KIND = 0x80, 0x40, 0x3F
"""Bits of a Variant's encoding byte (Part 6, 5.2.2.16)."""

_FIXED: Final = {
    NULL: 0, BOOLEAN: 1, SBYTE: 1, BYTE: 1, INT16: 2, UINT16: 2, INT32: 4, UINT32: 4,
    INT64: 8, UINT64: 8, FLOAT: 4, DOUBLE: 8, 13: 8, 14: 16, 19: 4,
}  # fmt: skip
_NODE_ID_BYTES: Final = {0: 1, 1: 3, 2: 6, 4: 18}
_TEXT_NODE_IDS = {3, 5}

_U16, _U32, _I32, _I64 = (struct.Struct(f"<{kind}") for kind in "HIiq")


class MalformedMessageError(ValueError):
    """These bytes are not what they should be: nothing of them may be believed."""


class Scan:
    """A position in bytes that only moves forward, and never past `end`.

    Raises:
        MalformedMessageError: From every method, where there is not enough left.
    """

    __slots__ = ("at", "body", "end")

    def __init__(self, body: bytes, at: int = 0, end: int | None = None) -> None:
        self.body = body
        self.at = at
        self.end = len(body) if end is None else end

    def skip(self, size: int) -> int:
        """Move on by `size` bytes; return where they began."""
        at = self.at
        if not 0 <= size <= self.end - at:
            raise MalformedMessageError(f"{size} bytes of {self.end - at} left")
        self.at = at + size
        return at

    def u8(self) -> int:
        """Return a Byte."""
        return self.body[self.skip(1)]

    def u16(self) -> int:
        """Return a UInt16."""
        number: int = _U16.unpack_from(self.body, self.skip(2))[0]
        return number

    def u32(self) -> int:
        """Return a UInt32."""
        number: int = _U32.unpack_from(self.body, self.skip(4))[0]
        return number

    def i32(self) -> int:
        """Return an Int32."""
        number: int = _I32.unpack_from(self.body, self.skip(4))[0]
        return number

    def i64(self) -> int:
        """Return an Int64."""
        number: int = _I64.unpack_from(self.body, self.skip(8))[0]
        return number

    def length(self, least_bytes: int) -> int:
        """Return the length of an array, whose elements take `least_bytes` or more."""
        length = self.i32()
        if length < -1:
            raise MalformedMessageError(f"an array of {length}")
        if length > 0 and (not least_bytes or length > self.left // least_bytes):
            raise MalformedMessageError(f"an array of {length} in {self.left} bytes")
        return max(0, length)

    def skip_text(self) -> None:
        """Move past a String, ByteString or XmlElement."""
        self.skip(self.length(1))

    def type_id(self) -> int | None:
        """Move past a NodeId; return its number if it is one of the standard's."""
        form = self.u8()
        match form & KIND:
            case 0:
                found: int | None = self.u8()
            case 1:
                space, number = self.u8(), self.u16()
                found = None if space else number
            case 2:
                space, number = self.u16(), self.u32()
                found = None if space else number
            case _:
                self.at -= 1
                self.skip_node_id()
                return None
        self._skip_expanded(form)
        return found

    def skip_node_id(self) -> None:
        """Move past a NodeId or ExpandedNodeId."""
        form = self.u8()
        kind = form & KIND
        if kind in _NODE_ID_BYTES:
            self.skip(_NODE_ID_BYTES[kind])
        elif kind in _TEXT_NODE_IDS:
            self.skip(2)
            self.skip_text()
        else:
            raise MalformedMessageError(f"a node id of form {kind}")
        self._skip_expanded(form)

    def skip_value(self, kind: int, depth: int = 0) -> None:
        """Move past one built-in type."""
        size = _FIXED.get(kind)
        if size is not None:
            self.skip(size)
            return
        if depth > _NESTING:
            raise MalformedMessageError("nested too deep")
        match kind:
            case 17 | 18:
                self.skip_node_id()
            case 20:
                self.skip(2)
                self.skip_text()
            case 21:
                self._skip_localized()
            case 22:
                self.skip_extension()
            case 23:
                self._skip_data_value(depth + 1)
            case 24:
                self.skip_variant(depth + 1)
            case 25:
                self.skip_diagnostic(depth + 1)
            case _:  # String, ByteString, XmlElement; what is reserved is a ByteString
                self.skip_text()

    def skip_variant(self, depth: int = 0) -> None:
        """Move past a Variant."""
        form = self.u8()
        kind = form & KIND
        if not form & IS_ARRAY:
            if form & HAS_DIMENSIONS:
                raise MalformedMessageError("a scalar with dimensions")
            self.skip_value(kind, depth)
            return
        size = _FIXED.get(kind)
        length = self.length(1 if size is None else size)
        if size is not None:
            self.skip(size * length)
        else:
            for _ in range(length):
                self.skip_value(kind, depth)
        if form & HAS_DIMENSIONS:
            self.skip(4 * self.length(4))

    def skip_extension(self) -> None:
        """Move past an ExtensionObject."""
        self.skip_node_id()
        if self.u8():
            self.skip_text()

    def skip_diagnostic(self, depth: int = 0) -> None:
        """Move past a DiagnosticInfo."""
        if depth > _NESTING:
            raise MalformedMessageError("nested too deep")
        mask = self.u8()
        self.skip(4 * (mask & 0x0F).bit_count())
        if mask & 0x10:
            self.skip_text()
        if mask & 0x20:
            self.skip(4)
        if mask & 0x40:
            self.skip_diagnostic(depth + 1)

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return self.end - self.at

    def _skip_expanded(self, form: int) -> None:
        if form & 0x80:
            self.skip_text()
        if form & 0x40:
            self.skip(4)

    def _skip_localized(self) -> None:
        mask = self.u8()
        for bit in (1, 2):
            if mask & bit:
                self.skip_text()

    def _skip_data_value(self, depth: int) -> None:
        mask = self.u8()
        if mask & HAS_VALUE:
            self.skip_variant(depth)
        self.skip(tail_bytes(mask))


def tail_bytes(mask: int) -> int:
    """Return how much of a DataValue follows its value: status, times, picoseconds."""
    status = 4 if mask & HAS_STATUS else 0
    times = 8 * (mask & (HAS_SOURCE_TIME | HAS_SERVER_TIME)).bit_count()
    parts = (mask & (HAS_SOURCE_PICOSECONDS | HAS_SERVER_PICOSECONDS)).bit_count()
    return status + times + 2 * parts
