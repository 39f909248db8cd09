"""Settings of one value: where it lies in a device, and how it is meant."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from appliance.domain.scaling import Scaling
from appliance.runtime.plugins import TagSettings
from appliance.runtime.settings import Settings
from connectors.modbus.notation import Addressing, on_the_wire, parse_reference
from connectors.modbus.planner import Place
from connectors.modbus.registers import (
    BYTES,
    FIELDS,
    FLOATS,
    Encoding,
    Order,
    RegisterType,
    Table,
    TextEncoding,
    UnencodableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFAULT_GROUP = "poll"
ORDERS: dict[str, tuple[Order, Order]] = {
    "ABCD": ("big", "big"),
    "CDAB": ("little", "big"),
    "BADC": ("big", "little"),
    "DCBA": ("little", "little"),
}
"""Word order and byte order by the names that manuals use."""

_ADDRESSES = 65_536
_ROUNDING = 1e-12  # what a scaling may lose, of the size of what it adds
_SAME_COUNT = 1e-6  # of a count: what is nearer is that count

GroupName = Annotated[str, Field(pattern=r"^[\w\-]+$", max_length=32)]
DeviceName = Annotated[str, Field(pattern=r"^[\w.\-]+$", max_length=64)]
BitNumber = Annotated[int, Field(ge=0, le=63)]
Interval = tuple[float, float]


class PlaceSettings(Settings):
    """Where a value lies in the device, and how it is scaled.

    `table` and `address`, or one `reference` such as "40001"; how the numbers count is
    said in `notation.py` and by the source's `addressing`.

    `type` is `uint16` in a table of registers unless said otherwise, and always
    `bit` in a table of bits. `bit` chooses one bit of a register, `bits` a field
    (lowest and highest bit) of an unsigned type, `byte` the half of a register that an
    `int8` or `uint8` is (the low one, unless said otherwise); a `string` is `length`
    bytes long. `order` is `word_order` and `byte_order` in one word, written for four
    bytes: CDAB has the low word first.

    Scaling is `raw * factor + offset`, or from `raw_low..raw_high` to `low..high`
    (which are `range_low..range_high` unless said otherwise).
    """

    device: DeviceName | None = None
    table: Table | None = None
    address: int | None = None
    reference: str | None = None
    addressing: Addressing = "zero-based"
    type: RegisterType | None = None
    bit: int | None = Field(default=None, ge=0, le=15)
    bits: tuple[BitNumber, BitNumber] | None = None
    byte: Literal["high", "low"] | None = None
    length: int | None = Field(default=None, ge=1, le=250)
    text_encoding: TextEncoding = "ascii"
    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] | None = None
    word_order: Order = "big"
    byte_order: Order = "big"
    factor: float = 1.0
    offset: float = 0.0
    raw_low: float | None = None
    raw_high: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def encoding(self) -> Encoding:
        """How the value lies in its registers."""
        orders = (self.word_order, self.byte_order)
        word_order, byte_order = orders if self.order is None else ORDERS[self.order]
        bit, width = self.bit or 0, 0
        if self.bits is not None:
            bit, width = self.bits[0], self.bits[1] - self.bits[0] + 1
        if self.byte == "high":
            bit = 8
        return Encoding(
            self._type,
            word_order,
            byte_order,
            bit,
            width,
            registers=-(-(self.length or 0) // 2),
            text_encoding=self.text_encoding,
        )

    @property
    def place(self) -> Place:
        """The addresses to read, as they are on the wire."""
        table, address = self._where
        return Place(table, address, self.encoding.words)

    @property
    def gain(self) -> tuple[float, float]:
        """Factor and offset from raw to engineering units."""
        if self.raw_low is None or self.raw_high is None:
            return self.factor, self.offset
        low, high = self._scaled_range
        factor = (high - low) / (self.raw_high - self.raw_low)
        return factor, low - self.raw_low * factor

    @property
    def _type(self) -> RegisterType:
        if self.type is not None:
            return self.type
        of_bits = self._where[0].of_bits
        return RegisterType.BIT if of_bits else RegisterType.UINT16

    @property
    def _where(self) -> tuple[Table, int]:
        if self.reference is not None:
            return parse_reference(self.reference)
        if self.table is None or self.address is None:
            raise ValueError(
                'say where it lies: `table` and `address`, or `reference = "40001"`'
            )
        return self.table, on_the_wire(self.address, self.addressing)

    @property
    def _scaled_range(self) -> Interval:
        low = getattr(self, "range_low", None) if self.low is None else self.low
        high = getattr(self, "range_high", None) if self.high is None else self.high
        if low is None or high is None:
            raise ValueError(
                "`raw_low` and `raw_high` need `low` and `high`, or the tag's "
                "`range_low` and `range_high`"
            )
        return low, high

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.reference is not None and (self.table or self.address is not None):
            raise ValueError("`reference` says it all; remove `table` and `address`")
        if self.place.end > _ADDRESSES:
            raise ValueError("the value would end behind address 65535")
        return self

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        for wrong in _contradictions(self):
            raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _check_scaling(self) -> Self:
        ends = (self.raw_low, self.raw_high)
        if ends == (None, None):
            if self.low is not None or self.high is not None:
                raise ValueError("`low` and `high` need `raw_low` and `raw_high`")
        elif None in ends:
            raise ValueError("`raw_low` and `raw_high` go together")
        elif {"factor", "offset"} & self.model_fields_set:
            raise ValueError("`raw_low` and `raw_high` replace `factor` and `offset`")
        elif self.raw_low == self.raw_high:
            raise ValueError("`raw_low` and `raw_high` are the same")
        if self.gain[0] == 0:
            raise ValueError("`factor` is 0: every value would be the same")
        if self.encoding.type is RegisterType.STRING and self.gain != (1.0, 0.0):
            raise ValueError("a string cannot be scaled")
        return self


def _contradictions(place: PlaceSettings) -> Iterator[str]:
    """Yield what is wrong with the keys that belong to a type."""
    encoding, table = place.encoding, place.place.table
    kind, of_bits = encoding.type, table.of_bits
    if of_bits and (kind is not RegisterType.BIT or place.bit is not None):
        yield f"a {table} is a bit; remove `type` and `bit`"
    if not of_bits and (kind is RegisterType.BIT) != (place.bit is not None):
        yield '`bit = 0..15` and `type = "bit"` go together'
    if place.bits is not None:
        if kind not in FIELDS:
            yield "`bits` are cut from uint16, uint32 or uint64"
        elif not place.bits[0] <= place.bits[1] < 16 * encoding.words:
            yield f"`bits` are lowest and highest, within 0..{16 * encoding.words - 1}"
    if place.byte is not None and kind not in BYTES:
        yield "`byte` goes with int8 or uint8"
    if (place.length is not None) != (kind is RegisterType.STRING):
        yield '`length` and `type = "string"` go together'
    if place.order and {"word_order", "byte_order"} & place.model_fields_set:
        yield "`order` replaces `word_order` and `byte_order`"


class ModbusTagSettings(TagSettings, PlaceSettings):
    """A tag and where it lies.

    `fault_raw` is the raw count by which the instrument says it has failed;
    `group` the poll group (default: the source's own `period_s`).
    """

    fault_raw: int | float | None = None
    group: GroupName = DEFAULT_GROUP

    @property
    def scaling(self) -> Scaling:
        """Raw counts to engineering units, with range and fault count."""
        tag = self.tag()
        fault = self.fault_raw
        factor, offset = self.gain
        return Scaling(
            factor=factor,
            offset=offset,
            low=self._reached(tag.range_low),
            high=self._reached(tag.range_high),
            fault_raw=None if fault is None else self.encoding.nearest(fault),
        )

    def _reached(self, end: float) -> float:
        """Return the end of the range as the raw count shows it that stands for it.

        A full-scale count may miss its end by the rounding of `raw * factor + offset`,
        and would be out of range.
        """
        if self.encoding.type in FLOATS or not math.isfinite(end):
            return end
        factor, offset = self.gain
        scaled = round((end - offset) / factor) * factor
        lost = _ROUNDING * (abs(scaled) + abs(offset))
        shown = scaled + offset
        same = abs(shown - end) <= max(lost, _SAME_COUNT * abs(factor))
        return shown if same else end

    @model_validator(mode="after")
    def _check_fault(self) -> Self:
        if self.fault_raw is None:
            return self
        if self.encoding.type in (RegisterType.BIT, RegisterType.STRING):
            kind = self.encoding.type
            raise ValueError(f"a {kind} has no `fault_raw`; remove it")
        try:
            self.encoding.encode(self.fault_raw)
        except UnencodableError as error:
            raise ValueError(f"`fault_raw`: {error}") from error
        return self
