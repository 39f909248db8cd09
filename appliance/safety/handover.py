"""What a scan decides about a hand-over: ask, go on, end, take over. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.safety.maintenance import Handover, Phase
from appliance.safety.row import not_good

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.config import (
        ElementSettings,
        InitiatorSettings,
        MaintenanceSettings,
    )
    from appliance.safety.channel import ChannelState, Reading
    from appliance.safety.row import RowState
    from appliance.safety.turn import Commands, Matrix, State

_ON = 0.5


@dataclass(frozen=True, slots=True)
class Return:
    """What a life that returns has decided in this scan; `reasons` are against it."""

    waits: bool = False
    takes_over: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Followed:
    """What stands after this scan, why it ended, or why it was refused."""

    standing: Handover | None
    ended: str = ""
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Doubts:
    """What is still to be heard of, and what speaks against taking over."""

    waiting: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


def is_returning(state: State) -> bool:
    """Say whether this life has not yet decided: the PLC has the machine."""
    return state.handover is not None and state.handover.phase is Phase.RETURNING


def returned(
    matrix: Matrix, state: State, common: Sequence[str], now_s: float
) -> Return:
    """Decide whether a life that returns takes over, waits, or powers up as ever."""
    if not is_returning(state):
        return Return()
    found = doubts(matrix, state, now_s)
    against = (*common, *found.against)
    if against:
        return Return(reasons=against)
    return Return(waits=bool(found.waiting), takes_over=not found.waiting)


def followed(
    matrix: Matrix, state: State, commands: Commands, now_s: float
) -> Followed:
    """Begin, follow or end the hand-over of a life that judges."""
    standing, wanted = state.handover, commands.hand_over
    refused: tuple[str, ...] = ()
    if wanted is not None:
        refused = refusals(matrix, state, wanted, now_s)
        if not refused:
            return Followed(Handover(wanted.actor, wanted.reason, wanted.until_s))
    if standing is None or is_returning(state):
        return Followed(standing, refusals=refused)
    ended = _ended(matrix, state, standing, commands, now_s)
    if ended:
        return Followed(None, ended, refused)
    if standing.phase is Phase.REQUESTED and _consents(matrix, state, now_s):
        standing = replace(standing, phase=Phase.GRANTED, granted_s=now_s)
    return Followed(standing, refusals=refused)


def _ended(
    matrix: Matrix, state: State, standing: Handover, commands: Commands, now_s: float
) -> str:
    if commands.resume:
        return f"taken back by {commands.actor}"
    if now_s >= standing.until_s:
        return "its time is over"
    if standing.phase is Phase.GRANTED and not _consents(matrix, state, now_s):
        return "the PLC consents no longer"
    return next(unfit(matrix, state), "")


def _consents(matrix: Matrix, state: State, now_s: float) -> bool | None:
    """Say whether the PLC consents; None where no recent news says so."""
    rules = matrix.maintenance
    return None if rules is None else is_granted(rules, state.heard, now_s)


def request(matrix: Matrix, before: State, state: State) -> bool | None:
    """Return what the PLC shall be asked; None leaves the point as it is.

    What stands down takes its asking back with its last word.
    """
    if matrix.maintenance is None:
        return None
    if state.handover is not None:
        return None if is_returning(state) else True
    return False if state.armed or before.handover is not None else None


def refusals(
    matrix: Matrix, state: State, wanted: Handover, now_s: float
) -> tuple[str, ...]:
    """Say why a hand-over may not be asked for now."""
    rules = matrix.maintenance
    if rules is None:
        return ("[safety.maintenance] is not configured",)
    if state.handover is not None:
        return ("a hand-over stands already",)
    if not 0 < wanted.until_s - now_s <= rules.longest_s:
        return (f"a hand-over lasts at most {rules.longest_s:g} s",)
    return tuple(unfit(matrix, state))


def unfit(matrix: Matrix, state: State) -> Iterator[str]:
    """Yield why nothing may be handed over in this state, if anything."""
    if not state.armed:
        yield "mode is observe"
    for name, latch in state.latches.items():
        if latch.tripped:
            yield f"{name} is tripped"
    for row in matrix.rows:
        row_state = state.rows[row.id]
        if row_state.bypass is not None:
            yield f"{row.id} is bypassed"
        if row_state.unproven_since_s is not None:
            yield f"the demand of {row.id} lasts"
        yield from not_good(row, row_state)


def is_granted(
    rules: MaintenanceSettings, heard: Mapping[str, Reading], now_s: float
) -> bool | None:
    """Say whether the PLC consents; None where no recent news says so."""
    return _is_on(heard.get(rules.granted), rules.max_age_s, now_s)


def doubts(matrix: Matrix, state: State, now_s: float) -> Doubts:
    """Return what keeps a life that returns from taking over in this state."""
    standing = state.handover
    waiting: list[str] = []
    against: list[str] = []
    if standing is None or not state.armed:
        return Doubts(against=("nothing was handed over",))
    if now_s >= standing.until_s:
        against.append("the time of the hand-over is over")
    consent = _consents(matrix, state, now_s)
    _sort(consent, "the PLC's consent", waiting, against)
    for element in matrix.elements:
        runs = _runs(element, state.heard, now_s)
        _sort(runs, f"the running of {element.id}", waiting, against)
    for row in matrix.rows:
        silent, wrong = _of_row(row, state.rows[row.id])
        waiting += silent
        against += wrong
    return Doubts(tuple(waiting), tuple(against))


def _sort(
    proved: bool | None,  # noqa: FBT001 - a verdict of three: yes, no, unknown
    what: str,
    waiting: list[str],
    against: list[str],
) -> None:
    if proved is None:
        waiting.append(what)
    elif not proved:
        against.append(f"not proved: {what}")


def _runs(
    element: ElementSettings, heard: Mapping[str, Reading], now_s: float
) -> bool | None:
    feedback = heard.get(element.feedback or "")
    return _is_on(feedback, element.confirm_within_s / 2, now_s)


def _is_on(reading: Reading | None, max_age_s: float, now_s: float) -> bool | None:
    if reading is None or now_s - reading.at_s > max_age_s:
        return None
    value = reading.sample.trusted_value
    return value is not None and value > _ON


def _of_row(row: InitiatorSettings, state: RowState) -> tuple[list[str], list[str]]:
    """Return the channels not heard of yet, and what speaks against the row."""
    if state.bypass is not None:
        return [], [f"{row.id} is bypassed"]
    if row.source == "model":
        demands = state.unproven_since_s is not None
        return [], [f"the demand of {row.id} lasts"] if demands else []
    named = list(zip(row.channels, state.channels, strict=True))
    silent = [name for name, channel in named if _is_silent(channel)]
    wrong = [
        f"{name} is {'demanding' if channel.exceeded else channel.word}"
        for name, channel in named
        if not _is_silent(channel) and (channel.word != "good" or channel.exceeded)
    ]
    if not silent and not wrong and state.unproven_since_s is not None:
        wrong.append(f"the demand of {row.id} lasts")
    return silent, wrong


def _is_silent(channel: ChannelState) -> bool:
    """Say whether it has brought nothing yet, good or bad, that could decide."""
    unheard = channel.good_at_s is None and channel.missed
    return unheard or (channel.word == "young" and not channel.exceeded)
