from __future__ import annotations

import math

import numpy as np
import pytest

from models.features import BearingGeometry
from models.features.lines import (
    bearing_lines,
    comb,
    peak,
    prominence_db,
    sidebands_db,
    slow_train,
)
from models.features.vibration import EnvelopeSpectrum, envelope_spectrum

RATE_HZ, SHAFT_HZ = 10_240.0, 24.7
TIME_S = np.arange(8192) / RATE_HZ
BEARING = BearingGeometry(balls=9, ball_diameter_mm=7.94, pitch_diameter_mm=39.04)
FREQUENCIES = BEARING.frequencies(60.0 * SHAFT_HZ)


def envelope_of(
    blows_hz: float, *, modulated_hz: float = 0.0, noise: float = 0.3, seed: int = 1
) -> EnvelopeSpectrum:
    """Return the envelope of a carrier at 3 kHz, struck, in noise."""
    age_s = np.mod(TIME_S, 1.0 / blows_hz)
    carrier = np.exp(-500.0 * age_s) * np.sin(2 * np.pi * 3000.0 * TIME_S)
    load = 1.0 + 0.7 * np.cos(2 * np.pi * modulated_hz * TIME_S)
    rng = np.random.default_rng(seed)
    points = 3.0 * load * carrier + noise * rng.normal(size=len(TIME_S))
    return envelope_spectrum(points, RATE_HZ)


def test_damage_of_the_inner_race_has_its_line_and_side_bands_of_the_shaft() -> None:
    envelope = envelope_of(FREQUENCIES.bpfi, modulated_hz=SHAFT_HZ)
    lines = bearing_lines(envelope, FREQUENCIES, SHAFT_HZ)
    assert lines.inner.level_db > 15.0
    assert lines.inner_sides_db > 8.0
    assert lines.inner.frequency_hz == pytest.approx(FREQUENCIES.bpfi, rel=0.005)
    assert not lines.stranger.level_db > lines.inner.level_db


def test_damage_of_the_outer_race_has_a_line_without_side_bands() -> None:
    lines = bearing_lines(envelope_of(FREQUENCIES.bpfo), FREQUENCIES, SHAFT_HZ)
    assert lines.outer.level_db > 15.0
    assert lines.outer_sides_db < 5.0
    assert math.isnan(lines.stranger.level_db)


def test_damage_of_a_ball_stands_at_twice_its_spin_with_the_cage_beside_it() -> None:
    envelope = envelope_of(2.0 * FREQUENCIES.bsf, modulated_hz=FREQUENCIES.ftf)
    lines = bearing_lines(envelope, FREQUENCIES, SHAFT_HZ)
    assert lines.element.level_db > 15.0
    assert lines.element_sides_db > 8.0


def test_blows_that_no_part_of_the_bearing_explains_are_a_stranger() -> None:
    unknown_hz = 4.37 * SHAFT_HZ
    lines = bearing_lines(envelope_of(unknown_hz), FREQUENCIES, SHAFT_HZ)
    assert lines.stranger.frequency_hz == pytest.approx(unknown_hz, rel=0.005)
    named = (lines.outer, lines.inner, lines.element, lines.cage)
    assert lines.stranger.level_db > max(each.level_db for each in named) + 6.0


def test_blows_once_a_turn_are_the_shaft_s_own() -> None:
    lines = bearing_lines(envelope_of(SHAFT_HZ), FREQUENCIES, SHAFT_HZ)
    assert not lines.stranger.level_db > 8.0


def test_without_a_speed_nobody_is_a_stranger() -> None:
    envelope = envelope_of(4.37 * SHAFT_HZ)
    nobody = bearing_lines(envelope, BEARING.frequencies(math.nan), math.nan)
    assert math.isnan(nobody.stranger.level_db)
    assert math.isnan(nobody.outer.level_db)


def test_a_line_further_off_than_slip_allows_is_none() -> None:
    envelope = envelope_of(FREQUENCIES.bpfo)
    over_db = prominence_db(envelope.amplitude)
    step_hz = envelope.resolution_hz
    assert comb(over_db, step_hz, 0.99 * FREQUENCIES.bpfo).level_db > 15.0
    assert comb(over_db, step_hz, 0.96 * FREQUENCIES.bpfo).level_db < 8.0


def test_a_slow_train_is_heard_though_its_lines_leave_no_floor() -> None:
    cage_hz = 9.4
    count = 4096
    envelope = envelope_of(cage_hz)
    short = EnvelopeSpectrum(envelope.amplitude[: count // 2], envelope.resolution_hz)
    assert slow_train(short, cage_hz).level_db > 12.0


def test_noise_has_no_slow_train_and_no_line() -> None:
    rng = np.random.default_rng(4)
    heights = []
    for _ in range(40):
        envelope = envelope_spectrum(rng.normal(size=4096), RATE_HZ)
        lines = bearing_lines(envelope, FREQUENCIES, SHAFT_HZ)
        named = (lines.outer, lines.inner, lines.element, lines.cage)
        heights += [each.level_db for each in named if math.isfinite(each.level_db)]
    assert len(heights) > 100
    assert np.mean(heights) < 4.0
    assert np.quantile(heights, 0.99) < 10.0


def test_what_is_not_resolved_is_unknown() -> None:
    over_db = np.zeros(100)
    assert math.isnan(peak(over_db, 1.0, 2.0).level_db)
    assert math.isnan(peak(over_db, 1.0, 99.0).level_db)
    assert math.isnan(peak(over_db, 1.0, math.nan).level_db)
    assert math.isnan(sidebands_db(over_db, 1.0, 50.0, 1.5))
    assert math.isnan(slow_train(EnvelopeSpectrum(np.ones(20), 1.0), 5.0).level_db)
    assert math.isnan(slow_train(EnvelopeSpectrum(np.zeros(99), 1.0), 5.0).level_db)


def test_a_spectrum_too_short_for_a_floor_has_no_prominence() -> None:
    assert np.isnan(prominence_db(np.ones(10))).all()
    lines = bearing_lines(EnvelopeSpectrum(np.ones(10), 2.5), FREQUENCIES, SHAFT_HZ)
    assert math.isnan(lines.outer.level_db)
    assert math.isnan(lines.stranger.level_db)
