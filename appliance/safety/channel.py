"""One channel: what its last readings prove. Pure; time is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION, STATUS_BAD_WAITING
from appliance.safety.rate import directed, extended, slope
from appliance.safety.vote import Verdict

if TYPE_CHECKING:
    from appliance.config import InitiatorSettings
    from appliance.domain.sample import Sample
    from appliance.safety.rate import History

STATUS_BAD_TIMEOUT = 0x800A_0000
"""No answer in time (OPC UA BadTimeout)."""
NO_NEWS = frozenset(
    {STATUS_BAD_TIMEOUT, STATUS_BAD_NO_COMMUNICATION, STATUS_BAD_WAITING}
)
"""By these a reader says that it could not ask: late, which is not yet bad."""


class Trust(StrEnum):
    """How far a channel may be believed in this scan."""

    GOOD = "good"
    LATE = "late"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample, and the scan time (monotonic) from which on it was asked for."""

    sample: Sample
    at_s: float


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What a channel remembers; the defaults are power-up.

    `value` is the last good one, confirmed at `good_at_s`, different since
    `moved_at_s`. `measure` is what is held to the setpoint: the value, or its rate of
    change; NaN while nothing proves one. `exceeded` keeps the side of the setpoint for
    the deadband. `missed`: this scan brought no news. `history` is kept for a rate.
    """

    trust: Trust = Trust.LATE
    value: float = math.nan
    good_at_s: float | None = None
    moved_at_s: float = 0.0
    measure: float = math.nan
    exceeded: bool = False
    missed: bool = True
    history: History = ()

    @property
    def verdict(self) -> Verdict:
        """What it says in the vote; a late channel still says what it said last."""
        if self.trust is Trust.BAD or self.good_at_s is None or self.is_young:
            return Verdict.BAD
        return Verdict.DEMANDING if self.exceeded else Verdict.SAFE

    @property
    def word(self) -> str:
        """Its trust, or `young` where a good value is not yet enough."""
        young = self.trust is Trust.GOOD and self.is_young
        return "young" if young else str(self.trust)

    @property
    def is_young(self) -> bool:
        """Whether good values are too few yet to prove what the row asks for."""
        return math.isnan(self.measure)


def judge(
    row: InitiatorSettings, state: ChannelState, reading: Reading | None, now_s: float
) -> ChannelState:
    """Advance a channel by one scan.

    Bad status, NaN and out of range are bad at once. No news is not bad: the last good
    value holds for `max_age_s`, is late for `comms_loss_delay_s` more, then bad.
    """
    if reading is None or reading.sample.status in NO_NEWS:
        silent = state if state.missed else replace(state, missed=True)
        return _aged(row, silent, now_s)
    value = reading.sample.trusted_value
    if value is None:
        return replace(state, trust=Trust.BAD, missed=False)
    confirmed = _confirmed(row, state, value, reading.at_s)
    return _aged(row, confirmed, now_s)


def margin(row: InitiatorSettings, state: ChannelState) -> float:
    """Return how far it is on the safe side of the setpoint; NaN if bad or unproved."""
    if state.trust is Trust.BAD:
        return math.nan
    match row.condition:
        case "low":
            return state.measure - row.setpoint
        case "outside":
            return min(row.setpoint - state.measure, state.measure - _low(row))
        case "rate":
            return row.setpoint - directed(row, state.measure)
        case _:
            return row.setpoint - state.measure


def _confirmed(
    row: InitiatorSettings, state: ChannelState, value: float, at_s: float
) -> ChannelState:
    still = state.good_at_s is not None and state.value <= value <= state.value
    moved_at_s = state.moved_at_s if still else at_s
    frozen = row.frozen_after_s is not None and at_s - moved_at_s >= row.frozen_after_s
    measure, history = _measured(row, state, value, at_s)
    return ChannelState(
        trust=Trust.BAD if frozen else Trust.GOOD,
        value=value,
        good_at_s=at_s,
        moved_at_s=moved_at_s,
        measure=measure,
        exceeded=_is_beyond(row, measure, exceeded=state.exceeded),
        missed=False,
        history=history,
    )


def _measured(
    row: InitiatorSettings, state: ChannelState, value: float, at_s: float
) -> tuple[float, History]:
    """Return what is held to the setpoint, and the history to measure the next by."""
    if row.condition != "rate":
        return value, ()
    point, window_s = (at_s, value), row.rate_window_s
    rate = slope(state.history, point, window_s=window_s)
    history = extended(state.history, point, window_s=window_s)
    return math.nan if rate is None else rate, history


def _is_beyond(row: InitiatorSettings, measure: float, *, exceeded: bool) -> bool:
    """Say on which side it is; what proves no side leaves it as it was."""
    if math.isnan(measure):
        return exceeded
    return not _is_within(row, measure, back=row.deadband if exceeded else 0.0)


def _is_within(row: InitiatorSettings, measure: float, *, back: float) -> bool:
    """Say whether it proves the safe side, with `back` to spare."""
    match row.condition:
        case "high":
            return measure <= row.setpoint - back
        case "low":
            return measure >= row.setpoint + back
        case "outside":
            return _low(row) + back <= measure <= row.setpoint - back
        case "rate":
            return directed(row, measure) <= row.setpoint - back
        case _:  # of a deviation, one channel alone proves nothing: the row compares
            return True


def _low(row: InitiatorSettings) -> float:
    """Return the lower end of the band; without one nothing is inside."""
    return math.inf if row.setpoint_low is None else row.setpoint_low


def _aged(row: InitiatorSettings, state: ChannelState, now_s: float) -> ChannelState:
    trust = _trust(row, state, now_s)
    return state if trust is state.trust else replace(state, trust=trust)


def _trust(row: InitiatorSettings, state: ChannelState, now_s: float) -> Trust:
    if state.trust is Trust.BAD or state.good_at_s is None:
        return Trust.BAD
    age_s = now_s - state.good_at_s
    if age_s <= row.max_age_s:
        return Trust.GOOD
    if age_s <= row.max_age_s + row.comms_loss_delay_s:
        return Trust.LATE
    return Trust.BAD
