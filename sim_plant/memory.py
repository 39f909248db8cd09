"""The PLC's memory as the field writes it: coils and holding registers."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim_plant.plc import (
    WATCHDOG_MS_DEFAULT,
    WATCHDOG_MS_HIGH,
    WATCHDOG_MS_LOW,
    PlcInputs,
    PlcState,
)

COILS = (
    "run_permit_request",
    "start",
    "stop",
    "maintenance_disarm",
    "maintenance_request",
    "maintenance_inhibit",
    "flush_valve_permit",
)
HOLDING_REGISTERS = ("heartbeat", "watchdog_ms")


class OutOfRangeError(ValueError):
    """A write the PLC does not accept; the memory is unchanged."""


@dataclass(slots=True)
class PlcMemory:
    """Written by both servers between scans, read by the scan; one event loop.

    A write to one of `stuck` is accepted and has no effect: its card does not follow.
    """

    run_permit_request: bool = False
    start: bool = False
    stop: bool = False
    maintenance_disarm: bool = False
    maintenance_request: bool = False
    maintenance_inhibit: bool = False
    flush_valve_permit: bool = False
    heartbeat: int = 0
    watchdog_ms: int = WATCHDOG_MS_DEFAULT
    stuck: set[str] = field(default_factory=set)

    def read(self, name: str) -> int:
        """One point by its name in `COILS` or `HOLDING_REGISTERS`."""
        return int(getattr(self, name))

    def write(self, name: str, value: int) -> None:
        """Write one point.

        Raises:
            OutOfRangeError: The PLC does not accept this value.
        """
        if name == "watchdog_ms" and not WATCHDOG_MS_LOW <= value <= WATCHDOG_MS_HIGH:
            raise OutOfRangeError(
                f"watchdog_ms {value} is outside {WATCHDOG_MS_LOW}..{WATCHDOG_MS_HIGH}"
            )
        if name not in self.stuck:
            setattr(self, name, bool(value) if name in COILS else value)

    def inputs(self) -> PlcInputs:
        """What a scan starts from."""
        return PlcInputs(
            run_permit_request=self.run_permit_request,
            start=self.start,
            stop=self.stop,
            maintenance_disarm=self.maintenance_disarm,
            maintenance_request=self.maintenance_request,
            maintenance_inhibit=self.maintenance_inhibit,
            flush_valve_permit=self.flush_valve_permit,
            heartbeat=self.heartbeat,
            watchdog_ms=self.watchdog_ms,
        )

    def clear(self, seen: PlcInputs, state: PlcState) -> None:
        """Turn back what clears itself: pulses the scan has seen, an expired key."""
        self.start = self.start and not seen.start
        self.stop = self.stop and not seen.stop
        self.maintenance_disarm = self.maintenance_disarm and not state.key_expired
