"""Settings of a Modbus source, reader or output; no protocol library here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from appliance.runtime.plugins import Dialling, SourceSettings
from appliance.runtime.settings import Settings
from connectors.modbus.notation import Addressing  # noqa: TC001 - pydantic reads it
from connectors.modbus.permits import Permits
from connectors.modbus.places import (
    DEFAULT_GROUP,
    DeviceName,
    GroupName,
    ModbusTagSettings,
    PlaceSettings,
)
from connectors.modbus.planner import MAX_BITS, MAX_REGISTERS, Limits
from connectors.modbus.points import PointSettings
from connectors.modbus.wiring import (  # noqa: TC001 - pydantic reads them
    SerialSettings,
    TlsSettings,
    Transport,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DEFAULT_GROUP",
    "Device",
    "DeviceSettings",
    "GroupSettings",
    "ModbusSettings",
    "ModbusTagSettings",
    "PlaceSettings",
    "PointSettings",
]

SAFETY_CONNECTIONS = 2
"""A reader and an output, each with a connection of its own where that is possible."""

_BROADCAST = 0
_TLS_PORT = 802  # the standard's own


class GroupSettings(Settings):
    """A poll group: tags read together every `period_s` seconds."""

    name: GroupName
    period_s: float = Field(ge=0.01, le=86_400)


class DeviceSettings(Settings):
    """One of several devices on a bus or behind a gateway.

    What is not said here is as the source says it.
    """

    name: DeviceName
    device_id: int = Field(ge=0, le=255)
    timeout_s: float | None = Field(default=None, gt=0, le=60)
    max_gap: int | None = Field(default=None, ge=0, le=MAX_REGISTERS)
    max_registers: int | None = Field(default=None, ge=4, le=MAX_REGISTERS)
    max_bits: int | None = Field(default=None, ge=1, le=MAX_BITS)


@dataclass(frozen=True, slots=True)
class Device:
    """A device with everything decided; `name` is empty where there is only one."""

    name: str
    device_id: int
    timeout_s: float
    limits: Limits


class ModbusSettings(SourceSettings):
    """One connection or bus, with the one device or the several that are reached by it.

    `host` and `port`, or `[sources.serial]` for the transports `rtu` and `ascii`. One
    device needs only `device_id`; several are listed as `[[sources.devices]]`, and tags
    and points name theirs.

    `period_s` is the period of the group `poll`, which tags belong to by default.
    `connections` is how many sockets the hub opens to read groups side by side, and
    `accepts` how many the device takes in all: `check` refuses a configuration whose
    sources together would open more.

    `timeout_s` bounds connecting and each single answer. `turnaround_s` is how long the
    line is left in peace between an answer and the next request, beside the silence
    that RTU itself demands. `max_gap` is how many addresses nobody asked for may be
    read along to save a request.
    """

    transport: Transport = "tcp"
    host: str = ""
    port: int = Field(default=502, ge=1, le=65_535)
    serial: SerialSettings | None = None
    tls: TlsSettings | None = None
    device_id: int = Field(default=1, ge=0, le=255)
    timeout_s: float = Field(default=1.0, gt=0, le=60)
    turnaround_s: float = Field(default=0.0, ge=0, le=10)
    connections: int = Field(default=1, ge=1, le=16)
    accepts: int | None = Field(default=None, ge=1, le=64)
    period_s: float = Field(default=1.0, ge=0.01, le=86_400)
    max_gap: int = Field(default=8, ge=0, le=MAX_REGISTERS)
    max_registers: int = Field(default=MAX_REGISTERS, ge=4, le=MAX_REGISTERS)
    max_bits: int = Field(default=MAX_BITS, ge=1, le=MAX_BITS)
    addressing: Addressing = "zero-based"
    groups: tuple[GroupSettings, ...] = ()
    devices: tuple[DeviceSettings, ...] = ()
    tags: tuple[ModbusTagSettings, ...] = ()
    points: tuple[PointSettings, ...] = ()

    @property
    def limits(self) -> Limits:
        """What one request may ask of a device, unless the device says otherwise."""
        return Limits(self.max_registers, self.max_bits, self.max_gap)

    @property
    def periods_s(self) -> dict[str, float]:
        """Period of each poll group."""
        named = {group.name: group.period_s for group in self.groups}
        return {DEFAULT_GROUP: self.period_s, **named}

    @property
    def device_table(self) -> tuple[Device, ...]:
        """Every device on this connection; at least one."""
        if not self.devices:
            return (Device("", self.device_id, self.timeout_s, self.limits),)
        return tuple(self._decided(device) for device in self.devices)

    @property
    def permits(self) -> Permits:
        """What may be written on this connection, and nothing else."""
        return Permits(
            point.permit(self.device_of(point).device_id) for point in self.points
        )

    @property
    def is_serial(self) -> bool:
        """Whether the bus hangs on a serial port of this machine."""
        return self.transport in ("rtu", "ascii")

    @property
    def where(self) -> str:
        """The other side, for messages."""
        if self.serial is not None:
            return self.serial.port
        return f"{self.host}:{self.port}"

    def device_of(self, place: PlaceSettings) -> Device:
        """Return the device that a tag or point belongs to."""
        name = place.device or self.device_table[0].name
        return next(each for each in self.device_table if each.name == name)

    def shared_port(self) -> str | None:
        """Return the serial port, which has one master only."""
        return None if self.serial is None else self.serial.port

    def only_connection(self) -> str | None:
        """Return the serial port, or the device if our sockets are all it accepts."""
        is_full = self.accepts is not None and self.connections >= self.accepts
        return self.shared_port() or (self.where if is_full else None)

    def written_place(self, point: Settings) -> str | None:
        """Return the bus, the device and the place of a point."""
        if not isinstance(point, PointSettings):
            return None
        return f"{self.where.lower()} {self._spot(point)}"

    def dialling(self, *, in_safety: bool) -> Dialling | None:
        """Return the connections of the hub, or of the reader and output of safety."""
        if self.is_serial:
            return None  # see `shared_port`
        opens = self.connections
        if in_safety:
            is_shared = (self.accepts or SAFETY_CONNECTIONS) < SAFETY_CONNECTIONS
            both = bool(self.tags) + bool(self.points)
            opens = min(both, 1) if is_shared else both
        return Dialling(self.where, opens, self.accepts)

    def _decided(self, device: DeviceSettings) -> Device:
        given = device.model_dump(exclude_none=True)
        limits = Limits(
            given.get("max_registers", self.max_registers),
            given.get("max_bits", self.max_bits),
            given.get("max_gap", self.max_gap),
        )
        timeout_s = given.get("timeout_s", self.timeout_s)
        return Device(device.name, device.device_id, timeout_s, limits)

    @model_validator(mode="before")
    @classmethod
    def _hand_down(cls, given: Any) -> Any:  # noqa: ANN401 - what TOML holds
        """Give TLS its port, and tags and points the source's way of counting."""
        if not isinstance(given, dict):
            return given
        is_tls = given.get("transport") == "tls"
        filled: dict[str, Any] = {"port": _TLS_PORT} if is_tls else {}
        filled |= given
        way = given.get("addressing")
        for key in ("tags", "points"):
            rows = given.get(key)
            if way is not None and isinstance(rows, list | tuple):
                filled[key] = [
                    {"addressing": way} | row if isinstance(row, dict) else row
                    for row in rows
                ]
        return filled

    @model_validator(mode="after")
    def _check_transport(self) -> Self:
        for wrong in _wrong_with_transport(self):
            raise ValueError(wrong)
        return self

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
    def _check_devices(self) -> Self:
        _refuse_twice("device", (device.name for device in self.devices))
        _refuse_twice("device_id", (str(each.device_id) for each in self.device_table))
        if self.devices and "device_id" in self.model_fields_set:
            raise ValueError("`device_id` stands in each of the `devices`; remove it")
        if self.transport not in ("tcp", "tls") and _BROADCAST in {
            each.device_id for each in self.device_table
        }:
            raise ValueError(
                "device_id 0 is the broadcast of a serial bus, to which nobody answers"
            )
        known = [device.name for device in self.devices]
        places: dict[str, PlaceSettings] = {tag.id: tag for tag in self.tags}
        places |= {point.name: point for point in self.points}
        for name, place in places.items():
            if place.device is not None and place.device not in known:
                listed = ", ".join(known) or "none; list it under `devices`"
                raise ValueError(
                    f"{name}: unknown device {place.device!r}; known: {listed}"
                )
            if place.device is None and len(known) > 1:
                raise ValueError(f"{name}: say which `device`: {', '.join(known)}")
        _refuse_twice("place to write", (self._spot(point) for point in self.points))
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

    def _spot(self, point: PointSettings) -> str:
        place = point.place
        device = self.device_of(point).device_id
        return f"device {device} {place.table} {place.address}"


def _wrong_with_transport(settings: ModbusSettings) -> Iterable[str]:
    transport = settings.transport
    if settings.is_serial:
        if settings.serial is None:
            yield (
                f"{transport} needs `serial` with its `port`; or is it "
                f"{transport}-over-tcp?"
            )
        if settings.host:
            yield f'`host` has no use with {transport}; write "{transport}-over-tcp"'
    else:
        if settings.serial is not None:
            yield f'`serial` goes with transport = "rtu" or "ascii", not {transport}'
        if not settings.host:
            yield f"{transport} needs a `host`"
    if settings.is_serial and settings.connections > 1:
        yield "a serial port is one line; remove `connections`"
    if settings.connections > (settings.accepts or settings.connections):
        yield "`connections` is more than the device `accepts`"
    if settings.tls is not None and transport != "tls":
        yield '`tls` goes with transport = "tls"'


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"the {what} {name!r} is listed twice; remove one")
        seen.add(name)
