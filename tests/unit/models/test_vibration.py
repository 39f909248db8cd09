from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import BearingGeometry
from models.features.vibration import (
    burst_measures,
    default_band_hz,
    envelope_spectrum,
    line_level_db,
    line_levels_db,
    velocity_rms_mm_s,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE_HZ = 10_240.0
TIME_S = np.arange(4096) / RATE_HZ
BEARING = BearingGeometry(balls=9, ball_diameter_mm=7.94, pitch_diameter_mm=39.04)
OTHER_BEARING = BearingGeometry(balls=7, ball_diameter_mm=9.5, pitch_diameter_mm=34.0)


def sine(frequency_hz: float, peak: float) -> NDArray[np.float64]:
    return np.asarray(peak * np.sin(2 * np.pi * frequency_hz * TIME_S))


def ringing(defect_hz: float, *, seed: int = 1) -> NDArray[np.float64]:
    """A carrier at 3 kHz, struck `defect_hz` times a second, in noise."""
    age_s = np.mod(TIME_S, 1.0 / defect_hz)
    carrier = np.exp(-500.0 * age_s) * np.sin(2 * np.pi * 3000.0 * TIME_S)
    noise = np.random.default_rng(seed).normal(size=len(TIME_S))
    return np.asarray(3.0 * carrier + 0.3 * noise)


@pytest.mark.parametrize("frequency_hz", [50.0, 157.3, 160.0, 700.0])
@pytest.mark.parametrize("peak", [0.1, 5.0])
def test_velocity_of_a_sine_is_its_amplitude_over_omega(
    frequency_hz: float, peak: float
) -> None:
    expected = 1000.0 * peak / (2 * math.pi * frequency_hz) / math.sqrt(2.0)
    found = velocity_rms_mm_s(sine(frequency_hz, peak), RATE_HZ)
    assert found == pytest.approx(expected, rel=0.005)


def test_velocity_of_two_sines_adds_their_energies() -> None:
    both = velocity_rms_mm_s(sine(50.0, 1.0) + sine(400.0, 9.0), RATE_HZ)
    apart = [velocity_rms_mm_s(sine(f, a), RATE_HZ) for f, a in ((50, 1), (400, 9))]
    assert both == pytest.approx(math.hypot(*apart), rel=1e-3)


def test_velocity_leaves_out_what_is_outside_ten_to_a_thousand_hertz() -> None:
    inside = sine(100.0, 1.0)
    outside = sine(3000.0, 20.0) + sine(2.5, 0.01) + 9.81
    expected = velocity_rms_mm_s(inside, RATE_HZ)
    assert velocity_rms_mm_s(inside + outside, RATE_HZ) == pytest.approx(
        expected, rel=0.02
    )


@pytest.mark.parametrize(("points", "rate_hz"), [(512, 10_240.0), (4096, 1_600.0)])
def test_velocity_is_unknown_where_the_burst_cannot_show_the_band(
    points: int, rate_hz: float
) -> None:
    assert math.isnan(velocity_rms_mm_s(np.ones(points), rate_hz))


def test_a_sine_has_its_textbook_kurtosis_and_crest_factor() -> None:
    found = burst_measures(sine(160.0, 2.0), RATE_HZ)
    assert found.acceleration_rms_m_s2 == pytest.approx(math.sqrt(2.0), rel=1e-4)
    assert found.kurtosis == pytest.approx(1.5, rel=1e-3)
    assert found.crest_factor == pytest.approx(math.sqrt(2.0), rel=1e-3)


def test_gaussian_noise_has_a_kurtosis_of_three() -> None:
    noise = np.random.default_rng(5).normal(size=200_000)
    assert burst_measures(noise, RATE_HZ).kurtosis == pytest.approx(3.0, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(-50.0, 50.0), st.integers(0, 1000))
def test_measures_scale_with_the_signal_and_ignore_its_offset(
    factor: float, offset: float, seed: int
) -> None:
    points = np.random.default_rng(seed).normal(size=4096)
    plain = burst_measures(points, RATE_HZ)
    moved = burst_measures(factor * points + factor * offset, RATE_HZ)
    assert moved.velocity_rms_mm_s == pytest.approx(factor * plain.velocity_rms_mm_s)
    assert moved.acceleration_rms_m_s2 == pytest.approx(
        factor * plain.acceleration_rms_m_s2
    )
    assert moved.kurtosis == pytest.approx(plain.kurtosis)
    assert moved.crest_factor == pytest.approx(plain.crest_factor)


def test_a_flat_signal_has_no_shape() -> None:
    flat = burst_measures(np.full(4096, 2.5), RATE_HZ)
    assert flat.acceleration_rms_m_s2 == 0.0
    assert flat.velocity_rms_mm_s == 0.0
    assert math.isnan(flat.kurtosis)
    assert math.isnan(flat.crest_factor)


@pytest.mark.parametrize(
    "points",
    [np.zeros(0), np.ones(100), np.append(np.ones(4095), np.nan), np.ones((64, 64))],
    ids=["empty", "short", "not-a-number", "two-dimensional"],
)
def test_a_burst_that_is_no_burst_measures_nothing(points: NDArray[np.float64]) -> None:
    assert all(math.isnan(each) for each in burst_measures(points, RATE_HZ))


@pytest.mark.parametrize("defect", ["bpfo", "bpfi"])
def test_the_line_of_a_defect_stands_at_its_frequency_alone(defect: str) -> None:
    frequencies = BEARING.frequencies(1480.0)
    envelope = envelope_spectrum(ringing(getattr(frequencies, defect)), RATE_HZ)
    levels = dict(
        zip(frequencies._fields, line_levels_db(envelope, frequencies), strict=True)
    )
    others = [level for name, level in levels.items() if name != defect]
    assert levels[defect] > 20.0
    # twice bpfi is close to three times bpfo on every ball bearing of usual shape
    assert max(others) < levels[defect] - 8.0


@pytest.mark.parametrize("defect", ["bpfo", "bpfi", "ftf"])
def test_a_modulated_carrier_shows_the_frequency_of_its_modulation(defect: str) -> None:
    frequencies = BEARING.frequencies(1480.0)
    modulation = sine(getattr(frequencies, defect), 0.5)
    noise = np.random.default_rng(2).normal(size=len(TIME_S))
    points = (1.0 + modulation) * sine(3000.0, 2.0) + 0.2 * noise
    levels = dict(
        zip(
            frequencies._fields,
            line_levels_db(envelope_spectrum(points, RATE_HZ), frequencies),
            strict=True,
        )
    )
    assert max(levels, key=levels.__getitem__) == defect
    assert levels[defect] > 15.0


def test_a_ball_is_sought_where_it_strikes_twice_a_turn() -> None:
    frequencies = BEARING.frequencies(1480.0)
    envelope = envelope_spectrum(ringing(2.0 * frequencies.bsf), RATE_HZ)
    bpfo, bpfi, bsf, ftf = line_levels_db(envelope, frequencies)
    assert bsf > max(bpfo, bpfi, ftf) + 8.0


def test_the_wrong_geometry_sees_no_line() -> None:
    envelope = envelope_spectrum(ringing(BEARING.frequencies(1480.0).bpfo), RATE_HZ)
    assert max(line_levels_db(envelope, OTHER_BEARING.frequencies(1480.0))) < 10.0


def test_noise_alone_has_no_line() -> None:
    frequencies = BEARING.frequencies(1480.0)
    noise = np.random.default_rng(3).normal(size=(50, 4096))
    levels = [line_levels_db(envelope_spectrum(n, RATE_HZ), frequencies) for n in noise]
    assert np.mean(levels) < 8.0
    assert np.max(levels) < 15.0


def test_a_line_level_does_not_depend_on_the_signal_s_size() -> None:
    frequency_hz = BEARING.frequencies(1480.0).bpfo
    small = envelope_spectrum(ringing(frequency_hz), RATE_HZ)
    large = envelope_spectrum(1000.0 * ringing(frequency_hz), RATE_HZ)
    assert line_level_db(large, frequency_hz) == pytest.approx(
        line_level_db(small, frequency_hz)
    )


@pytest.mark.parametrize("frequency_hz", [math.nan, 0.0, 5.0, 4000.0])
def test_a_line_that_is_not_resolved_is_unknown(frequency_hz: float) -> None:
    envelope = envelope_spectrum(ringing(88.0), RATE_HZ)
    assert math.isnan(line_level_db(envelope, frequency_hz))


def test_a_silent_envelope_has_unknown_lines() -> None:
    envelope = envelope_spectrum(np.zeros(4096), RATE_HZ)
    assert math.isnan(line_level_db(envelope, 88.0))


def test_a_band_without_the_carrier_sees_no_line() -> None:
    frequency_hz = BEARING.frequencies(1480.0).bpfo
    lines = {
        band: line_level_db(
            envelope_spectrum(ringing(frequency_hz), RATE_HZ, band_hz=band),
            frequency_hz,
        )
        for band in ((2500.0, 3500.0), (4300.0, 5000.0))
    }
    assert lines[2500.0, 3500.0] > lines[4300.0, 5000.0] + 10.0


def test_the_default_band_lies_between_the_hum_and_half_the_rate() -> None:
    assert default_band_hz(10_240.0) == pytest.approx((1024.0, 4608.0))
    assert default_band_hz(2_560.0) == pytest.approx((500.0, 1152.0))
