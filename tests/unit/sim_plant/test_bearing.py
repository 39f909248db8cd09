"""Defect frequencies against published figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_plant.bearing import DRIVE_END, BearingGeometry, Defect

# Case Western Reserve University's bearing data centre publishes these orders for the
# SKF 6205-2RS JEM at its drive end: 9 balls of 0.3126 in on a circle of 1.537 in.
CWRU_6205 = BearingGeometry(balls=9, ball_diameter_mm=7.940, pitch_diameter_mm=39.04)


def test_the_formulas_give_the_published_orders_of_a_known_bearing() -> None:
    assert CWRU_6205.bpfo_orders == pytest.approx(3.5848, abs=2e-3)
    assert CWRU_6205.bpfi_orders == pytest.approx(5.4152, abs=2e-3)
    assert CWRU_6205.ftf_orders == pytest.approx(0.39828, abs=2e-4)
    assert 2.0 * CWRU_6205.bsf_orders == pytest.approx(4.7135, abs=2e-3)


def test_the_drive_end_bearing_has_the_orders_of_a_6311() -> None:
    assert DRIVE_END.bpfo_orders == pytest.approx(3.06, abs=0.01)
    assert DRIVE_END.bpfi_orders == pytest.approx(4.94, abs=0.01)


@given(
    balls=st.integers(6, 20),
    ratio=st.floats(0.05, 0.4),
    angle=st.floats(0.0, 40.0),
)
def test_the_two_races_share_the_passes_of_all_balls(
    balls: int, ratio: float, angle: float
) -> None:
    geometry = BearingGeometry(balls, 100.0 * ratio, 100.0, angle)
    assert geometry.bpfo_orders + geometry.bpfi_orders == pytest.approx(balls)
    assert geometry.bpfo_orders < geometry.bpfi_orders


@pytest.mark.parametrize(
    ("defect", "impacts", "modulation"),
    [
        (Defect.OUTER_RACE, DRIVE_END.bpfo_orders, 0.0),
        (Defect.INNER_RACE, DRIVE_END.bpfi_orders, 1.0),
        (Defect.BALL, 2.0 * DRIVE_END.bsf_orders, DRIVE_END.ftf_orders),
        (Defect.CAGE, DRIVE_END.ftf_orders, DRIVE_END.ftf_orders),
    ],
)
def test_each_defect_strikes_at_its_own_rate(
    defect: Defect, impacts: float, modulation: float
) -> None:
    assert DRIVE_END.impact_orders(defect) == pytest.approx(impacts)
    assert DRIVE_END.modulation_orders(defect) == pytest.approx(modulation)
