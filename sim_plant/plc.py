"""PLC-1: run permit, panel buttons, watchdog, maintenance. Pure; time is given.

De-energise to stop: whatever is missing counts against running. A lost permit stops the
machine; only a start pulse while the permit holds starts it again. A machine that runs
may be handed over: for a limited time it then needs no heartbeat.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SCAN_PERIOD_S = 0.020
DISARM_LIMIT_S = 600.0
MAINTENANCE_LIMIT_S = 600.0
WATCHDOG_MS_DEFAULT, WATCHDOG_MS_LOW, WATCHDOG_MS_HIGH = 1_000, 50, 60_000
_UINT16 = 0x1_0000


class StopCause(StrEnum):
    """Why the machine was stopped."""

    PANEL = "panel"
    RUN_PERMIT = "run_permit"
    WATCHDOG = "watchdog"
    DISARM_ENDED = "disarm_ended"


@dataclass(frozen=True, slots=True)
class PlcInputs:
    """Coils and holding registers as the PLC finds them at the start of a scan."""

    run_permit_request: bool = False
    start: bool = False
    stop: bool = False
    maintenance_disarm: bool = False
    maintenance_request: bool = False
    maintenance_inhibit: bool = False
    flush_valve_permit: bool = False
    heartbeat: int = 0
    watchdog_ms: int = WATCHDOG_MS_DEFAULT


@dataclass(frozen=True, slots=True)
class PlcState:
    """What the PLC remembers between scans; the defaults are power-up."""

    running: bool = False
    run_permit: bool = False
    watchdog_tripped: bool = True
    disarmed: bool = False
    flush_valve_open: bool = False
    scan_count: int = 0
    request_before: bool = False
    key_before: bool = False
    asked_before: bool = False
    heartbeat_before: int | None = None
    heartbeat_at_s: float | None = None  # when it last changed; None = never
    disarmed_at_s: float | None = None
    granted_at_s: float | None = None

    @property
    def maintenance_granted(self) -> bool:
        """The PLC keeps the machine running without the heartbeat."""
        return self.granted_at_s is not None

    @property
    def key_expired(self) -> bool:
        """The key is on but its time is over: the PLC turns the coil back."""
        return self.key_before and not self.disarmed


def powered_up_disarmed(now_s: float) -> PlcState:
    """Power-up with the maintenance key on and the machine running."""
    return PlcState(
        running=True,
        run_permit=True,
        disarmed=True,
        key_before=True,
        disarmed_at_s=now_s,
    )


def step(state: PlcState, inputs: PlcInputs, now_s: float) -> PlcState:
    """One scan."""
    heartbeat_at_s = _heartbeat_at_s(state, inputs, now_s)
    alive = (
        heartbeat_at_s is not None
        and now_s - heartbeat_at_s <= inputs.watchdog_ms / 1_000.0
    )
    granted_at_s = _granted_at_s(state, inputs, now_s, alive=alive)
    rearmed = inputs.run_permit_request and not state.request_before
    watched = alive or granted_at_s is not None
    tripped = not watched or (state.watchdog_tripped and not rearmed)
    disarmed_at_s = _disarmed_at_s(state, inputs, now_s)
    disarmed = disarmed_at_s is not None and now_s - disarmed_at_s < DISARM_LIMIT_S
    permit = disarmed or (inputs.run_permit_request and not tripped)
    wanted = state.running or inputs.start
    return PlcState(
        running=permit and wanted and not inputs.stop,
        run_permit=permit,
        watchdog_tripped=tripped,
        disarmed=disarmed,
        flush_valve_open=inputs.flush_valve_permit and not tripped,
        scan_count=(state.scan_count + 1) % _UINT16,
        request_before=inputs.run_permit_request,
        key_before=inputs.maintenance_disarm,
        asked_before=inputs.maintenance_request,
        heartbeat_before=inputs.heartbeat,
        heartbeat_at_s=heartbeat_at_s,
        disarmed_at_s=disarmed_at_s,
        granted_at_s=granted_at_s,
    )


def _heartbeat_at_s(state: PlcState, inputs: PlcInputs, now_s: float) -> float | None:
    """Only a change proves life; the value found at power-up proves nothing."""
    known = state.heartbeat_before is not None
    if known and inputs.heartbeat != state.heartbeat_before:
        return now_s
    return state.heartbeat_at_s


def _disarmed_at_s(state: PlcState, inputs: PlcInputs, now_s: float) -> float | None:
    if not inputs.maintenance_disarm:
        return None
    return state.disarmed_at_s if state.key_before else now_s


def _granted_at_s(
    state: PlcState, inputs: PlcInputs, now_s: float, *, alive: bool
) -> float | None:
    """Grant what a live gateway asks anew of a machine that runs; for a while.

    It is over with the request, the run permit, the machine's stop, the key at the
    panel and the time; what is over takes a new request.
    """
    asked = inputs.maintenance_request and not inputs.maintenance_inhibit
    if not (asked and inputs.run_permit_request and state.running) or inputs.stop:
        return None
    if state.granted_at_s is not None:
        lasts = now_s - state.granted_at_s < MAINTENANCE_LIMIT_S
        return state.granted_at_s if lasts else None
    return now_s if alive and not state.asked_before else None


def stop_cause(
    before: PlcState, after: PlcState, inputs: PlcInputs
) -> StopCause | None:
    """Why this scan stopped a running machine; None if it did not."""
    if after.running or not before.running:
        return None
    if inputs.stop:
        return StopCause.PANEL
    if before.disarmed and not after.disarmed:
        return StopCause.DISARM_ENDED
    if not inputs.run_permit_request:
        return StopCause.RUN_PERMIT
    return StopCause.WATCHDOG
