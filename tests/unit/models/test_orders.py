from __future__ import annotations

import math

import numpy as np
import pytest

from models.features.gear import floor_m_s2, gear_mesh
from models.features.orders import (
    by_angle,
    line_mm_s,
    shaft_orders,
    velocity_spectrum,
)

RATE_HZ, SHAFT_HZ = 10_240.0, 24.7
TIME_S = np.arange(8192) / RATE_HZ


def shaking(orders: dict[float, float], *, shaft_hz: float = SHAFT_HZ) -> np.ndarray:
    """Return acceleration in m/s² of lines given as velocity in mm/s RMS."""
    points = np.zeros(len(TIME_S))
    for order, velocity_mm_s in orders.items():
        omega = 2.0 * np.pi * order * shaft_hz
        peak = math.sqrt(2.0) * 1e-3 * velocity_mm_s * omega
        points += peak * np.sin(omega * TIME_S + order)
    return points


def test_each_multiple_of_the_shaft_has_its_own_velocity() -> None:
    points = shaking({1: 2.0, 2: 1.0, 3: 0.5, 5: 0.3, 7: 0.4, 1.5: 0.6})
    orders = shaft_orders(velocity_spectrum(points, RATE_HZ), SHAFT_HZ)
    assert orders.one == pytest.approx(2.0, rel=0.02)
    assert orders.two == pytest.approx(1.0, rel=0.02)
    assert orders.three == pytest.approx(0.5, rel=0.02)
    assert orders.high == pytest.approx(0.5, rel=0.02)
    assert orders.half == pytest.approx(0.6, rel=0.02)


def test_a_line_that_is_not_there_has_next_to_nothing() -> None:
    noise = np.random.default_rng(1).normal(size=len(TIME_S))
    spectrum = velocity_spectrum(shaking({1: 2.0}) + 0.1 * noise, RATE_HZ)
    assert line_mm_s(spectrum, 4.0 * SHAFT_HZ) < 0.02


@pytest.mark.parametrize("frequency_hz", [0.0, 2.0, 5119.0, 9000.0, math.nan])
def test_a_line_that_is_not_resolved_is_unknown(frequency_hz: float) -> None:
    spectrum = velocity_spectrum(shaking({1: 2.0}), RATE_HZ)
    assert math.isnan(line_mm_s(spectrum, frequency_hz))


def test_a_shaft_too_slow_for_the_burst_has_unknown_orders() -> None:
    orders = shaft_orders(velocity_spectrum(shaking({1: 2.0}), RATE_HZ), 0.1)
    assert all(math.isnan(each) for each in orders)


def test_a_burst_of_varying_speed_is_sharp_again_by_angle() -> None:
    """A run-up by a fifth smears the tenth order; at equal angles it is one line."""
    track_s = np.array([0.0, TIME_S[-1]])
    track_rpm = 60.0 * np.array([22.0, 27.0])
    speed_hz = np.interp(TIME_S, track_s, track_rpm / 60.0)
    turns = np.concatenate(([0.0], np.cumsum((speed_hz[1:] + speed_hz[:-1]) / 2)))
    points = np.sin(2.0 * np.pi * 10.0 * turns / RATE_HZ)
    sharp = by_angle(points, RATE_HZ, track_s=track_s, track_rpm=track_rpm)
    mean_hz = float(turns[-1] / TIME_S[-1] / RATE_HZ)
    smeared_line = line_mm_s(velocity_spectrum(points, RATE_HZ), 10.0 * mean_hz)
    sharp_line = line_mm_s(velocity_spectrum(sharp, RATE_HZ), 10.0 * mean_hz)
    whole = 1000.0 / math.sqrt(2.0) / (2.0 * np.pi * 10.0 * mean_hz)
    assert sharp_line == pytest.approx(whole, rel=0.05)
    assert smeared_line < 0.7 * whole


def test_at_constant_speed_equal_angles_change_nothing() -> None:
    points = shaking({1: 2.0, 6: 0.5})
    same = by_angle(
        points, RATE_HZ, track_s=np.array([0.0]), track_rpm=np.array([1482.0])
    )
    assert np.abs(same - points).max() < 0.02 * np.abs(points).max()


def test_angles_need_a_burst_and_a_speed() -> None:
    rising = np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="above zero"):
        by_angle(
            shaking({1: 1.0}), RATE_HZ, track_s=rising, track_rpm=np.array([0.0, 9.0])
        )
    with pytest.raises(ValueError, match="burst of numbers"):
        by_angle(np.ones(9), RATE_HZ, track_s=rising, track_rpm=np.ones(2))


def test_a_worn_gear_has_side_bands_about_its_mesh() -> None:
    sound = {23.0: 1.0, 46.0: 0.5}
    worn = sound | {22.0: 0.3, 24.0: 0.3, 21.0: 0.2}
    before = gear_mesh(velocity_spectrum(shaking(sound), RATE_HZ), SHAFT_HZ, teeth=23)
    after = gear_mesh(velocity_spectrum(shaking(worn), RATE_HZ), SHAFT_HZ, teeth=23)
    assert before.mesh_hz == pytest.approx(23 * SHAFT_HZ)
    assert before.mesh_mm_s == pytest.approx(math.hypot(1.0, 0.5), rel=0.02)
    assert before.sides_mm_s < 0.05
    assert after.sides_mm_s == pytest.approx(math.sqrt(0.22), rel=0.05)


def test_a_mesh_beyond_half_the_rate_is_unknown() -> None:
    spectrum = velocity_spectrum(shaking({1: 1.0}), RATE_HZ)
    assert math.isnan(gear_mesh(spectrum, SHAFT_HZ, teeth=300).mesh_mm_s)
    assert math.isfinite(gear_mesh(spectrum, SHAFT_HZ, teeth=150).mesh_mm_s)


def test_the_floor_of_a_band_is_that_of_its_noise() -> None:
    noise = 2.0 * np.random.default_rng(2).normal(size=len(TIME_S))
    whole_hz = RATE_HZ / 2.0
    expected = 2.0 * math.sqrt(800.0 / whole_hz)
    found = floor_m_s2(noise, RATE_HZ, band_hz=(4000.0, 4800.0))
    assert found == pytest.approx(expected, rel=0.1)
    with_line = noise + 50.0 * np.sin(2.0 * np.pi * 4400.0 * TIME_S)
    again = floor_m_s2(with_line, RATE_HZ, band_hz=(4000.0, 4800.0))
    assert again == pytest.approx(found, rel=0.05)


def test_a_band_of_a_few_bins_has_no_floor() -> None:
    noise = np.random.default_rng(2).normal(size=len(TIME_S))
    assert math.isnan(floor_m_s2(noise, RATE_HZ, band_hz=(4000.0, 4004.0)))
