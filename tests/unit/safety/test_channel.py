"""What one channel's readings prove."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import InitiatorSettings
from appliance.domain.sample import Quality, Sample
from appliance.domain.tag import TagId
from appliance.safety.channel import (
    STATUS_BAD_TIMEOUT,
    ChannelState,
    Reading,
    Trust,
    judge,
    margin,
)
from appliance.safety.vote import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

ROW = InitiatorSettings(
    id="high",
    channels=("P/a",),
    setpoint=7.0,
    deadband=1.0,
    max_age_s=0.5,
    comms_loss_delay_s=0.5,
    frozen_after_s=10.0,
)
LOW = ROW.model_copy(update={"condition": "low", "frozen_after_s": None})


def good(value: float, at_s: float, row: InitiatorSettings = ROW) -> ChannelState:
    return fed(ChannelState(), value, at_s, row)


def fed(
    state: ChannelState,
    value: float,
    at_s: float,
    row: InitiatorSettings = ROW,
    **changes: Any,  # noqa: ANN401
) -> ChannelState:
    fields: dict[str, Any] = {"quality": Quality.GOOD, "status": 0, **changes}
    sample = Sample(TagId("P/a"), value, source_time_ns=1, receive_time_ns=1, **fields)
    return judge(row, state, Reading(sample, at_s), at_s)


def missed(state: ChannelState, now_s: float) -> ChannelState:
    return judge(ROW, state, None, now_s)


def test_power_up_proves_nothing() -> None:
    assert ChannelState().verdict is Verdict.BAD
    assert missed(ChannelState(), 0.0).trust is Trust.BAD


@pytest.mark.parametrize(
    ("value", "changes"),
    [
        (math.nan, {}),
        (math.inf, {}),
        (1.0, {"quality": Quality.BAD, "status": 0x803C0000}),
        (1.0, {"quality": Quality.UNCERTAIN, "status": 0x40000000}),
    ],
    ids=["not-a-number", "infinite", "bad", "uncertain"],
)
@pytest.mark.requirement("A8")
def test_what_cannot_be_trusted_is_bad_at_once(
    value: float, changes: dict[str, Any]
) -> None:
    state = fed(good(1.0, 0.0), value, 0.1, **changes)
    assert state.trust is Trust.BAD
    assert math.isnan(margin(ROW, state))


@pytest.mark.requirement("A8")
def test_no_news_is_held_then_late_then_bad() -> None:
    state = good(1.0, 0.0)
    assert missed(state, 0.5).trust is Trust.GOOD
    assert missed(state, 0.5).missed
    late = missed(state, 0.75)
    assert late.trust is Trust.LATE
    assert late.verdict is Verdict.SAFE
    assert missed(state, 1.0).trust is Trust.LATE
    assert missed(state, 1.01).trust is Trust.BAD


def test_a_late_channel_still_demands_what_it_demanded() -> None:
    assert missed(good(8.0, 0.0), 0.75).verdict is Verdict.DEMANDING


def test_what_the_reader_could_not_ask_is_no_news() -> None:
    state = fed(
        good(1.0, 0.0), math.nan, 0.1, quality=Quality.BAD, status=STATUS_BAD_TIMEOUT
    )
    assert state.trust is Trust.GOOD
    assert state.missed


def test_silence_after_a_bad_value_stays_bad() -> None:
    bad = fed(good(1.0, 0.0), math.nan, 0.1)
    assert missed(bad, 0.2).trust is Trust.BAD
    assert fed(bad, 1.0, 0.3).trust is Trust.GOOD


def test_a_value_that_took_too_long_is_as_old_as_its_question() -> None:
    sample = Sample(TagId("P/a"), 1.0, Quality.GOOD, 0, 1, 1)
    state = judge(ROW, ChannelState(), Reading(sample, 0.0), 0.6)
    assert state.trust is Trust.LATE


@pytest.mark.requirement("A8")
def test_a_frozen_value_is_bad_until_it_moves() -> None:
    state = good(1.0, 0.0)
    assert fed(state, 1.0, 9.9).trust is Trust.GOOD
    frozen = fed(state, 1.0, 10.0)
    assert frozen.trust is Trust.BAD
    assert fed(frozen, 1.001, 10.1).trust is Trust.GOOD


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((7.0,), Verdict.SAFE),
        ((7.001,), Verdict.DEMANDING),
        ((7.5, 6.5), Verdict.DEMANDING),
        ((7.5, 6.0), Verdict.SAFE),
        ((6.5,), Verdict.SAFE),
    ],
)
def test_the_deadband_holds_a_demand_once_made(
    values: tuple[float, ...], verdict: Verdict
) -> None:
    state = ChannelState()
    for place, value in enumerate(values):
        state = fed(state, value, 0.1 * place)
    assert state.verdict is verdict


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((7.0,), Verdict.SAFE),
        ((6.9, 7.5), Verdict.DEMANDING),
        ((6.9, 8.0), Verdict.SAFE),
    ],
)
def test_a_low_condition_is_the_mirror(
    values: tuple[float, ...], verdict: Verdict
) -> None:
    state = ChannelState()
    for place, value in enumerate(values):
        state = fed(state, value, 0.1 * place, LOW)
    assert state.verdict is verdict
    assert margin(LOW, state) == pytest.approx(values[-1] - 7.0)


@given(
    value=st.floats(),
    before=st.builds(good, st.floats(-10, 10), st.just(0.0)),
    at_s=st.floats(0, 2),
)
def test_only_a_finite_value_inside_the_setpoint_proves(
    value: float, before: ChannelState, at_s: float
) -> None:
    state = fed(before, value, at_s)
    if state.verdict is Verdict.SAFE:
        assert math.isfinite(value)
        assert value <= 7.0
    else:
        assert not value <= 6.0 or state.trust is Trust.BAD


def test_the_same_reading_gives_the_same_state(
    sample: Callable[[str, float], Sample],
) -> None:
    reading = Reading(sample("P/a", 3.0), 0.2)
    once = judge(ROW, good(1.0, 0.0), reading, 0.2)
    assert judge(ROW, good(1.0, 0.0), reading, 0.2) == once
