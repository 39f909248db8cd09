"""Settings of a Modbus TCP source, reader or output; no protocol library here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from appliance.domain.scaling import Scaling
from appliance.runtime.plugins import SourceSettings, TagSettings
from appliance.runtime.settings import Settings
from connectors.modbus.planner import MAX_BITS, MAX_REGISTERS, Limits, Place
from connectors.modbus.registers import (
    Encoding,
    Order,
    RegisterType,
    Table,
    UnencodableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_GROUP = "poll"
_ADDRESSES = 65_536

GroupName = Annotated[str, Field(pattern=r"^[\w\-]+$", max_length=32)]


class PlaceSettings(Settings):
    """Where a value lies in the device, and how it is scaled.

    **Addresses are zero-based, as they travel on the wire**, here and everywhere:
    what a manual calls holding register 40001 (or 400001, or `4x0001`) is
    `table = "holding", address = 0`.

    `type` is `uint16` in a table of registers unless said otherwise, and always
    `bit` in a table of bits. A `bit` of a register is chosen by `bit = 0..15`.
    """

    table: Table
    address: int = Field(ge=0, lt=_ADDRESSES)
    type: RegisterType | None = None
    bit: int | None = Field(default=None, ge=0, le=15)
    word_order: Order = "big"
    byte_order: Order = "big"
    factor: float = 1.0
    offset: float = 0.0

    @property
    def encoding(self) -> Encoding:
        """How the value lies in its registers."""
        kind = self.type
        if kind is None:
            kind = RegisterType.BIT if self.table.of_bits else RegisterType.UINT16
        return Encoding(kind, self.word_order, self.byte_order, self.bit or 0)

    @property
    def place(self) -> Place:
        """The addresses to read."""
        return Place(self.table, self.address, self.encoding.words)

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        is_bit = self.encoding.type is RegisterType.BIT
        if self.table.of_bits and (not is_bit or self.bit is not None):
            raise ValueError(f"a {self.table} is a bit; remove `type` and `bit`")
        if not self.table.of_bits and is_bit != (self.bit is not None):
            raise ValueError('`bit = 0..15` and `type = "bit"` go together')
        if self.place.end > _ADDRESSES:
            raise ValueError("the value would end behind address 65535")
        if self.factor == 0:
            raise ValueError("`factor` is 0: every value would be the same")
        return self


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
        return Scaling(
            factor=self.factor,
            offset=self.offset,
            low=tag.range_low,
            high=tag.range_high,
            fault_raw=None if fault is None else self.encoding.nearest(fault),
        )

    @model_validator(mode="after")
    def _check_fault(self) -> Self:
        if self.fault_raw is None:
            return self
        if self.encoding.type is RegisterType.BIT:
            raise ValueError("a bit has no `fault_raw`; remove it")
        try:
            self.encoding.encode(self.fault_raw)
        except UnencodableError as error:
            raise ValueError(f"`fault_raw`: {error}") from error
        return self


class PointSettings(PlaceSettings):
    """A point that may be written: a coil, or a number in holding registers.

    Nothing that is not listed can be written.
    """

    name: str = Field(min_length=1, max_length=64)

    @model_validator(mode="after")
    def _check_writable(self) -> Self:
        if self.table in (Table.DISCRETE, Table.INPUT):
            raise ValueError(f"a {self.table} cannot be written; use coil or holding")
        if self.bit is not None:
            raise ValueError(
                "writing one bit of a register would overwrite its other bits; "
                "use a coil, or the whole register"
            )
        return self


class GroupSettings(Settings):
    """A poll group: tags read together every `period_s` seconds."""

    name: GroupName
    period_s: float = Field(ge=0.01, le=86_400)


class ModbusSettings(SourceSettings):
    """One Modbus TCP device.

    `period_s` is the period of the group `poll`, which tags belong to by default.
    `timeout_s` bounds connecting and each single answer. `max_gap` is how many
    addresses nobody asked for may be read along to save a request.
    """

    host: str = Field(min_length=1)
    port: int = Field(default=502, ge=1, le=65_535)
    device_id: int = Field(default=1, ge=0, le=255)
    timeout_s: float = Field(default=1.0, gt=0, le=60)
    period_s: float = Field(default=1.0, ge=0.01, le=86_400)
    max_gap: int = Field(default=8, ge=0, le=MAX_REGISTERS)
    max_registers: int = Field(default=MAX_REGISTERS, ge=4, le=MAX_REGISTERS)
    max_bits: int = Field(default=MAX_BITS, ge=1, le=MAX_BITS)
    groups: tuple[GroupSettings, ...] = ()
    tags: tuple[ModbusTagSettings, ...] = ()
    points: tuple[PointSettings, ...] = ()

    @property
    def limits(self) -> Limits:
        """What one request may ask of this device."""
        return Limits(self.max_registers, self.max_bits, self.max_gap)

    @property
    def periods_s(self) -> dict[str, float]:
        """Period of each poll group."""
        named = {group.name: group.period_s for group in self.groups}
        return {DEFAULT_GROUP: self.period_s, **named}

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        _refuse_twice("point", (point.name for point in self.points))
        _refuse_twice("group", (group.name for group in self.groups))
        for tag in self.tags:
            if tag.group not in self.periods_s:
                known = ", ".join(self.periods_s)
                raise ValueError(
                    f"tag {tag.id}: unknown group {tag.group!r}; known: {known}"
                )
        return self

    @model_validator(mode="after")
    def _check_stale(self) -> Self:
        used = {tag.group for tag in self.tags}
        slowest_s = max((self.periods_s[name] for name in used), default=0.0)
        if slowest_s >= self.stale_after_s:
            raise ValueError(
                f"`stale_after_s` ({self.stale_after_s:g}) must be longer than the "
                f"slowest poll period ({slowest_s:g}), or its tags are always stale"
            )
        return self


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} {name!r} is listed twice; remove one")
        seen.add(name)
