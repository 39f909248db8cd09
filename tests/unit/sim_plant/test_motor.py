"""Speed, current and heat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_plant import motor
from sim_plant.motor import Cooling


def _settled_winding(load: float, cooling: Cooling | None = None) -> float:
    amperes = motor.current_a(1_480.0, energised=True, load=load)
    degc = motor.AMBIENT_DEGC
    for _ in range(40):
        degc = motor.next_winding_degc(
            degc,
            amperes=amperes,
            rpm=1_480.0,
            cooling=cooling or Cooling(),
            dt_s=36_000.0,
        )
    return degc


def test_rated_load_settles_at_rated_speed_current_and_temperature() -> None:
    rpm = 0.0
    for _ in range(500):
        rpm = motor.next_rpm(rpm, energised=True, load=1.0, dt_s=0.02)
    assert rpm == pytest.approx(motor.RATED_RPM, abs=0.1)
    assert motor.current_a(rpm, energised=True, load=1.0) == pytest.approx(40.9)
    assert _settled_winding(1.0) == pytest.approx(25.0 + 80.0, abs=5.0)


def test_the_soft_starter_holds_the_current_while_running_up() -> None:
    starting = motor.current_a(100.0, energised=True, load=0.1)
    assert motor.current_a(1_480.0, energised=True, load=0.8) < starting < 80.0


def test_a_switched_off_motor_coasts_to_standstill_within_seconds() -> None:
    rpm, seconds = motor.RATED_RPM, 0.0
    while rpm > 0.0:
        slower = motor.next_rpm(rpm, energised=False, load=0.8, dt_s=0.02)
        assert slower < rpm
        rpm, seconds = slower, seconds + 0.02
    assert 3.0 < seconds < 7.0
    assert motor.current_a(rpm, energised=False, load=0.0) == 0.0


def test_current_rises_with_load_and_never_below_the_magnetising_part() -> None:
    currents = [
        motor.current_a(1_480.0, energised=True, load=0.1 * tenth)
        for tenth in range(12)
    ]
    assert currents == sorted(currents)
    assert currents[0] == pytest.approx(0.38 * 40.9)


def test_a_cold_motor_takes_minutes_to_warm_up() -> None:
    degc = motor.next_winding_degc(
        25.0, amperes=40.9, rpm=1_480.0, cooling=Cooling(), dt_s=60.0
    )
    assert 29.0 < degc < 36.0


def test_blocked_cooling_overheats_the_winding() -> None:
    assert _settled_winding(0.78) < 120.0
    assert _settled_winding(0.78, Cooling(effectiveness=0.28)) > 155.0


def test_the_time_scale_hurries_heating_but_not_where_it_ends() -> None:
    hurried = Cooling(effectiveness=0.28, time_scale=24.0)
    slow = Cooling(effectiveness=0.28)
    assert _settled_winding(0.78, hurried) == pytest.approx(
        _settled_winding(0.78, slow)
    )
    first = [
        motor.next_winding_degc(
            87.0, amperes=33.5, rpm=1_480.0, cooling=cooling, dt_s=10.0
        )
        for cooling in (slow, hurried)
    ]
    assert first[1] - 87.0 > 15.0 * (first[0] - 87.0)


def test_damage_warms_the_bearing() -> None:
    def settled(damage: float) -> float:
        return motor.next_bearing_degc(
            45.0, rpm=1_480.0, load=0.8, damage=damage, dt_s=1e6
        )

    assert settled(1.0) == pytest.approx(settled(0.0) + 35.0)


@given(
    value=st.floats(-1e3, 1e3),
    target=st.floats(-1e3, 1e3),
    dt_s=st.floats(0.0, 1e6),
    tau_s=st.floats(1e-3, 1e4),
)
def test_a_lag_never_overshoots_whatever_the_step(
    value: float, target: float, dt_s: float, tau_s: float
) -> None:
    moved = motor.lag(value, target, dt_s=dt_s, tau_s=tau_s)
    assert min(value, target) - 1e-9 <= moved <= max(value, target) + 1e-9
