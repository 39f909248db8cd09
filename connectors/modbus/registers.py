"""Sixteen-bit registers to values and back: pure, exact, without numpy."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

Order = Literal["big", "little"]


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
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"


FORMATS = {
    RegisterType.BIT: "H",
    RegisterType.INT16: "h",
    RegisterType.UINT16: "H",
    RegisterType.INT32: "i",
    RegisterType.UINT32: "I",
    RegisterType.INT64: "q",
    RegisterType.UINT64: "Q",
    RegisterType.FLOAT32: "f",
    RegisterType.FLOAT64: "d",
}
"""The format letters of `struct`, which numpy shares for `h H i I f d`."""


class UnencodableError(ValueError):
    """The value does not fit the type of its registers."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one value lies in registers.

    `word_order` says which register comes first, `byte_order` which byte of each
    register does; `big` and `big` is what the Modbus standard means. `bit` picks
    one bit (0 is the lowest) of a register and goes with type `bit` alone.
    """

    type: RegisterType
    word_order: Order = "big"
    byte_order: Order = "big"
    bit: int = 0

    @property
    def words(self) -> int:
        """How many registers the value occupies."""
        return struct.calcsize(f">{FORMATS[self.type]}") // 2

    def decode(self, words: Sequence[int]) -> int | float:
        """Return the raw value of exactly `words` registers."""
        ordered = words if self.word_order == "big" else tuple(reversed(words))
        packed = b"".join(word.to_bytes(2, self.byte_order) for word in ordered)
        (raw,) = struct.unpack(f">{FORMATS[self.type]}", packed)
        if self.type is RegisterType.BIT:
            return cast("int", raw >> self.bit & 1)
        return cast("int | float", raw)

    def encode(self, raw: float) -> tuple[int, ...]:
        """Return the registers of a raw value; an integer type rounds it.

        Raises:
            UnencodableError: Not finite, or outside the type.
        """
        packed = _packed(self.type, raw)
        words = tuple(
            int.from_bytes(packed[at : at + 2], self.byte_order)
            for at in range(0, len(packed), 2)
        )
        return words if self.word_order == "big" else words[::-1]

    def nearest(self, raw: float) -> int | float:
        """Return what a device of this type shows for `raw` (0.1 is no float32).

        Raises:
            UnencodableError: Not finite, or outside the type.
        """
        return self.decode(self.encode(raw))


def _packed(kind: RegisterType, raw: float) -> bytes:
    if not math.isfinite(raw):
        raise UnencodableError(f"{raw} is not a number that can be written")
    whole = kind not in (RegisterType.FLOAT32, RegisterType.FLOAT64)
    if kind is RegisterType.BIT and raw not in (0, 1):
        raise UnencodableError(f"{raw} is neither 0 nor 1")
    try:
        return struct.pack(f">{FORMATS[kind]}", round(raw) if whole else raw)
    except (struct.error, OverflowError) as error:
        raise UnencodableError(f"{raw} does not fit {kind}") from error
