"""Sixteen-bit registers to values and back: pure, exact, without numpy."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

Order = Literal["big", "little"]
TextEncoding = Literal["ascii", "utf-8"]
Raw: TypeAlias = int | float | str

STATUS_BAD_DECODING = 0x8007_0000
"""The registers hold no value of their type (OPC UA BadDecodingError)."""
NIBBLE_MAX = 9
"""The highest decimal digit of a BCD number."""


class Table(StrEnum):
    """The four tables of a Modbus device."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"

    @property
    def of_bits(self) -> bool:
        """Whether an address holds one bit (otherwise one 16-bit register)."""
        return self in (Table.COIL, Table.DISCRETE)


class RegisterType(StrEnum):
    """How the bits at an address are meant."""

    BIT = "bit"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT16 = "float16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BCD16 = "bcd16"
    BCD32 = "bcd32"
    BCD64 = "bcd64"
    STRING = "string"


FORMATS = {
    RegisterType.BIT: "H",
    RegisterType.INT8: "H",
    RegisterType.UINT8: "H",
    RegisterType.INT16: "h",
    RegisterType.UINT16: "H",
    RegisterType.INT32: "i",
    RegisterType.UINT32: "I",
    RegisterType.INT64: "q",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT16: "e",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
    RegisterType.BCD16: "H",
    RegisterType.BCD32: "I",
    RegisterType.BCD64: "Q",
}
"""The container of each type: format letters that `struct` and numpy share."""

FLOATS = frozenset({RegisterType.FLOAT16, RegisterType.FLOAT32, RegisterType.FLOAT64})
BCD = frozenset({RegisterType.BCD16, RegisterType.BCD32, RegisterType.BCD64})
BYTES = frozenset({RegisterType.INT8, RegisterType.UINT8})
FIELDS = frozenset({RegisterType.UINT16, RegisterType.UINT32, RegisterType.UINT64})
"""The types a bit field can be cut from."""


class UnencodableError(ValueError):
    """The value does not fit the type of its registers."""


class UndecodableError(ValueError):
    """The registers hold no value of their type."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one value lies in registers.

    `word_order` says which register comes first, `byte_order` which byte of each
    register does; `big` and `big` is what the Modbus standard means. `bit` is the
    lowest bit that counts (0 is the lowest of all): of a `bit`, of the 8 bits of an
    `int8` or `uint8`, or of a field `width` bits wide (0: not a field). A string has
    `registers` of them.
    """

    type: RegisterType
    word_order: Order = "big"
    byte_order: Order = "big"
    bit: int = 0
    width: int = 0
    registers: int = 0
    text_encoding: TextEncoding = "ascii"

    @property
    def words(self) -> int:
        """How many registers the value occupies."""
        if self.type is RegisterType.STRING:
            return self.registers
        return struct.calcsize(f">{FORMATS[self.type]}") // 2

    @property
    def mask(self) -> int:
        """Which bits of the container count, after a shift by `bit`; 0: all."""
        if self.type is RegisterType.BIT:
            return 1
        return 0xFF if self.type in BYTES else (1 << self.width) - 1

    @property
    def is_partial(self) -> bool:
        """Whether other values share its registers, so that it cannot be written."""
        return self.mask != 0

    def decode(self, words: Sequence[int]) -> Raw:
        """Return the raw value of exactly `words` registers.

        Raises:
            UndecodableError: They hold no such value (a BCD digit above 9, bytes that
                are no text).
        """
        ordered = words if self.word_order == "big" else tuple(reversed(words))
        packed = b"".join(word.to_bytes(2, self.byte_order) for word in ordered)
        if self.type is RegisterType.STRING:
            return _text(packed, self.text_encoding)
        (raw,) = struct.unpack(f">{FORMATS[self.type]}", packed)
        if self.is_partial:
            return self._part(raw)
        if self.type in BCD:
            return _from_bcd(raw, self.words * 4)
        return cast("int | float", raw)

    def encode(self, raw: Raw) -> tuple[int, ...]:
        """Return the registers of a raw value; an integer type rounds it.

        A partial type leaves the other bits of its registers 0.

        Raises:
            UnencodableError: Not finite, or outside the type.
        """
        packed = self._packed(raw)
        words = tuple(
            int.from_bytes(packed[at : at + 2], self.byte_order)
            for at in range(0, len(packed), 2)
        )
        return words if self.word_order == "big" else words[::-1]

    def nearest(self, raw: float) -> int | float:
        """Return what a device of this type shows for `raw` (0.1 is no float32).

        Raises:
            UnencodableError: Not finite, outside the type, or a string.
        """
        shown = self.decode(self.encode(raw))
        if isinstance(shown, str):
            raise UnencodableError("a string is no number")
        return shown

    def _part(self, container: int) -> int:
        part = container >> self.bit & self.mask
        signed = self.type is RegisterType.INT8 and part >> 7
        return part - 0x100 if signed else part

    def _packed(self, raw: Raw) -> bytes:
        kind = self.type
        if kind is RegisterType.STRING:
            return _text_packed(raw, 2 * self.registers, self.text_encoding)
        if isinstance(raw, str):
            raise UnencodableError(f"{raw!r} is no {kind}")
        if not math.isfinite(raw):
            raise UnencodableError(f"{raw} is not a number that can be written")
        if kind is RegisterType.BIT and raw not in (0, 1):
            raise UnencodableError(f"{raw} is neither 0 nor 1")
        fitting = raw if kind in FLOATS else self._container(round(raw))
        try:
            return struct.pack(f">{FORMATS[kind]}", fitting)
        except (struct.error, OverflowError) as error:
            raise UnencodableError(f"{raw} does not fit {kind}") from error

    def _container(self, whole: int) -> int:
        if self.is_partial:
            low = -0x80 if self.type is RegisterType.INT8 else 0
            if not low <= whole <= low + self.mask:
                raise UnencodableError(f"{whole} does not fit its {self.type}")
            return (whole & self.mask) << self.bit
        return _to_bcd(whole, self.words * 4) if self.type in BCD else whole


def _from_bcd(container: int, digits: int) -> int:
    text = f"{container:0{digits}x}"
    if not text.isdecimal():
        raise UndecodableError(f"0x{text} is no BCD number")
    return int(text)


def _to_bcd(whole: int, digits: int) -> int:
    if not 0 <= whole < 10**digits:
        raise UnencodableError(f"{whole} does not fit {digits} BCD digits")
    return int(str(whole), 16)


def _text(packed: bytes, encoding: TextEncoding) -> str:
    """Return what stands before the first NUL, without padding at the end."""
    told, _, _ = packed.partition(b"\0")
    try:
        return told.decode(encoding).rstrip(" ")
    except UnicodeDecodeError as error:
        raise UndecodableError(f"{told!r} is no {encoding} text") from error


def _text_packed(raw: Raw, room: int, encoding: TextEncoding) -> bytes:
    try:
        told = str(raw).encode(encoding)
    except UnicodeEncodeError as error:
        raise UnencodableError(f"{raw!r} is no {encoding} text") from error
    if len(told) > room:
        raise UnencodableError(f"{raw!r} does not fit {room} bytes")
    return told.ljust(room, b"\0")
