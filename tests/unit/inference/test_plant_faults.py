"""The simulated plant's own physics before the product's own judge, without a wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.plant_faults import run
from benchmarks.support.plant_stories import MACHINE, SENSORS, days_of, story
from benchmarks.support.skid import NUMBERS, Learner, Observer, Skid
from benchmarks.support.skid_config import Rates

if TYPE_CHECKING:
    from benchmarks.support.plant_page import Outcome
    from models.bundle import Bundle

RATES = Rates(burst_s=10.0)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Learned on some minutes of healthy running at one load."""
    skid, learner = Skid(story(process=""), RATES), Learner(RATES)
    for batch in skid.until(360.0):
        learner.push(batch)
    return learner.learn()


def outcome(name: str, severity: float, bundle: Bundle) -> Outcome:
    (case,) = (each for each in (*MACHINE, *SENSORS) if each.name == name)
    return run(case, severity, bundle, for_s=70.0, process="", rates=RATES)


@pytest.mark.parametrize(
    ("name", "severity"),
    [("inner race", 0.2), ("unbalance", 0.5)],
)
def test_a_grown_fault_is_found_soon_and_named(
    name: str, severity: float, bundle: Bundle
) -> None:
    seen = outcome(name, severity, bundle)
    assert seen.early == 0
    assert seen.delay_s is not None
    assert seen.delay_s < 30.0
    assert seen.right, seen.named


def test_a_blocked_pipe_is_found_though_nothing_shakes(bundle: Bundle) -> None:
    seen = outcome("discharge blocked", 0.5, bundle)
    assert seen.delay_s is not None
    assert seen.velocity_mm_s < 1.5


@pytest.mark.parametrize("name", ["flow stuck"])
def test_a_broken_instrument_is_told_and_health_does_not_fall(
    name: str, bundle: Bundle
) -> None:
    seen = outcome(name, 1.0, bundle)
    assert seen.delay_s is None
    assert seen.findings == (seen.case.sensor,)


def test_a_healthy_machine_is_left_in_peace(bundle: Bundle) -> None:
    skid, seen = Skid(story(process="", seed=5), RATES), Observer(bundle, RATES)
    for batch in skid.until(160.0):
        seen.push(batch)
    assert seen.told.onsets_s == []
    assert seen.told.findings == set()
    assert seen.told.modes["running"] > 100


def test_another_load_is_unknown_and_not_abnormal(bundle: Bundle) -> None:
    skid = Skid(story(process="valve_pct = 90.0", seed=5), RATES)
    seen = Observer(bundle, RATES)
    for batch in skid.until(120.0):
        seen.push(batch)
    assert seen.told.onsets_s == []
    assert seen.told.modes["unknown"] > 50
    assert np.isnan(seen.told.values["health_index"])


def test_at_night_it_stands_for_a_while_and_starts_again() -> None:
    skid = Skid(story(process=""), Rates(step_s=30.0, burst_s=86_400.0))
    speed = list(NUMBERS).index(next(t for t in NUMBERS if t.endswith("/speed")))
    batches = [batch for batch in days_of(skid, 0.25) if skid.t_s > 600.0]
    stood = [batch for batch in batches if batch.value[speed] < 100.0]
    assert 85 <= len(stood) <= 95  # three quarters of an hour
    assert batches[-1].value[speed] > 1400.0
