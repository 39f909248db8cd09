"""The PLC's memory as the field writes it: coils and holding registers."""

from __future__ import annotations

from dataclasses import dataclass

from sim_plant.plc import (
    WATCHDOG_MS_DEFAULT,
    WATCHDOG_MS_HIGH,
    WATCHDOG_MS_LOW,
    PlcInputs,
    PlcState,
)

COILS = ("run_permit_request", "start", "stop", "maintenance_disarm")
HOLDING_REGISTERS = ("heartbeat", "watchdog_ms")


class OutOfRangeError(ValueError):
    """A write the PLC does not accept; the memory is unchanged."""


@dataclass(slots=True)
class PlcMemory:
    """Written by both servers between scans, read by the scan; one event loop."""

    run_permit_request: bool = False
    start: bool = False
    stop: bool = False
    maintenance_disarm: bool = False
    heartbeat: int = 0
    watchdog_ms: int = WATCHDOG_MS_DEFAULT

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
        setattr(self, name, bool(value) if name in COILS else value)

    def inputs(self) -> PlcInputs:
        """What a scan starts from."""
        return PlcInputs(
            run_permit_request=self.run_permit_request,
            start=self.start,
            stop=self.stop,
            maintenance_disarm=self.maintenance_disarm,
            heartbeat=self.heartbeat,
            watchdog_ms=self.watchdog_ms,
        )

    def clear(self, seen: PlcInputs, state: PlcState) -> None:
        """Turn back what clears itself: pulses the scan has seen, an expired key."""
        self.start = self.start and not seen.start
        self.stop = self.stop and not seen.stop
        self.maintenance_disarm = self.maintenance_disarm and not state.key_expired
