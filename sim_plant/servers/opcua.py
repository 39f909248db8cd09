"""OPC UA: shows the plant's state, when it changes, to whoever reads or subscribes.

Security None and anonymous: it stands for a machine network reached over loopback.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from asyncua import Server, ua

from sim_plant import tags
from sim_plant.instruments import engineering
from sim_plant.listening import stop_listening
from sim_plant.memory import COILS, HOLDING_REGISTERS
from sim_plant.servers.address_space import (
    ACCELERATION_RANGE,
    AddressSpace,
    Waveform,
    native,
)
from sim_plant.servers.history import BoundedHistory, utc_datetime
from sim_plant.tags import TRANSMITTERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from asyncua.server.address_space import AttributeValue

    from sim_plant.clock import PlantClock
    from sim_plant.plant import Burst, Plant
    from sim_plant.plc import PlcState
    from sim_plant.servers.address_space import Point

NAMESPACE_URI = "urn:wheeltapper:sim-plant"
PUBLISH_PERIOD_S = 0.1
_GOOD = ua.StatusCodes.Good
_BROKEN = ua.StatusCodes.BadSensorFailure


class OpcUaFace:
    """Serves a plant by OPC UA while entered; `port` is then the port in use."""

    def __init__(
        self, plant: Plant, *, host: str, port: int, clock: PlantClock
    ) -> None:
        self.port = port
        self._plant = plant
        self._host = host
        self._clock = clock
        self._server = Server()
        self._history = BoundedHistory()
        self._points: dict[str, Point] = {}
        self._waveform: Waveform | None = None
        self._server_time: AttributeValue | None = None

    async def __aenter__(self) -> Self:
        """Build the address space and listen.

        Raises:
            OSError: The port cannot be had.
        """
        server = self._server
        server.iserver.history_manager.set_storage(self._history)
        await server.init()
        server.set_server_name("Simulated plant")
        await server.set_application_uri(NAMESPACE_URI + ":server")
        server.set_endpoint(f"opc.tcp://{self._host}:{self.port}/")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        server.disable_clock()  # the library's holds up every stop for a second
        space = AddressSpace(
            server,
            namespace=await server.register_namespace(NAMESPACE_URI),
            history=self._history,
            memory=self._plant.memory,
            now=lambda: self._date(self._clock.now_s()),
        )
        self._waveform = await space.build()
        self._server_time = space.value_of(ua.ObjectIds.Server_ServerStatus_CurrentTime)
        self._points = space.points
        await server.start()
        if server.bserver is not None:
            self.port = server.bserver.port
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up and stop listening."""
        listener = getattr(self._server.bserver, "_server", None)
        if isinstance(listener, asyncio.Server):
            await stop_listening(listener)
        await self._server.stop()

    async def publish_all(self) -> None:
        """Show every scalar now, changed or not: at power-up all get its date."""
        for point in self._points.values():
            point.shown = None
        await self.publish()

    async def publish(self) -> None:
        """Show every scalar whose value or status has changed since it was shown."""
        state = self._plant.state
        for transmitter, measured in zip(TRANSMITTERS, state.transmitters, strict=True):
            value = engineering(transmitter, measured.presented)
            status = _BROKEN if measured.presented.failed else _GOOD
            await self._show(transmitter.tag, value, status)
        await self._show(tags.HOURS_RUN, state.hours_run)
        await self._show(tags.SCAN_COUNT, state.plc.scan_count)
        await self.publish_plc()

    async def publish_plc(self) -> None:
        """Show the PLC's points; cheap enough for every scan."""
        for tag, value in _control_points(self._plant.state.plc):
            await self._show(tag, value)
        for name in (*COILS, *HOLDING_REGISTERS):
            await self._show(f"PLC-1/{name}", self._plant.memory.read(name))

    async def publish_burst(self, burst: Burst) -> None:
        """Show a vibration burst, stamped with the moment it began."""
        if self._waveform is None:
            return
        began = self._date(burst.start_s)
        start = ua.Variant(began, ua.VariantType.DateTime)
        points = burst.acceleration_m_s2.clip(*ACCELERATION_RANGE).tolist()
        wave = ua.Variant(points, ua.VariantType.Float)
        for attribute, variant in (
            (self._waveform.start_time, start),
            (self._waveform.burst, wave),
        ):
            await _deliver(attribute, _stamped(variant, began))

    async def publish_time(self) -> None:
        """Show the server's own time, which OPC UA clients may watch."""
        if self._server_time is not None:
            now = self._date(self._clock.now_s())
            variant = ua.Variant(now, ua.VariantType.DateTime)
            await _deliver(self._server_time, _stamped(variant, now))

    async def _show(self, tag: str, value: float, status: int = _GOOD) -> None:
        point = self._points[tag]
        if point.shown == (value, status):
            return
        point.shown = (value, status)
        t_s = self._plant.state.t_s
        when = self._date(t_s)
        variant = ua.Variant(native(value, point.variant), point.variant)
        await _deliver(point.attribute, _stamped(variant, when, status))
        if point.historized:
            self._history.record(
                point.node_id, self._clock.utc_ns(t_s), value=value, status=status
            )

    def _date(self, t_s: float) -> ua.DateTime:
        return utc_datetime(self._clock.utc_ns(t_s))


def _control_points(control: PlcState) -> Iterator[tuple[str, bool]]:
    yield tags.RUNNING, control.running
    yield "PLC-1/run_permit", control.run_permit
    yield "PLC-1/watchdog_tripped", control.watchdog_tripped
    yield "PLC-1/disarmed", control.disarmed
    yield "PLC-1/maintenance_granted", control.maintenance_granted
    yield "PLC-1/flush_valve_open", control.flush_valve_open


def _stamped(
    variant: ua.Variant, when: ua.DateTime, status: int = _GOOD
) -> ua.DataValue:
    return ua.DataValue(
        variant,
        ua.StatusCode(ua.UInt32(status)),
        SourceTimestamp=when,
        ServerTimestamp=when,
    )


async def _deliver(attribute: AttributeValue, value: ua.DataValue) -> None:
    """Put a value into the address space and tell its subscribers.

    Past the library's own write: that one strips the value from a bad status, and a
    transmitter with a broken wire still presents its last value.
    """
    attribute.value = value
    for handle, notify in tuple(attribute.datachange_callbacks.items()):
        await notify(handle, value)
