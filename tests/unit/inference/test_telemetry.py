"""What a model says of itself while it works."""

from __future__ import annotations

import math

import pytest

from appliance.inference.detector import Verdict
from appliance.inference.telemetry import MEMORY, Telemetry, memory_bytes


def test_nothing_is_said_before_something_is_known() -> None:
    assert Telemetry().told() == {}


def test_the_figures_are_quantiles_of_the_newest_windows() -> None:
    telemetry = Telemetry()
    for _ in range(3):
        telemetry.took(99.0)
    for place in range(MEMORY):
        telemetry.took(0.001 * (1 + place % 2))
        telemetry.saw(Verdict(0.5, 2.0, mode="running"), 1.0)
    told = telemetry.told()
    assert told["took_ms_p50"] == pytest.approx(1.5, abs=0.5)
    assert told["took_ms_p99"] == 2.0
    assert told["score_p50"] == told["score_p99"] == 0.25
    assert told["confidence"] == 1.0
    assert told["unknown_mode_share"] == 0.0


def test_what_cannot_be_judged_is_not_sure_and_an_unknown_mode_is_counted() -> None:
    telemetry = Telemetry()
    telemetry.saw(Verdict(0.5, 1.0, mode="running"), 0.8)
    telemetry.saw(Verdict(math.nan, 1.0, mode="unknown"), 1.0)
    told = telemetry.told()
    assert told["confidence"] == 0.4
    assert told["unknown_mode_share"] == 0.5
    assert "took_ms_p50" not in told


def test_the_memory_of_this_process_is_some_megabytes() -> None:
    assert 5e6 < memory_bytes() < 64e9
