"""The waveform and the overall value are two views of one thing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim_plant.vibration import (
    BURST_POINTS,
    RESONANCE_HZ,
    SAMPLE_RATE_HZ,
    Impacts,
    Line,
    VibrationSources,
    band_velocity_mm_s,
    impact_velocity_mm_s,
    overall_velocity_mm_s,
    synthesise,
)

QUIET = VibrationSources(lines=(), impacts=None, floor_m_s2=0.0, hiss_m_s2=0.0)
SHAFT = (Line(24.7, 1.0), Line(49.4, 0.4), Line(148.0, 0.3))
BLOWS = Impacts(rate_hz=75.4, amplitude_m_s2=60.0)

CASES = {
    "shaft": VibrationSources(SHAFT, None, 0.0, 0.0),
    "white-noise": VibrationSources((), None, 2.0, 0.0),
    "cavitation": VibrationSources((), None, 0.0, 30.0),
    "impacts": VibrationSources((), BLOWS, 0.0, 0.0),
    "modulated-impacts": VibrationSources(
        (), Impacts(122.0, 60.0, modulation_hz=24.7, modulation_depth=0.6), 0.0, 0.0
    ),
    "all": VibrationSources(SHAFT, BLOWS, 0.5, 10.0),
}


@pytest.mark.parametrize("sources", CASES.values(), ids=CASES.keys())
def test_integrating_the_waveform_gives_the_overall_value(
    sources: VibrationSources,
) -> None:
    rng = np.random.default_rng(5)
    squares = [band_velocity_mm_s(synthesise(sources, rng)) ** 2 for _ in range(60)]
    assert math.sqrt(float(np.mean(squares))) == pytest.approx(
        overall_velocity_mm_s(sources), rel=0.06
    )


def test_components_outside_the_band_do_not_count() -> None:
    outside = VibrationSources((Line(5.0, 9.0), Line(1_500.0, 9.0)), None, 0.0, 0.0)
    assert overall_velocity_mm_s(outside) == 0.0


def test_without_sources_there_is_silence() -> None:
    burst = synthesise(QUIET, np.random.default_rng(1))
    assert burst.shape == (BURST_POINTS,)
    assert not burst.any()


@pytest.mark.parametrize("blows", [Impacts(0.0, 10.0), Impacts(75.0, 0.0)])
def test_no_rate_or_no_strength_means_no_velocity(blows: Impacts) -> None:
    assert impact_velocity_mm_s(blows) == 0.0
    sources = VibrationSources((), blows, 0.0, 0.0)
    assert not synthesise(sources, np.random.default_rng(1)).any()


def test_impacts_ring_at_the_housing_resonance() -> None:
    burst = synthesise(CASES["impacts"], np.random.default_rng(2))
    spectrum = np.abs(np.fft.rfft(burst))
    frequency_hz = np.fft.rfftfreq(BURST_POINTS, 1.0 / SAMPLE_RATE_HZ)
    assert frequency_hz[np.argmax(spectrum)] == pytest.approx(RESONANCE_HZ, abs=150.0)


def test_impacts_fill_the_burst_from_its_first_point_to_its_last() -> None:
    for seed in range(20):
        burst = synthesise(CASES["impacts"], np.random.default_rng(seed))
        thirds = np.array_split(np.abs(burst), 12)
        assert min(float(part.max()) for part in thirds) > 20.0


def test_the_same_generator_gives_the_same_burst() -> None:
    first = synthesise(CASES["all"], np.random.default_rng(9))
    again = synthesise(CASES["all"], np.random.default_rng(9))
    np.testing.assert_array_equal(first, again)
