"""The state of the moment, and events worth a person, from the same scores."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inference.alarming import Alarming, Limits, Standing

S = 1_000_000_000
LIMITS = Limits(alarm=1.0, anomaly=0.6, normal=0.4)


def alarming(*, on_delay_s: float = 0.0, cool_down_s: float = 0.0) -> Alarming:
    return Alarming(LIMITS, on_delay_s=on_delay_s, cool_down_s=cool_down_s)


def followed(track: Alarming, *scores: float) -> list[Standing]:
    """One score a second."""
    return [track.step(i * S, score) for i, score in enumerate(scores)]


def test_the_state_begins_and_ends_at_limits_of_its_own() -> None:
    states = [s.anomaly for s in followed(alarming(), 0.5, 0.7, 0.5, 0.5, 0.3, 0.5)]
    assert states == [False, True, True, True, False, False]


def test_a_state_without_a_score_beyond_the_alarms_limit_is_no_alarm() -> None:
    assert not any(each.alarm for each in followed(alarming(), 0.7, 0.9, 1.0, 0.9))


def test_an_alarm_is_told_once_while_the_state_lasts() -> None:
    alarms = [s.alarm for s in followed(alarming(), 2, 2, 0.9, 2, 0.7, 3, 3)]
    assert alarms == [True, False, False, False, False, False, False]


def test_a_new_alarm_needs_a_score_in_between_at_which_no_state_begins() -> None:
    alarms = [s.alarm for s in followed(alarming(), 2, 0.7, 2, 0.5, 2)]
    assert alarms == [True, False, False, False, True]


def test_an_alarm_needs_the_score_to_stay_beyond_for_the_delay() -> None:
    track = alarming(on_delay_s=2.0)
    alarms = [s.alarm for s in followed(track, 2, 2, 0.9, 2, 2, 2, 2)]
    assert alarms == [False, False, False, False, False, True, False]


def test_after_an_alarm_there_is_peace_for_a_while() -> None:
    track = alarming(cool_down_s=5.0)
    alarms = [s.alarm for s in followed(track, 2, 0.1, 2, 0.1, 2, 2, 0.1, 2)]
    assert alarms == [True, False, False, False, False, True, False, False]


def test_a_score_that_is_unknown_changes_nothing() -> None:
    track = alarming(on_delay_s=2.0)
    found = followed(track, 2, math.nan, 2)
    assert [each.anomaly for each in found] == [True, True, True]
    assert found[-1].alarm


def test_a_clock_that_was_set_back_restarts_the_delay() -> None:
    track = alarming(on_delay_s=3.0)
    assert not track.step(100 * S, 2.0).alarm
    assert not track.step(50 * S, 2.0).alarm
    assert not track.step(52 * S, 2.0).alarm
    assert track.step(53 * S, 2.0).alarm


@pytest.mark.parametrize("delay_s", [0.0, 3.0])
@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.0, 3.0), max_size=60))
def test_every_alarm_lies_in_an_abnormal_state(
    delay_s: float, scores: list[float]
) -> None:
    found = followed(alarming(on_delay_s=delay_s, cool_down_s=4.0), *scores)
    times = [i for i, each in enumerate(found) if each.alarm]
    assert all(found[i].anomaly and scores[i] > LIMITS.alarm for i in times)
    assert all(b - a >= 4 for a, b in pairwise(times))


def lasting(*, evidence: float = 2.0) -> Alarming:
    limits = Limits(alarm=1.0, anomaly=0.6, normal=0.4, evidence=evidence)
    return Alarming(limits, on_delay_s=0.0, cool_down_s=0.0, window_s=2.0)


def test_a_state_that_lasts_is_an_alarm_below_the_alarms_limit() -> None:
    alarms = [s.alarm for s in followed(lasting(), *[0.9] * 12)]
    assert alarms.index(True) == 4  # 0.625 a second: more than 2 after four of them
    assert alarms.count(True) == 1


def test_a_state_that_comes_and_goes_is_none() -> None:
    assert not any(each.alarm for each in followed(lasting(), *[0.9, 0.2, 0.2] * 40))


def test_evidence_is_gathered_anew_after_an_alarm() -> None:
    scores = [0.9] * 8 + [0.5] + [0.9] * 8
    alarms = [s.alarm for s in followed(lasting(), *scores)]
    assert [i for i, each in enumerate(alarms) if each] == [4, 12]


def test_what_is_past_raises_no_alarm_though_its_evidence_is_still_there() -> None:
    track = lasting(evidence=1.0)
    assert not any(s.alarm for s in followed(track, 0.2, 0.9, 0.59, 0.59))
