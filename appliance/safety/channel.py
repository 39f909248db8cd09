"""One channel: what its last readings prove. Pure; time is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from appliance.domain.sample import STATUS_BAD_NO_COMMUNICATION, STATUS_BAD_WAITING
from appliance.safety.vote import Verdict

if TYPE_CHECKING:
    from appliance.config import InitiatorSettings
    from appliance.domain.sample import Sample

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
    `moved_at_s`. `exceeded` keeps the side of the setpoint for the deadband. `missed`:
    this scan brought no news.
    """

    trust: Trust = Trust.LATE
    value: float = math.nan
    good_at_s: float | None = None
    moved_at_s: float = 0.0
    exceeded: bool = False
    missed: bool = True

    @property
    def verdict(self) -> Verdict:
        """What it says in the vote; a late channel still says what it said last."""
        if self.trust is Trust.BAD or self.good_at_s is None:
            return Verdict.BAD
        return Verdict.DEMANDING if self.exceeded else Verdict.SAFE


def judge(
    row: InitiatorSettings, state: ChannelState, reading: Reading | None, now_s: float
) -> ChannelState:
    """Advance a channel by one scan.

    Bad status, NaN and out of range are bad at once. No news is not bad: the last good
    value holds for `max_age_s`, is late for `comms_loss_delay_s` more, then bad.
    """
    if reading is None or reading.sample.status in NO_NEWS:
        return _aged(row, replace(state, missed=True), now_s)
    value = reading.sample.trusted_value
    if value is None:
        return replace(state, trust=Trust.BAD, missed=False)
    confirmed = _confirmed(row, state, value, reading.at_s)
    return _aged(row, confirmed, now_s)


def margin(row: InitiatorSettings, state: ChannelState) -> float:
    """Return how far the value is on the safe side of the setpoint; NaN if bad."""
    if state.trust is Trust.BAD:
        return math.nan
    distance = row.setpoint - state.value
    return distance if row.condition == "high" else -distance


def _confirmed(
    row: InitiatorSettings, state: ChannelState, value: float, at_s: float
) -> ChannelState:
    still = state.good_at_s is not None and state.value <= value <= state.value
    moved_at_s = state.moved_at_s if still else at_s
    frozen = row.frozen_after_s is not None and at_s - moved_at_s >= row.frozen_after_s
    return ChannelState(
        trust=Trust.BAD if frozen else Trust.GOOD,
        value=value,
        good_at_s=at_s,
        moved_at_s=moved_at_s,
        exceeded=not _is_within(row, value, exceeded=state.exceeded),
        missed=False,
    )


def _is_within(row: InitiatorSettings, value: float, *, exceeded: bool) -> bool:
    """Say whether the value proves the safe side, `deadband` inside once exceeded."""
    back = row.deadband if exceeded else 0.0
    if row.condition == "high":
        return value <= row.setpoint - back
    return value >= row.setpoint + back


def _aged(row: InitiatorSettings, state: ChannelState, now_s: float) -> ChannelState:
    if state.trust is Trust.BAD or state.good_at_s is None:
        return replace(state, trust=Trust.BAD)
    age_s = now_s - state.good_at_s
    if age_s <= row.max_age_s:
        return replace(state, trust=Trust.GOOD)
    if age_s <= row.max_age_s + row.comms_loss_delay_s:
        return replace(state, trust=Trust.LATE)
    return replace(state, trust=Trust.BAD)
