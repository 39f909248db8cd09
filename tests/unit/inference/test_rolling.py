"""All windows at once have the numbers that the live path gives one by one."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.domain.batch import batch_of
from appliance.domain.tag import Tag, TagId
from appliance.inference import rolling
from appliance.inference.rolling import Span, rolled, rolled_swings
from appliance.inference.window import Windows
from models.features import AssetModel, feature_names, feature_vector
from models.features.steps import STATISTICS

S = 1_000_000_000
START_NS = 1_700_000_000 * S
NAMES = tuple(TagId(f"P/{name}") for name in ("speed", "flow", "level"))


def values_of(rows: int) -> np.ndarray:
    """Three tags of very different sizes, with holes short and long."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(rows, 3)) * [1.0, 5.0, 0.1] + [1480.0, 0.0, 3.0]
    values[50:53, 0] = np.nan
    values[100:140, 1] = np.nan
    values[:7, 2] = np.nan
    return np.asarray(values)


def live(
    time_ns: np.ndarray,
    values: np.ndarray,
    span: Span,
    rhythms: tuple[str, ...] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """What windows say that are fed row by row; a row is judged one period later."""
    tags = tuple(Tag(name) for name in NAMES)
    model = AssetModel(
        "P", tags, span.window_s, span.period_s, span.hold_s, rhythms=rhythms
    )
    windows = Windows(model, {tag: i for i, tag in enumerate(NAMES)})
    shape = (len(time_ns), len(feature_names(model)))
    found, coverage = np.full(shape, np.nan), np.zeros((len(time_ns), len(NAMES)))
    for i, at_ns in enumerate(time_ns.tolist()):
        told = np.flatnonzero(np.isfinite(values[i])).tolist()
        batch = batch_of(
            told, values[i][told], source_time_ns=at_ns, receive_time_ns=at_ns
        )
        windows.push(batch)
        window = windows.due(at_ns + round(span.period_s * S))
        if window is not None:
            found[i] = feature_vector(model, window).values
            coverage[i] = window.coverage()
    return found, coverage


@pytest.mark.parametrize("chunk", [37, 4096])
def test_the_live_path_and_all_at_once_agree(
    monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(rolling, "_CHUNK_ROWS", chunk)
    span = Span(window_s=21.0, period_s=1.0, hold_s=8.0)
    values = values_of(240)
    time_ns = START_NS + S * np.arange(len(values))
    found = rolled(time_ns, values, span)
    wanted, coverage = live(time_ns, values, span)
    np.testing.assert_allclose(found.coverage, coverage, atol=1e-9)
    seen = np.repeat(coverage, len(STATISTICS), axis=1) >= 0.5
    known = np.where(seen, found.values, np.nan)
    np.testing.assert_allclose(known, wanted, rtol=1e-9, atol=1e-9)
    assert np.isfinite(wanted).mean() > 0.7


def test_the_swings_of_the_live_path_and_all_at_once_agree() -> None:
    span = Span(window_s=30.0, period_s=1.0, hold_s=6.0)
    values = values_of(240)
    values[180:185, 2] = 3.0
    time_ns = START_NS + S * (np.arange(240) + np.arange(240) // 90)
    chosen = ("centroid_hz", "crossing_hz", "dominant_hz")
    found = rolled_swings(time_ns, values, span, chosen)
    wanted = live(time_ns, values, span, chosen)[0][:, -found.shape[1] :]
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
    assert 0.5 < np.isfinite(wanted).mean() < 0.95


def test_a_row_knows_no_later_row() -> None:
    span = Span(window_s=10.0, period_s=1.0, hold_s=10.0)
    values = values_of(90)
    time_ns = START_NS + S * np.arange(90)
    whole = rolled(time_ns, values, span).values
    for rows in (20, 55, 70):
        part = rolled(time_ns[:rows], values[:rows], span).values
        np.testing.assert_allclose(part, whole[:rows], rtol=1e-9, atol=1e-9)


def test_irregular_rows_count_for_as_long_as_they_held() -> None:
    time_ns = START_NS + S * np.array([0, 1, 2, 6, 7, 8])
    values = np.array([[1.0], [1.0], [4.0], [0.0], [0.0], [0.0]])
    span = Span(window_s=6.0, period_s=1.0, hold_s=100.0)
    found = rolled(time_ns, values, span)
    mean = found.values[:, STATISTICS.index("mean")]
    assert np.isnan(mean[:3]).all()
    assert mean[3] == pytest.approx((1.0 + 4 * 4.0 + 0.0) / 6.0)
    assert mean[5] == pytest.approx((3 * 4.0 + 3 * 0.0) / 6.0)


def test_progress_is_told_to_the_end() -> None:
    told: list[tuple[int, int]] = []
    values = np.zeros((5, 1))
    rolled(
        START_NS + S * np.arange(5), values, Span(2.0, 1.0, 2.0),
        progress=lambda done, rows: told.append((done, rows)),
    )  # fmt: skip
    assert told == [(5, 5)]


def test_no_rows_are_no_windows() -> None:
    empty = rolled(np.empty(0, np.int64), np.empty((0, 2)), Span(2.0, 1.0, 2.0))
    assert empty.values.shape == (0, 2 * len(STATISTICS))
