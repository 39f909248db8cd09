from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.tag import TagId
from models.features import Mode, Window
from models.features.steps import STATISTICS, step_statistics

TAGS = (TagId("P-1/a"), TagId("P-1/b"))


def window_of(*pieces: tuple[int, float, float, float]) -> Window:
    """A window of ten seconds from (slot, start_s, end_s, value)."""
    columns = np.array(sorted(pieces), dtype=float).reshape(-1, 4)
    return Window(
        asset="P-1",
        start_ns=0,
        end_ns=10_000_000_000,
        mode=Mode.RUNNING,
        tags=TAGS,
        slot=columns[:, 0].astype(np.int64),
        start_s=columns[:, 1],
        end_s=columns[:, 2],
        value=columns[:, 3],
    )


def statistics(window: Window, slot: int = 0) -> dict[str, float]:
    return dict(zip(STATISTICS, step_statistics(window, 1.0)[slot], strict=True))


def ramp(steps: int, *, factor: float = 1.0, offset: float = 0.0) -> Window:
    edges = np.linspace(0.0, 10.0, steps + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    pieces = zip(edges[:-1], edges[1:], factor * middle + offset, strict=True)
    return window_of(*((0, a, b, v) for a, b, v in pieces))


def test_a_value_counts_for_as_long_as_it_held() -> None:
    found = statistics(window_of((0, 0, 1, 10.0), (0, 1, 10, 0.0)))
    assert found["mean"] == pytest.approx(1.0)
    assert found["std"] == pytest.approx(3.0)
    assert found["range"] == 10.0


def test_reporting_a_steady_value_more_often_changes_nothing() -> None:
    once = window_of((0, 0, 4, 1.0), (0, 4, 10, 2.0))
    often = window_of((0, 0, 2, 1.0), (0, 2, 4, 1.0), (0, 4, 7, 2.0), (0, 7, 10, 2.0))
    assert statistics(often) == pytest.approx(statistics(once))


def test_the_slope_of_a_ramp_is_its_rise_per_second() -> None:
    assert statistics(ramp(100, factor=0.25))["slope"] == pytest.approx(0.25, rel=1e-3)


def test_the_slope_of_a_step_function_is_its_regression_line() -> None:
    # a step by 1 in the middle of 10 s: 12/T³ ∫ (t - T/2) v dt = 1.5 / T
    assert statistics(window_of((0, 0, 5, 0.0), (0, 5, 10, 1.0)))[
        "slope"
    ] == pytest.approx(0.15)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
def test_statistics_follow_scale_and_offset(factor: float, offset: float) -> None:
    plain = statistics(ramp(20))
    moved = statistics(ramp(20, factor=factor, offset=offset))
    expected = {
        "mean": factor * plain["mean"] + offset,
        "std": abs(factor) * plain["std"],
        "slope": factor * plain["slope"],
        "range": abs(factor) * plain["range"],
        "last": factor * plain["last"] + offset,
    }
    assert moved == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_a_gap_is_left_out_and_lowers_the_coverage() -> None:
    window = window_of((0, 0, 2, 4.0), (0, 8, 10, 4.0))
    assert statistics(window)["mean"] == pytest.approx(4.0)
    assert window.coverage() == pytest.approx([0.4, 0.0])


def test_a_tag_without_any_value_has_no_statistics() -> None:
    assert np.isnan(step_statistics(window_of((0, 0, 10, 4.0)), 1.0)[1]).all()
    assert np.isnan(step_statistics(window_of(), 1.0)).all()


def test_the_last_value_is_the_mean_of_the_windows_end() -> None:
    ends = window_of((0, 0, 9, 1.0), (0, 9, 9.5, 5.0), (0, 9.5, 10, 7.0))
    assert statistics(ends)["last"] == pytest.approx(6.0)
    early = window_of((0, 0, 3, 1.0), (0, 3, 6, 2.0))
    assert statistics(early)["last"] == 2.0


def test_tags_do_not_touch_each_other() -> None:
    both = window_of((0, 0, 10, 4.0), (1, 0, 5, -1.0), (1, 5, 10, 1.0))
    assert statistics(both, 0)["mean"] == pytest.approx(4.0)
    assert statistics(both, 1)["mean"] == pytest.approx(0.0)
    assert statistics(both, 1)["range"] == 2.0


def test_the_recent_mean_looks_at_the_last_seconds_alone() -> None:
    window = window_of((0, 0, 9, 1.0), (0, 9, 10, 5.0))
    assert window.recent_mean(TAGS[0], 1.0) == pytest.approx(5.0)
    assert window.recent_mean(TAGS[0], 2.0) == pytest.approx(3.0)
    assert np.isnan(window.recent_mean(TAGS[1], 2.0))
    assert np.isnan(window.recent_mean(TagId("P-1/unknown"), 2.0))
