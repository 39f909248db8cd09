"""Bands, rates of change, and deviations between redundant channels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.safety.channel import ChannelState, Reading, Trust, judge, margin
from appliance.safety.degradation import degradation
from appliance.safety.happenings import of_rows
from appliance.safety.rate import LONGEST_WINDOWS, RESOLUTION, extended, slope
from appliance.safety.row import margin_of, powered_up, vote_of
from appliance.safety.spread import Comparison, compared
from appliance.safety.vote import OUT, TRIP, Verdict
from tests.unit.safety.bench import a_sample

if TYPE_CHECKING:
    from appliance.config import InitiatorSettings
    from tests.unit.safety.bench import Bench, MakeBench, MakeRow

FIVE = (
    "one bad: spread of 4; two bad: spread of 3; three bad: spread of 2;"
    " four bad: trip; 5 bad: trip; one bypassed: spread of 4"
)
PAIR, THREE = ("P/a", "P/b"), ("P/a", "P/b", "P/c")
SAFE, BAD, BYPASSED = Verdict.SAFE, Verdict.BAD, Verdict.BYPASSED


# ------------------------------------------------------------------ outside


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((7.0,), "safe"),
        ((1.0,), "safe"),
        ((7.001,), "demanding"),
        ((0.999,), "demanding"),
        ((0.5, 1.9), "demanding"),
        ((0.5, 2.0), "safe"),
        ((7.5, 6.1), "demanding"),
        ((7.5, 6.0), "safe"),
    ],
)
def test_a_band_holds_at_both_ends_with_its_deadband(
    row: MakeRow, values: tuple[float, ...], verdict: str
) -> None:
    band = row(condition="outside", setpoint_low=1.0)
    state = fed(band, values)
    assert state.verdict == verdict
    assert margin(band, state) == min(7.0 - values[-1], values[-1] - 1.0)


def test_a_band_without_its_lower_end_proves_nothing(row: MakeRow) -> None:
    half = row(condition="outside", setpoint_low=1.0).model_copy(
        update={"setpoint_low": None}
    )
    assert fed(half, (3.0,)).verdict is Verdict.DEMANDING


# ------------------------------------------------------------------ rate


def a_rate(row: MakeRow, **changes: Any) -> InitiatorSettings:  # noqa: ANN401
    """At most 2 per second over 4 s."""
    return row(
        **{
            "condition": "rate",
            "setpoint": 2.0,
            "deadband": 0.5,
            "rate_window_s": 4.0,
            **changes,
        }
    )


def fed(
    row: InitiatorSettings, values: tuple[float, ...], every_s: float = 1.0
) -> ChannelState:
    state = ChannelState()
    for place, value in enumerate(values):
        at_s = place * every_s
        state = judge(row, state, Reading(a_sample("P/a", value), at_s), at_s)
    return state


def test_too_short_a_past_proves_no_rate(row: MakeRow) -> None:
    young = fed(a_rate(row), (1.0, 1.0, 1.0, 1.0))
    assert young.trust is Trust.GOOD
    assert young.verdict is Verdict.BAD
    assert young.word == "young"
    assert math.isnan(margin(a_rate(row), young))
    assert fed(a_rate(row), (1.0,) * 5).verdict is Verdict.SAFE


@pytest.mark.parametrize(
    ("direction", "values", "verdict"),
    [
        ("rise", (0.0, 2.0, 4.0, 6.0, 8.0), "safe"),
        ("rise", (0.0, 2.0, 4.0, 6.0, 8.1), "demanding"),
        ("rise", (8.1, 6.0, 4.0, 2.0, 0.0), "safe"),
        ("fall", (8.1, 6.0, 4.0, 2.0, 0.0), "demanding"),
        ("either", (8.1, 6.0, 4.0, 2.0, 0.0), "demanding"),
        ("either", (0.0, 6.0, 4.0, 2.0, 8.1), "demanding"),
    ],
)
def test_a_rate_counts_in_its_direction(
    row: MakeRow, direction: str, values: tuple[float, ...], verdict: str
) -> None:
    settings = a_rate(row, direction=direction)
    state = fed(settings, values)
    assert state.verdict == verdict
    assert margin(settings, state) == pytest.approx(
        2.0 - abs(values[-1] - values[0]) / 4
        if verdict == "demanding"
        else 2.0 - (values[-1] - values[0]) / 4
    )


def test_a_rate_lets_go_only_below_its_deadband(row: MakeRow) -> None:
    rising = (0.0, 2.0, 4.0, 6.0, 9.0)
    assert fed(a_rate(row), (*rising, 9.6)).verdict is Verdict.DEMANDING
    assert fed(a_rate(row), (*rising, 8.0)).verdict is Verdict.SAFE


def test_a_rate_survives_a_lost_reading_but_not_a_lost_past(row: MakeRow) -> None:
    settings = a_rate(row, max_age_s=2.0)
    state = fed(settings, (1.0,) * 5)
    bad = judge(settings, state, Reading(a_sample("P/a", "bad"), 5.0), 5.0)
    assert bad.verdict is Verdict.BAD
    back = judge(settings, bad, Reading(a_sample("P/a", 1.0), 6.0), 6.0)
    assert back.verdict is Verdict.SAFE
    late = judge(settings, bad, Reading(a_sample("P/a", 1.0), 13.0), 13.0)
    assert late.verdict is Verdict.BAD
    assert late.word == "young"


@given(
    steps=st.lists(st.floats(0.01, 3.0), min_size=1, max_size=200),
    window_s=st.floats(0.5, 20.0),
    pace=st.floats(-100, 100),
)
def test_a_straight_line_has_its_own_slope_and_a_bounded_past(
    steps: list[float], window_s: float, pace: float
) -> None:
    history: tuple[tuple[float, float], ...] = ()
    at_s = 0.0
    for step in steps:
        at_s += step
        point = (at_s, pace * at_s)
        found = slope(history, point, window_s=window_s)
        if found is not None:
            assert found == pytest.approx(pace, abs=1e-6)
        history = extended(history, point, window_s=window_s)
        assert len(history) <= RESOLUTION + 3
    last_s = at_s + window_s * LONGEST_WINDOWS + 1
    assert slope(history, (last_s + window_s, 0.0), window_s=window_s) is None


def test_a_young_row_demands_and_forbids_the_reset(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(a_rate(row))
    pump.values["P/a"] = 1.0
    pump.scans(2.0)
    assert "P/a is young" in pump.reset().refusals
    pump.scans(4.0)
    assert pump.reset().refusals == ()
    for place in range(40):
        pump.values["P/a"] = 1.0 + place
        pump.scan()
    assert pump.first_out == "high"


# ------------------------------------------------------------------ deviation


@pytest.mark.parametrize(
    ("verdicts", "trip", "exclude"),
    [
        ([SAFE] * 3, Comparison(3), Comparison(3)),
        ([SAFE, SAFE, BAD], TRIP, Comparison(2)),
        ([SAFE, BAD, BAD], TRIP, TRIP),
        ([SAFE, SAFE, BYPASSED], Comparison(2), Comparison(2)),
        ([SAFE, BAD, BYPASSED], TRIP, TRIP),
        ([SAFE, BYPASSED, BYPASSED], OUT, OUT),
        ([SAFE, BYPASSED], OUT, OUT),
    ],
)
def test_what_is_compared_when_channels_are_lost(
    verdicts: list[Verdict], trip: object, exclude: object
) -> None:
    assert compared(verdicts, bad_is="trip") == trip
    assert compared(verdicts, bad_is="exclude") == exclude


@pytest.fixture
def twins(bench: MakeBench, row: MakeRow) -> Bench:
    """At most 2 apart, back within 1.5, for 0.25 s."""
    pump: Bench = bench(
        row(
            condition="deviation",
            channels=PAIR,
            setpoint=2.0,
            deadband=0.5,
            on_delay_s=0.25,
        )
    )
    return pump.ready()


def test_channels_that_part_demand_after_the_on_delay(twins: Bench) -> None:
    twins.values["P/b"] = 3.5
    twins.scans(0.25)
    assert not twins.tripped()
    twins.scan()
    assert twins.first_out == "high"


def test_a_deviation_lets_go_only_below_its_deadband(twins: Bench) -> None:
    twins.values["P/b"] = 3.5
    twins.scans(0.5)
    twins.values["P/b"] = 2.75
    twins.scan()
    assert twins.reset().refusals == ("the demand of high lasts",)
    twins.scan()
    twins.values["P/b"] = 2.5
    twins.scan()
    assert twins.reset().refusals == ()


def test_the_margin_of_a_deviation_is_that_of_its_spread(twins: Bench) -> None:
    twins.values["P/b"] = 2.5
    twins.scan()
    (settings,) = twins.matrix.rows
    state = twins.state.rows["high"]
    assert margin_of(settings, state) == pytest.approx(0.5)
    assert math.isnan(margin_of(settings, powered_up(settings)))
    assert str(vote_of(settings)) == "spread of 2"


def test_with_three_and_exclude_the_other_two_are_compared(
    bench: MakeBench, row: MakeRow
) -> None:
    settings = row(
        condition="deviation", channels=THREE, setpoint=2.0, bad_is="exclude"
    )
    pump = bench(settings).ready()
    pump.values["P/c"] = "bad"
    pump.scan()
    assert not pump.tripped()
    assert str(pump.state.rows["high"].vote) == "spread of 2"
    pump.values["P/b"] = "bad"
    pump.scan()
    assert pump.tripped()


# ------------------------------------------------------------------ degradation


@pytest.mark.requirement("A7")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"channels": THREE, "vote": "2oo3"},
            "one bad: 1oo2; two bad: trip; three bad: trip; one bypassed: 1oo2",
        ),
        (
            {"channels": THREE, "vote": "2oo3", "bypass_leaves": "2oo2"},
            "one bad: 1oo2; two bad: trip; three bad: trip; one bypassed: 2oo2",
        ),
        (
            {"channels": THREE, "vote": "2oo3", "bad_is": "exclude"},
            "one bad: 2oo2; two bad: 1oo1; three bad: trip; one bypassed: 2oo2",
        ),
        (
            {"channels": ("P/1", "P/2", "P/3", "P/4", "P/5"),
             "condition": "deviation", "bad_is": "exclude"},
            FIVE,
        ),
        ({"source": "model", "channels": ()}, "absent, stale or bad: no demand"),
    ],
)  # fmt: skip
def test_degradation_is_told_in_words(
    row: MakeRow, changes: dict[str, Any], words: str
) -> None:
    assert degradation(row(**changes)) == words


def test_a_vote_that_degrades_and_comes_back_is_told(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(row(channels=THREE, vote="2oo3")).ready()
    pump.values["P/a"] = "bad"
    (event,) = [e for e in pump.scan().events if e.name == "vote_degraded"]
    assert event.message == "high: 2oo3 has become 1oo2"
    assert event.priority == "high"
    pump.values["P/a"] = 1.0
    (event,) = [e for e in pump.scan().events if e.name == "vote_restored"]
    assert event.details["vote"] == "2oo3"


def test_the_first_vote_is_no_news_unless_it_is_a_lesser_one(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(row(channels=PAIR, vote="1oo2", bad_is="exclude"))
    pump.values |= {"P/a": 1.0, "P/b": "bad"}
    pump.scan()
    assert "vote_degraded" in pump.names
    well = bench(row(channels=PAIR, vote="1oo2"))
    before = well.state.rows
    well.values |= {"P/a": 1.0, "P/b": 1.0}
    turn = well.scan()
    told = of_rows(well.matrix, before, turn.state.rows)
    assert "vote" not in " ".join(event.name for event in told)
