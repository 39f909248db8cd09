"""What each rule says of a reading."""

from __future__ import annotations

import math

import pytest

from appliance.alarms.delay import Condition
from appliance.alarms.rules import (
    NOTHING,
    Bad,
    High,
    Low,
    Rate,
    Reading,
    Score,
    Stale,
    ValueRule,
)
from appliance.domain.sample import Quality

ON, OFF, UNKNOWN = Condition.ON, Condition.OFF, Condition.UNKNOWN
GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD
NAN = math.nan
_S = 1_000_000_000


def reading(value: float, quality: Quality = GOOD, *, time_s: float = 0.0) -> Reading:
    return Reading(value, quality, round(time_s * _S), time_s)


CASES: list[tuple[ValueRule, float, Quality, bool, Condition]] = [
    (High(4.5, 0.3), 4.51, GOOD, False, ON),
    (High(4.5, 0.3), 4.5, GOOD, False, OFF),
    (High(4.5, 0.3), 4.4, GOOD, False, OFF),
    (High(4.5, 0.3), 4.4, GOOD, True, ON),
    (High(4.5, 0.3), 4.2, GOOD, True, OFF),
    (High(4.5), 4.5, GOOD, True, OFF),
    (High(4.5), NAN, GOOD, False, UNKNOWN),
    (High(4.5), math.inf, GOOD, False, UNKNOWN),
    (High(4.5), 9.0, BAD, False, UNKNOWN),
    (High(4.5), 1.0, BAD, True, UNKNOWN),
    (High(4.5), 9.0, UNCERTAIN, False, ON),
    (High(4.5), 1.0, UNCERTAIN, True, UNKNOWN),
    (Low(0.6, 0.05), 0.59, GOOD, False, ON),
    (Low(0.6, 0.05), 0.62, GOOD, True, ON),
    (Low(0.6, 0.05), 0.62, GOOD, False, OFF),
    (Low(0.6, 0.05), 0.7, GOOD, True, OFF),
    (Low(0.6), NAN, GOOD, False, UNKNOWN),
    (Score(), 1.01, GOOD, False, ON),
    (Score(), 1.0, GOOD, False, OFF),
    (Score(), NAN, BAD, True, UNKNOWN),
    (Bad(), 1.0, GOOD, True, OFF),
    (Bad(), 1.0, UNCERTAIN, True, OFF),
    (Bad(), NAN, GOOD, False, ON),
    (Bad(), 1.0, BAD, False, ON),
]


@pytest.mark.parametrize(("rule", "value", "quality", "leans_on", "condition"), CASES)
def test_what_a_reading_proves(
    rule: ValueRule, value: float, quality: Quality, leans_on: bool, condition: str
) -> None:
    assert rule.judge(reading(value, quality), None, leans_on=leans_on) is condition


@pytest.mark.parametrize(
    ("value", "time_s", "leans_on", "condition"),
    [
        (12.1, 1.0, False, ON),
        (7.9, 1.0, False, ON),
        (11.9, 1.0, False, OFF),
        (11.9, 1.0, True, ON),
        (11.4, 1.0, True, OFF),
        (12.1, 2.0, False, OFF),
        (50.0, 0.0, False, OFF),
        (50.0, 0.0, True, ON),
        (50.0, -1.0, False, OFF),
    ],
)
def test_a_rate_is_the_way_over_the_time_between_two_readings(
    value: float, time_s: float, leans_on: bool, condition: Condition
) -> None:
    rule = Rate(2.0, 0.5)
    found = rule.judge(reading(value, time_s=time_s), reading(10.0), leans_on=leans_on)
    assert found is condition


def test_a_rate_needs_two_usable_readings() -> None:
    rule = Rate(2.0)
    assert rule.judge(reading(1.0), None, leans_on=False) is UNKNOWN
    assert rule.judge(reading(NAN, BAD), reading(1.0), leans_on=False) is UNKNOWN


def test_a_held_reading_is_the_same_value_later() -> None:
    held = reading(3.0, time_s=10.0).held_until(12.5)
    assert (held.value, held.time_ns, held.at_s) == (3.0, round(12.5 * _S), 12.5)


@pytest.mark.parametrize(
    ("age_s", "condition"), [(5.0, OFF), (5.1, ON), (NAN, ON), (0.0, OFF)]
)
def test_stale_is_what_is_not_proved_fresh(age_s: float, condition: Condition) -> None:
    assert Stale(5.0).judge_age(age_s) is condition


@pytest.mark.parametrize("rule", [High(4.5, 0.3), Low(0.6, 0.1), Score(), Bad()])
def test_good_values_within_the_calm_span_raise_nothing(rule: ValueRule) -> None:
    low, high = rule.calm
    for value in (max(low, -1e9), min(high, 1e9)):
        assert rule.judge(reading(value), None, leans_on=False) is OFF


def test_no_value_is_calm_for_a_rate() -> None:
    assert Rate(1.0).calm == NOTHING
