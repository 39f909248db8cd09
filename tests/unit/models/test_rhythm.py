"""How a value swings: measured where it can be, and NaN where it cannot."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.domain.tag import Tag, TagId
from models.features import AssetModel, Mode, Window, feature_names, feature_vector
from models.features.rhythm import MIN_POINTS, RHYTHMS, rhythm_statistics

TAG = TagId("P-1/flow")
S = 1_000_000_000
WINDOW_S = 10.0


def window_of(
    start_s: np.ndarray, value: np.ndarray, *, end_s: np.ndarray | None = None
) -> Window:
    """Return a window of one tag that was sampled at these times."""
    ends = np.append(start_s[1:], WINDOW_S) if end_s is None else end_s
    return Window(
        asset="P-1",
        start_ns=0,
        end_ns=round(WINDOW_S * S),
        mode=Mode.RUNNING,
        tags=(TAG,),
        slot=np.zeros(len(start_s), dtype=np.int64),
        start_s=start_s,
        end_s=ends,
        value=value,
    )


def swing(hz: float, *, rate_hz: float = 10.0, size: float = 2.0) -> Window:
    at_s = np.arange(0.0, WINDOW_S, 1.0 / rate_hz)
    return window_of(at_s, 50.0 + size * np.sin(2.0 * np.pi * hz * at_s + 0.3))


def told(window: Window) -> dict[str, float]:
    return dict(zip(RHYTHMS, rhythm_statistics(window)[0].tolist(), strict=True))


@pytest.mark.parametrize("hz", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("rate_hz", [10.0, 37.0])
def test_a_swing_has_its_frequency(hz: float, rate_hz: float) -> None:
    found = told(swing(hz, rate_hz=rate_hz))
    assert found["dominant_hz"] == pytest.approx(hz, abs=0.11)
    assert found["centroid_hz"] == pytest.approx(hz, abs=0.15)
    assert found["crossing_hz"] == pytest.approx(2.0 * hz, abs=0.22)


def test_noise_has_its_middle_between_and_crosses_often() -> None:
    at_s = np.arange(0.0, WINDOW_S, 0.05)
    found = told(window_of(at_s, np.random.default_rng(0).normal(size=len(at_s))))
    assert 4.0 < found["centroid_hz"] < 6.0
    assert 8.0 < found["crossing_hz"] < 12.0


def test_a_value_that_stands_does_not_swing() -> None:
    at_s = np.arange(0.0, WINDOW_S, 0.1)
    for value in (0.0, 7.3, 1e9 / 3.0):
        assert set(told(window_of(at_s, np.full(100, value))).values()) == {0.0}


def test_a_sample_that_is_missing_here_and_there_changes_little() -> None:
    whole = swing(1.0)
    kept = np.ones(100, dtype=bool)
    kept[[17, 40, 41, 80]] = False
    found = told(window_of(whole.start_s[kept], whole.value[kept]))
    for name, value in told(whole).items():
        assert found[name] == pytest.approx(value, rel=0.12)


def lacking(*places: int) -> Window:
    whole = swing(1.0)
    kept = np.ones(100, dtype=bool)
    kept[list(places)] = False
    return window_of(whole.start_s[kept], whole.value[kept])


def gap() -> Window:
    whole = swing(1.0)
    ends = whole.end_s.copy()
    ends[50] -= 0.05
    return window_of(whole.start_s, whole.value, end_s=ends)


@pytest.mark.parametrize(
    "window",
    [
        window_of(np.arange(MIN_POINTS) * 0.6, np.arange(MIN_POINTS, dtype=float)),
        lacking(*range(40, 50)),
        lacking(*range(70, 100)),
        gap(),
        window_of(np.empty(0), np.empty(0)),
        window_of(np.array([0.0]), np.array([1.0])),
        window_of(
            np.concatenate((np.linspace(0.0, 1.0, 50), [4.0, 9.0])), np.arange(52.0)
        ),
    ],
    ids=["few", "pause", "end", "gap", "none", "one", "by exception"],
)
def test_what_cannot_be_measured_is_not_a_number(window: Window) -> None:
    assert all(map(math.isnan, told(window).values()))


@settings(max_examples=40)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=20, max_size=60),
    st.floats(1e-3, 1e3),
    st.floats(-1e3, 1e3),
)
def test_units_and_offset_of_the_value_do_not_matter(
    values: list[float], factor: float, offset: float
) -> None:
    at_s = np.linspace(0.0, WINDOW_S, len(values), endpoint=False)
    points = np.round(np.array(values), 3)
    found = told(window_of(at_s, points))
    nyquist_hz = 0.5 * (len(values) - 1) / (at_s[-1] - at_s[1])
    for name, value in found.items():
        bound = 2.0 if name == "crossing_hz" else 1.0
        assert 0.0 <= value <= bound * nyquist_hz
    if np.ptp(points[1:]) > 1e-2 * (1.0 + np.abs(points).max() + abs(offset) / factor):
        moved = told(window_of(at_s, factor * points + offset))
        assert moved["centroid_hz"] == pytest.approx(found["centroid_hz"], rel=1e-6)


def test_the_vector_has_them_where_they_are_asked_for() -> None:
    tags = (Tag(TAG), Tag(TagId("P-1/level")))
    model = AssetModel("P-1", tags, rhythms=("dominant_hz", "crossing_hz"))
    names = feature_names(model)
    assert names[-4:] == (
        "P-1/flow:dominant_hz",
        "P-1/flow:crossing_hz",
        "P-1/level:dominant_hz",
        "P-1/level:crossing_hz",
    )
    vector = feature_vector(model, swing(1.0))
    assert vector.names == names
    found = told(swing(1.0))
    assert vector.values[-4:-2].tolist() == [found[each] for each in model.rhythms]
    assert np.isnan(vector.values[-2:]).all()
    assert vector.coverage[-4:].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert not any(
        name.endswith("_hz") for name in feature_names(AssetModel("P-1", tags))
    )


def test_an_unknown_one_is_refused() -> None:
    with pytest.raises(ValueError, match="no such features: loudness"):
        AssetModel("P-1", (), rhythms=("crossing_hz", "loudness"))
