"""Heads, flow and cavitation."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_plant import pump
from sim_plant.pump import Pipework, PumpCurve

CURVE, PIPES = PumpCurve(), Pipework()


def _flow(**changes: float) -> float:
    given_values = {
        "rpm": 1_480.0,
        "valve_pct": 65.0,
        "strainer_blockage": 0.0,
        "cavitation": 0.0,
    }
    return pump.flow_balance_m3_h(CURVE, PIPES, **{**given_values, **changes})


def test_head_falls_with_flow_all_along_the_curve() -> None:
    heads = [CURVE.head_m(flow, 1_480.0) for flow in range(0, 170, 5)]
    assert all(a > b for a, b in itertools.pairwise(heads))


def test_head_follows_the_affinity_laws() -> None:
    full = CURVE.head_m(80.0, 1_480.0)
    assert CURVE.head_m(40.0, 740.0) == pytest.approx(full / 4.0)
    power = CURVE.shaft_power_w(80.0, 1_480.0)
    assert CURVE.shaft_power_w(40.0, 740.0) == pytest.approx(power / 8.0)


def test_efficiency_is_best_at_the_best_flow() -> None:
    def efficiency(flow: float) -> float:
        hydraulic_w = 998.0 * 9.81 * flow / 3_600.0 * CURVE.head_m(flow, 1_480.0)
        return hydraulic_w / CURVE.shaft_power_w(flow, 1_480.0)

    assert efficiency(80.0) == pytest.approx(0.76, abs=0.005)
    assert efficiency(80.0) > max(efficiency(40.0), efficiency(110.0))


def test_a_standing_pump_takes_no_power_and_moves_nothing() -> None:
    assert CURVE.shaft_power_w(0.0, 0.0) == 0.0
    assert _flow(rpm=0.0) == 0.0


def test_power_is_finite_at_shut_off() -> None:
    assert 0.0 < CURVE.shaft_power_w(0.0, 1_480.0) < CURVE.shaft_power_w(80.0, 1_480.0)


def test_opening_the_valve_lets_more_through() -> None:
    flows = [_flow(valve_pct=position) for position in range(0, 101, 10)]
    assert all(a < b for a, b in itertools.pairwise(flows))


def test_a_blocked_strainer_costs_flow_and_suction_pressure() -> None:
    flow = _flow(strainer_blockage=0.8)
    assert flow < _flow()
    clean, blocked = (
        pump.suction_pressure_bar(
            PIPES, flow_m3_h=flow, level_m=2.0, strainer_blockage=blockage
        )
        for blockage in (0.0, 0.8)
    )
    assert blocked < clean


def test_suction_never_falls_below_the_vapour_pressure() -> None:
    suction = pump.suction_pressure_bar(
        PIPES, flow_m3_h=120.0, level_m=0.0, strainer_blockage=0.98
    )
    assert suction == pump.VAPOUR_BAR


@given(margin_m=st.floats(-50.0, 50.0, allow_subnormal=False))
def test_cavitation_begins_where_the_npsh_margin_is_gone(margin_m: float) -> None:
    intensity = pump.cavitation_intensity(margin_m)
    assert 0.0 <= intensity <= 1.0
    assert (intensity > 0.0) == (margin_m < 0.0)


def test_cavitation_costs_head() -> None:
    assert CURVE.head_m(60.0, 1_480.0, cavitation=1.0) == pytest.approx(
        0.75 * CURVE.head_m(60.0, 1_480.0)
    )


def test_pressures_and_heads_agree() -> None:
    assert pump.npsh_available_m(pump.VAPOUR_BAR) == 0.0
    lifted = pump.discharge_pressure_bar(1.0, 10.0)
    assert lifted == pytest.approx(1.0 + 998.0 * 9.81 * 10.0 / 1e5)
