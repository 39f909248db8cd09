from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.features import BearingGeometry

# the roller bearing of a published fault data set: its defect orders are known
KNOWN = BearingGeometry(balls=8, ball_diameter_mm=5.969, pitch_diameter_mm=31.623)


def test_frequencies_are_those_of_a_known_bearing() -> None:
    found = KNOWN.frequencies(speed_rpm=1500.0)
    assert found.bpfo == pytest.approx(81.12, abs=0.01)
    assert found.bpfi == pytest.approx(118.88, abs=0.01)
    assert found.bsf == pytest.approx(63.86, abs=0.01)
    assert found.ftf == pytest.approx(10.14, abs=0.01)


@given(
    st.integers(3, 40), st.floats(1.0, 50.0), st.floats(1.01, 10.0), st.floats(0, 60)
)
def test_outer_and_inner_passes_add_to_balls_times_speed(
    balls: int, ball_mm: float, ratio: float, angle_deg: float
) -> None:
    geometry = BearingGeometry(balls, ball_mm, ball_mm * ratio, angle_deg)
    found = geometry.frequencies(speed_rpm=600.0)
    assert found.bpfo + found.bpfi == pytest.approx(10.0 * balls)
    assert found.bpfo == pytest.approx(balls * found.ftf)


def test_frequencies_follow_the_speed() -> None:
    slow, fast = KNOWN.frequencies(100.0), KNOWN.frequencies(300.0)
    assert fast == pytest.approx([3.0 * each for each in slow])


@pytest.mark.parametrize(
    ("balls", "ball", "pitch"), [(0, 5, 30), (8, 0, 30), (8, 9, 9)]
)
def test_an_impossible_bearing_is_refused(
    balls: int, ball: float, pitch: float
) -> None:
    with pytest.raises(ValueError, match="ball diameter"):
        BearingGeometry(balls, ball, pitch)
