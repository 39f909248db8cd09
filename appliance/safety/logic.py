"""The whole decision: `step` is a pure function of what was, what is read, and when.

Nothing here writes, waits or asks for the time. Whatever is not proved counts against
running.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.safety import handover
from appliance.safety import happenings as told
from appliance.safety.channel import NO_NEWS
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
from appliance.safety.maintenance import NO_LIFE, Life, Token, redeemed
from appliance.safety.permissive import missing
from appliance.safety.row import (
    BYPASS_HARD_S,
    Bypass,
    RowState,
    is_read,
    judge_row,
    not_good,
    powered_up,
    with_bypass,
)
from appliance.safety.turn import Commands, Matrix, Order, Readings, State, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.config import ElementSettings, InitiatorSettings

__all__ = ["Commands", "Matrix", "Order", "Readings", "State", "Turn"]


def power_up(
    matrix: Matrix,
    causes: Mapping[str, tuple[str, ...]],
    *,
    armed: bool,
    token: Token | None = None,
    life: Life = NO_LIFE,
    now_s: float = 0.0,
) -> State:
    """Return the state before the first scan: everything is tripped.

    `causes` are those that were latched when the last life ended; the first-out of an
    element that has none is `power-up`. A `token` that is good in this `life` defers
    that: the PLC has the machine until the first scans have decided.
    """
    rows = {row.id: powered_up(row) for row in matrix.rows}
    standing = None
    if matrix.maintenance is not None:
        standing = redeemed(token, life, causes, now_s)
    latches = {
        element.id: Latch(tripped=True, causes=causes.get(element.id) or (POWER_UP,))
        for element in matrix.elements
    }
    if standing is not None:
        armed = True
        latches = {element.id: Latch(tripped=True) for element in matrix.elements}
    return State(rows, latches, armed=armed, handover=standing)


def step(
    matrix: Matrix, state: State, readings: Readings, commands: Commands, now_s: float
) -> Turn:
    """Advance everything by one scan at monotonic time `now_s`.

    Events are without time; the caller dates them. A demand that has lasted for its
    on-delay stops its elements in this very scan.
    """
    before = state
    bypasses, refused = _permitted(state, commands)
    if refused:
        commands = replace(commands, bypasses=bypasses)
    state = _commanded(state, readings, commands, matrix, now_s)
    commanded_rows = state.rows
    rows = {row.id: _judged(row, state, readings, now_s) for row in matrix.rows}
    state = replace(state, rows=rows, scanned_at_s=now_s)
    common = _common_reasons(matrix, before, state, commands, now_s)
    back = handover.returned(matrix, state, common, now_s)
    state = _latched(matrix, state, readings, common, back=back, now_s=now_s)
    state, pressed, reset_refusals = _reset(matrix, before, state, commands, now_s)
    kept = handover.followed(matrix, state, commands, now_s)
    if kept.standing is not state.handover:
        state = replace(state, handover=kept.standing)
    refusals = (*refused, *reset_refusals, *kept.refusals)
    events = (
        *told.of_commands(before, commands),
        *told.of_rows(matrix, commanded_rows, rows),
        *told.of_latches(matrix, before.latches, state.latches, state.rows),
        *told.of_reset(pressed, reset_refusals, commands.actor),
        *told.of_return(matrix, back),
        *told.of_handover(before.handover, kept),
    )
    orders = {each.id: _order(matrix, each, state) for each in matrix.elements}
    request = handover.request(matrix, before, state)
    return Turn(state, orders, events, refusals, request)


def _permitted(
    state: State, commands: Commands
) -> tuple[tuple[Bypass, ...], tuple[str, ...]]:
    """Return the bypasses that may be set, and why the others may not."""
    taken = {
        name
        for name, row in state.rows.items()
        if row.bypass is not None and name not in commands.unbypass
    }
    permitted: list[Bypass] = []
    refused: list[str] = []
    for bypass in commands.bypasses:
        if bypass.initiator in taken:
            refused.append(f"{bypass.initiator} has its one bypass already")
        else:
            permitted.append(bypass)
            taken.add(bypass.initiator)
    return tuple(permitted), tuple(refused)


def _commanded(
    state: State,
    readings: Readings,
    commands: Commands,
    matrix: Matrix,
    now_s: float,
) -> State:
    """Take over what people want, and the newest news of what no row judges."""
    rows = dict(state.rows)
    for row_id in commands.unbypass & rows.keys():
        rows[row_id] = with_bypass(rows[row_id], None)
    for bypass in commands.bypasses:
        until_s = min(bypass.until_s, now_s + BYPASS_HARD_S)
        limited = replace(bypass, until_s=until_s)
        rows[bypass.initiator] = with_bypass(rows[bypass.initiator], limited)
    armed = state.armed if commands.arm is None else commands.arm
    heard = dict(state.heard)
    for tag in matrix.listened:
        reading = readings.tags.get(tag)
        if reading is not None and reading.sample.status not in NO_NEWS:
            heard[tag] = reading
    return replace(state, rows=rows, armed=armed, heard=heard)


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


def _latched(
    matrix: Matrix,
    state: State,
    readings: Readings,
    common: list[str],
    *,
    back: handover.Return,
    now_s: float,
) -> State:
    """Trip what must be tripped; a life that returns well has nothing to trip."""
    if back.takes_over:
        latches = {each.id: released() for each in matrix.elements}
        return replace(state, latches=latches, handover=None)
    if back.waits:
        return state
    standing = None if back.reasons else state.handover
    first = [POWER_UP] if back.reasons else []
    latches = {}
    for element in matrix.elements:
        latch = _watched(element, state, readings, now_s)
        rows = matrix.rows_of(element.id)
        reasons = [*first, *(row.id for row in rows if state.rows[row.id].demand)]
        if not latch.tripped and is_lost(latch, element, now_s):
            reasons.append(OUTPUT_LOST)
        latches[element.id] = tripped_by(latch, [*reasons, *common], now_s)
    return replace(state, latches=latches, handover=standing)


def _watched(
    element: ElementSettings, state: State, readings: Readings, now_s: float
) -> Latch:
    """Look after the writing and the stop; in observe mode there is neither."""
    latch = state.latches[element.id]
    if not state.armed:
        return unwatched(latch)
    report = readings.reports.get(element.id, Report())
    feedback = state.heard.get(element.feedback or "")
    stopped = has_stopped(element, report, feedback, now_s)
    latch = watch_writing(latch, report, now_s)
    return watch_stop(latch, element, stopped=stopped, now_s=now_s)


def _reset(
    matrix: Matrix, before: State, state: State, commands: Commands, now_s: float
) -> tuple[State, frozenset[str], tuple[str, ...]]:
    """Release what may be released; all that was asked for, or nothing."""
    pressed = commands.reset - before.reset_before
    if commands.reset != before.reset_before:
        state = replace(state, reset_before=commands.reset)
    if not pressed:
        return state, pressed, ()
    refusals = _refusals(matrix, state, pressed, commands, now_s)
    if handover.is_returning(before):
        refusals = ("whether to take over is being decided", *refusals)
    if refusals:
        return state, pressed, refusals
    latches = {
        name: released() if name in pressed else latch
        for name, latch in state.latches.items()
    }
    return replace(state, latches=latches), pressed, ()


def _refusals(
    matrix: Matrix,
    state: State,
    pressed: frozenset[str],
    commands: Commands,
    now_s: float,
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
        reasons.extend(missing(element, state.heard, now_s))
        latch = state.latches[element.id]
        if state.armed and latch.tripped and not latch.stopped:
            reasons.append(f"the stop of {element.id} is not confirmed")
    return tuple(dict.fromkeys(reasons))


def _order(matrix: Matrix, element: ElementSettings, state: State) -> Order:
    latch = state.latches[element.id]
    if handover.is_returning(state):
        return Order(may_run=False, beat=False, hold=True)
    read = all(is_read(row, state.rows[row.id]) for row in matrix.rows_of(element.id))
    return Order(
        may_run=not latch.tripped,
        beat=state.armed and read and not latch.stop_failed,
    )
