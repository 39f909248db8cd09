from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inference.usual import FEWEST, MEMORY, UsualSymptoms


def seen(values: list[float]) -> UsualSymptoms:
    usual = UsualSymptoms()
    for value in values:
        if usual.wants():
            usual.remember({"flow": value})
    return usual


def test_a_few_values_say_nothing_of_what_is_usual() -> None:
    usual = seen([80.0 + i for i in range(FEWEST - 1)])
    assert usual.of("flow") is None
    assert usual.changes({"flow": 1.0}) == {}


def test_a_change_is_told_in_spreads_per_cent_and_multiples() -> None:
    usual = seen([79.0, 80.0, 81.0] * 5)
    changes = usual.changes({"flow": 60.0, "unheard_of": 1.0})
    assert changes["flow_usual"] == 80.0
    assert changes["flow_pct"] == pytest.approx(-25.0)
    assert changes["flow_ratio"] == pytest.approx(0.75)
    assert changes["flow_z"] == pytest.approx(-20.0 / 1.4826)
    assert set(changes) == {"flow_usual", "flow_pct", "flow_ratio", "flow_z"}


def test_a_value_that_never_moved_has_the_spread_of_its_instrument() -> None:
    usual = seen([50.0] * 20).of("flow")
    assert usual is not None
    assert usual.spread == pytest.approx(0.1)


def test_a_symptom_that_was_always_zero_has_no_change() -> None:
    assert seen([0.0] * 20).changes({"flow": 3.0}) == {}


def test_what_cannot_be_measured_is_not_remembered() -> None:
    usual = seen([math.nan] * 50)
    assert usual.of("flow") is None


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000))
def test_the_memory_is_bounded_and_spans_the_whole_past(windows: int) -> None:
    usual = UsualSymptoms()
    for i in range(windows):
        if usual.wants():
            usual.remember({"flow": float(i)})
    found = usual.of("flow")
    if found is None:
        assert windows < MEMORY
    else:
        assert found.centre == pytest.approx(windows / 2.0, rel=0.25, abs=4.0)
