"""The abstract clock: it stands at 0, and what takes time has begun or is over.

Between scans a state is folded: every age becomes none or all of its time, and what
makes no difference to the logic is forgotten. That a time-out comes is an event of the
walk, so nothing depends on which of two is the longer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from appliance.safety.channel import ChannelState, Trust
from appliance.safety.latch import POWER_UP, Latch
from appliance.safety.logic import power_up
from appliance.safety.maintenance import Life, token_of
from appliance.safety.row import Bypass, RowState, with_bypass
from appliance.safety.vote import TRIP

if TYPE_CHECKING:
    from appliance.config import ElementSettings, InitiatorSettings
    from appliance.safety.maintenance import Handover
    from appliance.safety.turn import Matrix, State

_LIFE = Life("boot", "rules")
NOW_S = 0.0
SOON_S = 1.0


@dataclass(frozen=True, slots=True)
class Happening:
    """Something between two scans: a time-out that comes, or a bypass that is set.

    `what` is `on-delay`, `bare on-delay`, `bypass`, `bypass ends`, `unbypass` (of row
    `of`), `confirm`, `write` (of element `of`), `hand-over ends`, or `restart`: this
    life ends, and the next one finds its token.
    """

    what: str
    of: str = ""
    channel: str = ""


def folded(matrix: Matrix, state: State) -> State:
    """Return the state with every age none or all of its time."""
    rows = {row.id: _row(row, state.rows[row.id]) for row in matrix.rows}
    latches = {
        element.id: _latch(element, state.latches[element.id])
        for element in matrix.elements
    }
    return replace(state, rows=rows, latches=latches, heard={}, scanned_at_s=NOW_S)


def _row(row: InitiatorSettings, state: RowState) -> RowState:
    return RowState(
        channels=tuple(_channel(row, each) for each in state.channels),
        vote=TRIP,
        unproven_since_s=_since(state.unproven_since_s, row.on_delay_s),
        bare_since_s=_since(state.bare_since_s, row.on_delay_s),
        apart=state.apart,
        bare_apart=state.bare_apart,
        bypass=state.bypass,
    )


def _channel(row: InitiatorSettings, channel: ChannelState) -> ChannelState:
    compared = row.condition == "deviation" and channel.trust is not Trust.BAD
    keeps = compared or row.frozen_after_s is not None
    counts = channel.trust is not Trust.BAD and not channel.is_young
    return ChannelState(
        trust=Trust.BAD if channel.trust is Trust.BAD else Trust.GOOD,
        value=channel.value if keeps else 0.0,
        good_at_s=None if channel.good_at_s is None else NOW_S,
        measure=channel.measure if channel.is_young else 0.0,
        exceeded=channel.exceeded and (counts or row.deadband > 0),
    )


def _latch(element: ElementSettings, latch: Latch) -> Latch:
    """The later causes make no difference, and neither does which was the first."""
    confirm_s = element.confirm_within_s
    return Latch(
        tripped=latch.tripped,
        causes=(POWER_UP,) if latch.causes else (),
        stopped=latch.stopped and latch.tripped,
        unstopped_since_s=_since(latch.unstopped_since_s, confirm_s),
        stop_failed=latch.stop_failed,
        unwritten_since_s=_since(latch.unwritten_since_s, confirm_s),
    )


def _since(since_s: float | None, length_s: float) -> float | None:
    if since_s is None:
        return None
    return -length_s if NOW_S - since_s >= length_s else NOW_S


def channel_key(channel: ChannelState) -> tuple[Any, ...]:
    """Return what makes a folded channel's future."""
    return (
        str(channel.trust),
        channel.good_at_s is not None,
        channel.exceeded,
        channel.is_young,
        f"{channel.value}",
    )


def happens(matrix: Matrix, state: State, event: Happening) -> State:
    """Return the state after something between two scans."""
    if event.what in {"confirm", "write"}:
        element = next(each for each in matrix.elements if each.id == event.of)
        latch = _after(element, state.latches[event.of], event.what)
        return replace(state, latches={**state.latches, event.of: latch})
    if event.what in {"hand-over ends", "restart"}:
        assert state.handover is not None
        if event.what == "restart":
            return _restarted(matrix, state.handover)
        return replace(state, handover=replace(state.handover, until_s=NOW_S))
    row = next(each for each in matrix.rows if each.id == event.of)
    after = _row_after(row, state.rows[row.id], event)
    return replace(state, rows={**state.rows, row.id: after})


def _restarted(matrix: Matrix, standing: Handover) -> State:
    """Return the beginning of the next life, with the token that this one left."""
    token = token_of(standing, _LIFE)
    again = power_up(matrix, {}, armed=False, token=token, life=_LIFE, now_s=NOW_S)
    return folded(matrix, again)


def _after(element: ElementSettings, latch: Latch, what: str) -> Latch:
    over_s = NOW_S - element.confirm_within_s
    if what == "confirm":
        return replace(latch, unstopped_since_s=over_s)
    return replace(latch, unwritten_since_s=over_s)


def _row_after(row: InitiatorSettings, state: RowState, event: Happening) -> RowState:
    over_s = NOW_S - row.on_delay_s
    match event.what:
        case "on-delay" if state.bypass is None:
            lasts_s = None if state.unproven_since_s is None else over_s
            return replace(state, unproven_since_s=lasts_s, bare_since_s=over_s)
        case "on-delay":
            return replace(state, unproven_since_s=over_s)
        case "bare on-delay":
            return replace(state, bare_since_s=over_s)
        case "unbypass":
            return with_bypass(state, None)
        case "bypass ends":
            assert state.bypass is not None
            return with_bypass(state, replace(state.bypass, until_s=NOW_S))
        case _:
            channel = event.channel or None
            bypass = Bypass(row.id, channel, NOW_S + SOON_S, "kim", "a test")
            return with_bypass(state, bypass)
