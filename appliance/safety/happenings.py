"""What a scan has to tell: the difference between two states, as events. Pure.

The events are without time; the shell dates them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind
from appliance.safety.channel import Trust
from appliance.safety.latch import OPERATOR_STOP, POWER_UP
from appliance.safety.maintenance import Phase
from appliance.safety.row import channels_of, vote_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.config import InitiatorSettings
    from appliance.safety.handover import Followed, Return
    from appliance.safety.latch import Latch
    from appliance.safety.maintenance import Handover
    from appliance.safety.row import Bypass, RowState
    from appliance.safety.turn import Commands, Matrix, State

UNDATED = 0


def of_power_up(matrix: Matrix, state: State) -> Iterator[Event]:
    """Tell that a life begins, and with which first-out each element is tripped."""
    if state.handover is not None:
        yield _event(
            EventKind.SAFETY,
            "returning",
            "back from maintenance: the PLC has the machine until all is proved",
            actor=state.handover.actor,
            priority="high",
        )
        return
    for element in matrix.elements:
        cause = state.latches[element.id].first_out
        again = "" if cause == POWER_UP else ", as before the restart"
        yield _event(
            EventKind.TRIP,
            "first_out" if cause == POWER_UP else "restored",
            f"{element.id} is stopped by {cause}{again}",
            priority="critical",
            element=element.id,
            initiator=cause,
        )


def of_commands(before: State, commands: Commands) -> Iterator[Event]:
    """Tell who wanted what; a stop that stands already is told once."""
    news = any(OPERATOR_STOP not in each.causes for each in before.latches.values())
    if commands.stop and news:
        yield _event(
            EventKind.AUDIT,
            "stop_requested",
            f"stop requested: {commands.stop}",
            actor=commands.actor,
        )
    if commands.arm is not None and commands.arm is not before.armed:
        mode = "armed" if commands.arm else "observe"
        yield _event(EventKind.AUDIT, "mode", f"mode is {mode}", actor=commands.actor)
    for bypass in commands.bypasses:
        yield _bypass_event("bypassed", bypass, f"bypassed: {bypass.reason}")
    for row_id in sorted(commands.unbypass & before.rows.keys()):
        taken = before.rows[row_id].bypass
        if taken is not None:
            removed = replace(taken, actor=commands.actor)
            yield _bypass_event("bypass_removed", removed, "bypass removed")


def of_rows(
    matrix: Matrix, before: Mapping[str, RowState], after: Mapping[str, RowState]
) -> Iterator[Event]:
    """Tell of demands that come and go, of bad and late channels, of ended bypasses."""
    for row in matrix.rows:
        was, now = before[row.id], after[row.id]
        yield from _channel_events(row, was, now)
        if len(now.channels) > 1 and str(now.vote) != str(was.vote):
            yield from _vote_events(row, was, now)
        if now.bare_demand != was.bare_demand:
            yield _demand_event(row, now)
        if was.bypass is not None and now.bypass is None:
            yield _bypass_event("bypass_expired", was.bypass, "its bypass is over")


def of_latches(
    matrix: Matrix,
    before: Mapping[str, Latch],
    after: Mapping[str, Latch],
    rows: Mapping[str, RowState],
) -> Iterator[Event]:
    """Tell of trips in the order of their causes, and of stops that fail or succeed."""
    assets = {row.id: _asset(row) for row in matrix.rows}
    for element in matrix.elements:
        was, now = before[element.id], after[element.id]
        for place in range(len(was.causes), len(now.causes)):
            cause = now.causes[place]
            name = "first_out" if place == 0 else "trip"
            yield _event(
                EventKind.TRIP,
                name,
                f"{element.id} is stopped by {cause}",
                asset=assets.get(cause, ""),
                priority="critical",
                element=element.id,
                initiator=cause,
                vote=str(rows[cause].vote) if cause in rows else "",
            )
        if now.stop_failed and not was.stop_failed:
            yield _event(
                EventKind.TRIP,
                "stop_failed",
                f"{element.id}: the stop is not confirmed after"
                f" {element.confirm_within_s:g} s; the heartbeat is withheld",
                priority="critical",
                element=element.id,
            )
        if now.tripped and now.stopped and not was.stopped:
            yield _event(
                EventKind.SAFETY,
                "stop_confirmed",
                f"{element.id} has stopped",
                element=element.id,
            )


def of_reset(
    pressed: frozenset[str], refusals: tuple[str, ...], actor: str
) -> Iterator[Event]:
    """Tell of a reset, permitted or refused, element by element."""
    for element in sorted(pressed):
        if refusals:
            message = f"reset of {element} refused: {'; '.join(refusals)}"
            name = "reset_refused"
        else:
            name, message = "reset", f"{element} is reset; it needs a start of its own"
        yield _event(EventKind.AUDIT, name, message, actor=actor, element=element)


def of_return(matrix: Matrix, back: Return) -> Iterator[Event]:
    """Tell whether a life that returns took over or powers up as ever."""
    if back.takes_over:
        names = ", ".join(each.id for each in matrix.elements)
        yield _event(
            EventKind.SAFETY,
            "taken_over",
            f"back from maintenance: {names} judged again, nothing was stopped",
            priority="high",
        )
    elif back.reasons:
        why = "; ".join(back.reasons)
        yield _event(
            EventKind.SAFETY,
            "take_over_refused",
            f"back from maintenance, but not taken over: {why}",
            priority="critical",
        )


def of_handover(before: Handover | None, after: Followed) -> Iterator[Event]:
    """Tell of a hand-over that is asked for, granted, ended or refused."""
    standing = after.standing
    if after.refusals:
        message = f"maintenance refused: {'; '.join(after.refusals)}"
        yield _event(EventKind.AUDIT, "maintenance_refused", message)
    if before is not None and after.ended:
        message = f"the hand-over to the PLC is over: {after.ended}"
        yield _event(EventKind.SAFETY, "maintenance_ended", message, priority="high")
    if standing is None or (before is not None and before.phase is standing.phase):
        return
    granted = standing.phase is Phase.GRANTED
    yield _event(
        EventKind.AUDIT,
        f"maintenance_{standing.phase}",
        "the PLC keeps the machine running without us"
        if granted
        else f"the PLC is asked to do without us: {standing.reason}",
        actor=standing.actor,
        priority="high",
    )


def _vote_events(
    row: InitiatorSettings, was: RowState, now: RowState
) -> Iterator[Event]:
    """Tell that a row votes otherwise than before. The first vote is no news."""
    began = all(each.good_at_s is None for each in was.channels)
    declared = str(vote_of(row))
    if began and str(now.vote) == declared:
        return
    back = str(now.vote) == declared
    yield _event(
        EventKind.SAFETY,
        "vote_restored" if back else "vote_degraded",
        f"{row.id}: {was.vote} has become {now.vote}",
        asset=_asset(row),
        priority="" if back else "high",
        initiator=row.id,
        vote=str(now.vote),
    )


def _demand_event(row: InitiatorSettings, now: RowState) -> Event:
    name = "demand" if now.bare_demand else "demand_cleared"
    verb = "demands the stop" if now.bare_demand else "demands no longer"
    suffix = " (bypassed)" if now.bare_demand and not now.demand else ""
    return _event(
        EventKind.SAFETY,
        name,
        f"{row.id} {verb}{suffix}",
        asset=_asset(row),
        initiator=row.id,
        vote=str(now.vote),
        values=", ".join(f"{each.value:g}" for each in now.channels),
    )


def _channel_events(
    row: InitiatorSettings, was: RowState, now: RowState
) -> Iterator[Event]:
    """Tell of changed trust. The first good value after power-up is no news."""
    names = channels_of(row)
    for name, old, new in zip(names, was.channels, now.channels, strict=True):
        waited = old.good_at_s is None and old.trust is Trust.LATE
        if new.trust is old.trust or (waited and new.trust is Trust.GOOD):
            continue
        kind = EventKind.MODEL if row.source == "model" else EventKind.SAFETY
        yield _event(
            kind,
            f"channel_{new.trust}",
            f"{row.id}: {name} is {new.trust}",
            asset=_asset(row),
            priority="" if new.trust is Trust.GOOD else "high",
            initiator=row.id,
            channel=name,
        )


def _bypass_event(name: str, bypass: Bypass, message: str) -> Event:
    what = bypass.initiator if bypass.channel is None else bypass.channel
    return _event(
        EventKind.AUDIT,
        name,
        f"{what}: {message}",
        actor=bypass.actor,
        priority="high",
        initiator=bypass.initiator,
        channel=bypass.channel or "",
    )


def _asset(row: InitiatorSettings) -> str:
    return row.channels[0].partition("/")[0] if row.channels else ""


def _event(
    kind: EventKind,
    name: str,
    message: str,
    *,
    asset: str = "",
    priority: str = "",
    actor: str = "",
    **details: str,
) -> Event:
    return Event(
        kind=kind,
        name=name,
        time_ns=UNDATED,
        message=message,
        asset=asset,
        priority=priority,
        actor=actor,
        details=details,
    )
