"""The whole decision: `step` is a pure function of what was, what is read, and when.

Nothing here writes, waits or asks for the time. Whatever is not proved counts against
running.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from appliance.safety import happenings as told
from appliance.safety.latch import (
    ARMING,
    OPERATOR_STOP,
    OUTPUT_LOST,
    POWER_UP,
    SCAN_OVERRUN,
    Latch,
    Report,
    has_stopped,
    is_lost,
    released,
    tripped_by,
    unwatched,
    watch_stop,
    watch_writing,
)
from appliance.safety.row import (
    Bypass,
    RowState,
    is_read,
    judge_row,
    not_good,
    powered_up,
    with_bypass,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.config import ElementSettings, InitiatorSettings
    from appliance.domain.event import Event
    from appliance.safety.channel import Reading


@dataclass(frozen=True, slots=True)
class Matrix:
    """Causes and effects: rows, columns, and which row stops which column."""

    rows: tuple[InitiatorSettings, ...]
    elements: tuple[ElementSettings, ...]
    stops: Mapping[str, tuple[str, ...]]

    def rows_of(self, element: str) -> tuple[InitiatorSettings, ...]:
        """Return the initiators that stop an element, in the order of the matrix."""
        return tuple(row for row in self.rows if element in self.stops.get(row.id, ()))

    @property
    def longest_pause_s(self) -> float:
        """A longer pause between scans leaves some initiator unproved for too long."""
        budgets_s = (
            row.max_age_s + row.comms_loss_delay_s
            for row in self.rows
            if row.source == "field"
        )
        return min(budgets_s, default=float("inf"))


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is remembered from scan to scan; `feedback` by tag."""

    rows: Mapping[str, RowState]
    latches: Mapping[str, Latch]
    feedback: Mapping[str, Reading] = field(default_factory=dict)
    armed: bool = False
    reset_before: frozenset[str] = frozenset()
    scanned_at_s: float | None = None


@dataclass(frozen=True, slots=True)
class Readings:
    """What arrived since the last scan: by tag, from models by row, from outputs."""

    tags: Mapping[str, Reading] = field(default_factory=dict)
    models: Mapping[str, Reading] = field(default_factory=dict)
    reports: Mapping[str, Report] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commands:
    """What people want in this scan. All are levels; only a reset's edge counts.

    `stop` says why. `reset` names elements. `arm` is None to leave the mode as it is.
    `actor` is who wants the stop, the reset or the mode.
    """

    stop: str = ""
    reset: frozenset[str] = frozenset()
    actor: str = ""
    arm: bool | None = None
    bypasses: tuple[Bypass, ...] = ()
    unbypass: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Order:
    """What an element shall be told: its run point, and whether to beat its heart."""

    may_run: bool
    beat: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """The outcome of one scan; `refusals` say why a reset was refused."""

    state: State
    orders: Mapping[str, Order]
    events: tuple[Event, ...]
    refusals: tuple[str, ...] = ()


def power_up(
    matrix: Matrix, causes: Mapping[str, tuple[str, ...]], *, armed: bool
) -> State:
    """Return the state before the first scan: everything is tripped.

    `causes` are those that were latched when the last life ended; the first-out of an
    element that has none is `power-up`.
    """
    latches = {
        element.id: Latch(tripped=True, causes=causes.get(element.id) or (POWER_UP,))
        for element in matrix.elements
    }
    rows = {row.id: powered_up(row) for row in matrix.rows}
    return State(rows, latches, armed=armed)


def step(
    matrix: Matrix, state: State, readings: Readings, commands: Commands, now_s: float
) -> Turn:
    """Advance everything by one scan at monotonic time `now_s`.

    Events are without time; the caller dates them. A demand that has lasted for its
    on-delay stops its elements in this very scan.
    """
    before = state
    state = _commanded(state, readings, commands, matrix)
    rows = {row.id: _judged(row, state, readings, now_s) for row in matrix.rows}
    common = _common_reasons(matrix, before, state, commands, now_s)
    latches = {}
    for element in matrix.elements:
        latch = _watched(element, state, readings, now_s)
        reasons = [row.id for row in matrix.rows_of(element.id) if rows[row.id].demand]
        if not latch.tripped and is_lost(latch, element, now_s):
            reasons.append(OUTPUT_LOST)
        latches[element.id] = tripped_by(latch, [*reasons, *common], now_s)
    commanded_rows = state.rows
    state = replace(state, rows=rows, latches=latches, scanned_at_s=now_s)
    state, pressed, refusals = _reset(matrix, before, state, commands)
    orders = {each.id: _order(matrix, each, state) for each in matrix.elements}
    events = (
        *told.of_commands(before, commands),
        *told.of_rows(matrix, commanded_rows, rows),
        *told.of_latches(matrix, before.latches, state.latches, state.rows),
        *told.of_reset(pressed, refusals, commands.actor),
    )
    return Turn(state, orders, events, refusals)


def _commanded(
    state: State, readings: Readings, commands: Commands, matrix: Matrix
) -> State:
    """Take over what people want, and the newest news of each feedback."""
    rows = dict(state.rows)
    for row_id in commands.unbypass & rows.keys():
        rows[row_id] = with_bypass(rows[row_id], None)
    for bypass in commands.bypasses:
        rows[bypass.initiator] = with_bypass(rows[bypass.initiator], bypass)
    armed = state.armed if commands.arm is None else commands.arm
    feedback = {
        tag: reading
        for element in matrix.elements
        if (tag := element.feedback) is not None
        and (reading := readings.tags.get(tag, state.feedback.get(tag))) is not None
    }
    return replace(state, rows=rows, armed=armed, feedback=feedback)


def _judged(
    row: InitiatorSettings, state: State, readings: Readings, now_s: float
) -> RowState:
    given = readings.tags if row.source == "field" else readings.models
    return judge_row(row, state.rows[row.id], given, now_s)


def _common_reasons(
    matrix: Matrix, before: State, state: State, commands: Commands, now_s: float
) -> list[str]:
    """Return the reasons that stop every element, whatever its rows say."""
    reasons = [OPERATOR_STOP] if commands.stop else []
    if state.armed and not before.armed and not _all_tripped(state):
        reasons.append(ARMING)
    last_s = before.scanned_at_s
    if last_s is not None and now_s - last_s > matrix.longest_pause_s:
        reasons.append(SCAN_OVERRUN)
    return reasons


def _all_tripped(state: State) -> bool:
    return all(latch.tripped for latch in state.latches.values())


def _watched(
    element: ElementSettings, state: State, readings: Readings, now_s: float
) -> Latch:
    """Look after the writing and the stop; in observe mode there is neither."""
    latch = state.latches[element.id]
    if not state.armed:
        return unwatched(latch)
    report = readings.reports.get(element.id, Report())
    feedback = state.feedback.get(element.feedback or "")
    stopped = has_stopped(element, report, feedback, now_s)
    latch = watch_writing(latch, report, now_s)
    return watch_stop(latch, element, stopped=stopped, now_s=now_s)


def _reset(
    matrix: Matrix, before: State, state: State, commands: Commands
) -> tuple[State, frozenset[str], tuple[str, ...]]:
    """Release what may be released; all that was asked for, or nothing."""
    pressed = commands.reset - before.reset_before
    state = replace(state, reset_before=commands.reset)
    if not pressed:
        return state, pressed, ()
    refusals = _refusals(matrix, state, pressed, commands)
    if refusals:
        return state, pressed, refusals
    latches = {
        name: released() if name in pressed else latch
        for name, latch in state.latches.items()
    }
    return replace(state, latches=latches), pressed, ()


def _refusals(
    matrix: Matrix, state: State, pressed: frozenset[str], commands: Commands
) -> tuple[str, ...]:
    reasons = ["the stop is being requested"] if commands.stop else []
    if not any(state.latches[name].tripped for name in pressed & state.latches.keys()):
        reasons.append("nothing is tripped")
    for element in matrix.elements:
        if element.id not in pressed:
            continue
        for row in matrix.rows_of(element.id):
            row_state = state.rows[row.id]
            if row_state.unproven_since_s is not None:
                reasons.append(f"the demand of {row.id} lasts")
            reasons.extend(not_good(row, row_state))
        latch = state.latches[element.id]
        if state.armed and latch.tripped and not latch.stopped:
            reasons.append(f"the stop of {element.id} is not confirmed")
    return tuple(dict.fromkeys(reasons))


def _order(matrix: Matrix, element: ElementSettings, state: State) -> Order:
    latch = state.latches[element.id]
    read = all(is_read(row, state.rows[row.id]) for row in matrix.rows_of(element.id))
    return Order(
        may_run=not latch.tripped,
        beat=state.armed and read and not latch.stop_failed,
    )
