from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.inference.life import MAX_POINTS, DegradationPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.domain.health import RemainingLife

LEVEL = 7.1
FAILS_H = 480.0
RATE = math.log(LEVEL / 1.2) / FAILS_H


def exponential(hours: float) -> float:
    return 1.2 * math.exp(RATE * hours)


def with_onset(hours: float) -> float:
    rate = math.log(LEVEL / 1.2) / (0.6 * FAILS_H)
    return 1.2 * math.exp(rate * max(0.0, hours - 0.4 * FAILS_H))


def energies_add(hours: float) -> float:
    part = math.sqrt(LEVEL**2 - 1.2**2) * math.exp(0.012 * (hours - FAILS_H))
    return math.hypot(1.2, part)


def life_at(
    path: Callable[[float], float],
    until_h: float,
    *,
    seed: int,
    points: int = 60,
    noise: float = 0.05,
) -> RemainingLife | None:
    rng = np.random.default_rng(seed)
    track = DegradationPath(LEVEL)
    for hours in np.linspace(0.0, until_h, points):
        track.add(float(hours), path(hours) * math.exp(noise * rng.normal()))
    return track.remaining()


@pytest.mark.parametrize(
    ("path", "part"),
    [(exponential, 0.5), (exponential, 0.9), (with_onset, 0.7), (energies_add, 0.9)],
)
def test_four_in_five_intervals_hold_the_truth(
    path: Callable[[float], float], part: float
) -> None:
    left_h = FAILS_H * (1.0 - part)
    lives = [life_at(path, FAILS_H * part, seed=seed) for seed in range(100)]
    told = [life for life in lives if life is not None]
    assert len(told) >= 95
    assert sum(life.low_h <= left_h <= life.high_h for life in told) >= 70
    expected = np.median([life.expected_h for life in told])
    assert expected == pytest.approx(left_h, rel=0.1)
    assert all(life.confidence == 0.8 for life in told)


@pytest.mark.parametrize("points", [20, 60, 1000])
def test_a_healthy_path_has_no_remaining_life_to_tell(points: int) -> None:
    lives = [
        life_at(lambda _: 1.2, 480.0, seed=seed, points=points, noise=0.1)
        for seed in range(60)
    ]
    assert sum(life is None for life in lives) >= 55


def test_a_falling_path_has_no_remaining_life_to_tell() -> None:
    assert life_at(lambda h: 5.0 * math.exp(-0.01 * h), 300.0, seed=0) is None


def test_the_interval_narrows_towards_the_end() -> None:
    def width(part: float) -> float:
        lives = [life_at(exponential, FAILS_H * part, seed=s) for s in range(10)]
        return float(np.median([life.high_h - life.low_h for life in lives if life]))

    assert width(0.9) < width(0.5) < width(0.2)


def test_the_same_past_has_the_same_future() -> None:
    assert life_at(exponential, 300.0, seed=3) == life_at(exponential, 300.0, seed=3)


def test_beyond_the_level_nothing_remains() -> None:
    life = life_at(exponential, 1.2 * FAILS_H, seed=0)
    assert life is not None
    assert (life.low_h, life.expected_h, life.high_h) == (0.0, 0.0, 0.0)


def test_an_interval_holds_its_expectation() -> None:
    for seed in range(20):
        life = life_at(energies_add, 400.0, seed=seed)
        assert life is not None
        assert 0.0 <= life.low_h <= life.expected_h <= life.high_h


def test_wild_points_do_not_carry_the_expectation_away() -> None:
    rng = np.random.default_rng(0)
    track = DegradationPath(LEVEL)
    for i, hours in enumerate(np.linspace(0.0, 300.0, 100)):
        wild = 3.0 if i % 20 == 10 else 1.0
        track.add(hours, exponential(hours) * wild * math.exp(0.03 * rng.normal()))
    life = track.remaining()
    assert life is not None
    assert life.expected_h == pytest.approx(180.0, rel=0.15)


def test_overlapping_observations_are_worth_fewer_points() -> None:
    plain, overlapping = DegradationPath(LEVEL), DegradationPath(LEVEL, overlap_rows=9)
    for hours in np.linspace(0.0, 300.0, 20):
        plain.add(hours, exponential(hours))
        overlapping.add(hours, exponential(hours))
    assert plain.remaining() is not None
    assert overlapping.remaining() is None


def test_few_points_are_no_evidence() -> None:
    assert life_at(exponential, 300.0, seed=0, points=7, noise=0.0) is None


def test_a_machine_that_stands_still_does_not_age() -> None:
    track = DegradationPath(LEVEL)
    for _ in range(100):
        track.add(5.0, 3.0)
    assert track.remaining() is None


@pytest.mark.parametrize(
    ("hours", "value"), [(math.nan, 1.0), (1.0, math.nan), (1.0, 0.0), (1.0, -2.0)]
)
def test_what_is_no_number_is_no_evidence(hours: float, value: float) -> None:
    with_it, without = DegradationPath(LEVEL), DegradationPath(LEVEL)
    with_it.add(hours, value)
    for path in (with_it, without):
        for each in np.linspace(2.0, 300.0, 40):
            path.add(each, exponential(each))
    assert with_it.remaining() == without.remaining()


def test_an_hour_meter_that_goes_back_begins_a_new_life() -> None:
    track, fresh = DegradationPath(LEVEL), DegradationPath(LEVEL)
    for hours in np.linspace(1000.0, 1400.0, 40):
        track.add(hours, exponential(hours - 1000.0))
    for path in (track, fresh):
        for hours in np.linspace(0.0, 300.0, 40):
            path.add(hours, exponential(hours))
    assert track.remaining() == fresh.remaining()


def test_a_long_past_is_kept_in_bounded_memory() -> None:
    track = DegradationPath(LEVEL)
    rng = np.random.default_rng(0)
    for hours in np.linspace(0.0, 300.0, 20 * MAX_POINTS):
        track.add(hours, exponential(hours) * math.exp(0.1 * rng.normal()))
    assert len(track._points) < MAX_POINTS
    life = track.remaining()
    assert life is not None
    assert life.expected_h == pytest.approx(180.0, rel=0.05)
    assert life.high_h - life.low_h < 20.0


def test_a_level_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        DegradationPath(0.0)


def test_a_jump_foretells_nothing() -> None:
    told = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        track = DegradationPath(LEVEL)
        for hours in np.linspace(0.0, 300.0, 80):
            level = 1.2 if hours < 150.0 else 2.4
            track.add(float(hours), level * math.exp(0.05 * rng.normal()))
        told += track.remaining() is not None
    assert told <= 2


def test_behind_a_jump_growth_is_followed_anew() -> None:
    rng = np.random.default_rng(0)
    track = DegradationPath(LEVEL)
    for hours in np.linspace(-200.0, 0.0, 60):
        track.add(float(hours), 0.4 * math.exp(0.03 * rng.normal()))
    for hours in np.linspace(0.0, 300.0, 90)[1:]:
        track.add(float(hours), exponential(hours) * math.exp(0.03 * rng.normal()))
    life = track.remaining()
    assert life is not None
    assert life.low_h <= 180.0 <= life.high_h
    assert life.expected_h == pytest.approx(180.0, rel=0.1)


def test_what_lies_far_beyond_the_past_is_not_told() -> None:
    rng = np.random.default_rng(0)
    track = DegradationPath(1000.0 * LEVEL)
    for hours in np.linspace(0.0, 300.0, 60):
        track.add(float(hours), exponential(hours) * math.exp(0.01 * rng.normal()))
    assert track.remaining() is None  # it rises, but would last 2000 h


def test_over_many_machines_the_interval_covers_what_it_says() -> None:
    """Random bases, noises, lives and moments; the benchmark runs hundreds more."""
    rng = np.random.default_rng(7)
    held = []
    for _ in range(120):
        base, fails_h = rng.uniform(0.8, 2.5), rng.uniform(100.0, 2000.0)
        rate, part = math.log(LEVEL / base) / fails_h, rng.uniform(0.4, 0.95)
        noise = rng.uniform(0.02, 0.1)
        track = DegradationPath(LEVEL)
        for hours in np.linspace(0.0, part * fails_h, int(rng.integers(30, 150))):
            value = base * math.exp(rate * hours + noise * rng.normal())
            track.add(float(hours), value)
        life = track.remaining()
        if life is not None:
            held.append(life.low_h <= (1.0 - part) * fails_h <= life.high_h)
    assert len(held) > 100
    assert 0.70 <= np.mean(held) <= 0.90
