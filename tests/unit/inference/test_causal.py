"""An export judged row by row: causal, by the code of the live path."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance.domain.batch import batch_of
from appliance.domain.tag import Tag, TagId
from appliance.inference.causal import (
    CausalSettings,
    Judged,
    Sheet,
    SheetError,
    learn_and_judge,
    sampling_period_s,
)
from appliance.inference.detector import BundleDetector
from appliance.inference.window import Windows
from models.bundle import write_bundle
from models.features import AssetModel, FeatureTable, feature_vector
from models.train.learn import learn
from models.train.settings import parse_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Train = Callable[[FeatureTable, Mapping[str, Any]], Path]

S = 1_000_000_000
START_NS = 1_700_000_000 * S
NAMES = ("speed; rpm", "flow", "pressure")
TRAIN_ROWS, ROWS = 300, 620
FAULT = slice(400, 520)


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    def run(table: FeatureTable, settings: Mapping[str, Any]) -> Path:
        bundle = learn(table, parse_settings(json.dumps(settings).encode()))
        return write_bundle(tmp_path_factory.mktemp("models"), bundle)

    return run


def values_of(rows: int = ROWS) -> np.ndarray:
    """A pump: flow and pressure follow its speed; for a while the flow is low."""
    rng = np.random.default_rng(5)
    load = rng.normal(size=(rows, 1))
    noise = rng.normal(size=(rows, 3)) * [1.0, 0.3, 0.02]
    values = [1480.0, 60.0, 6.0] + load * [4.0, 1.0, 0.1] + noise
    values[FAULT, 1] -= 8.0
    return np.asarray(values)


def sheet_of(values: np.ndarray, *, step_s: float = 1.0) -> Sheet:
    time_ns = START_NS + (step_s * S * np.arange(len(values))).astype(np.int64)
    return Sheet(time_ns, NAMES, values)


@pytest.fixture(scope="module")
def judged(train: Train) -> Judged:
    return learn_and_judge(sheet_of(values_of()), train_rows=TRAIN_ROWS, train=train)


def test_every_row_after_the_training_is_judged(judged: Judged) -> None:
    columns = (judged.score, judged.anomaly, judged.alarm, judged.changepoint)
    assert {len(each) for each in columns} == {ROWS - TRAIN_ROWS}
    assert len(judged.cause) == ROWS - TRAIN_ROWS
    assert (judged.first_row, judged.period_s, judged.window_s) == (300, 1.0, 50.0)
    assert np.isfinite(judged.score).all()


def test_a_fault_is_a_state_an_alarm_and_a_change_with_its_cause(
    judged: Judged,
) -> None:
    first = FAULT.start - TRAIN_ROWS
    assert not judged.anomaly[:first].any()
    assert judged.anomaly[first + 1 : first + 120].all()
    assert judged.score[first + 10] > judged.alarm_limit >= judged.limit
    (alarm,) = np.flatnonzero(judged.alarm)
    assert first + 2 <= alarm <= first + 5  # for 3 s, its own included
    assert first <= np.flatnonzero(judged.changepoint)[0] <= first + 5
    assert judged.cause[first + 10] == "flow"
    assert judged.cause[first // 2] == ""


def test_a_row_is_judged_by_what_was_known_then(judged: Judged, train: Train) -> None:
    rows = 450
    early = learn_and_judge(
        sheet_of(values_of()[:rows]), train_rows=TRAIN_ROWS, train=train
    )
    np.testing.assert_allclose(
        early.score, judged.score[: rows - TRAIN_ROWS], rtol=1e-5
    )
    assert early.cause == judged.cause[: rows - TRAIN_ROWS]


def test_the_live_path_gives_the_same_scores(judged: Judged, train: Train) -> None:
    folders: list[Path] = []

    def keep(table: FeatureTable, settings: Mapping[str, Any]) -> Path:
        folders.append(train(table, settings))
        return folders[-1]

    values = values_of()
    learn_and_judge(sheet_of(values), train_rows=TRAIN_ROWS, train=keep)
    detector = BundleDetector.load(folders[0])
    tags = tuple(Tag(TagId(f"backtest/{i}")) for i in range(len(NAMES)))
    model = AssetModel("backtest", tags, judged.window_s, 1.0, judged.window_s)
    windows = Windows(model, {tag.id: i for i, tag in enumerate(tags)})
    scores = []
    for i, row in enumerate(values[:460]):
        at_ns = START_NS + i * S
        windows.push(
            batch_of(range(3), row, source_time_ns=at_ns, receive_time_ns=at_ns)
        )
        window = windows.due(at_ns + S)
        if window is not None and i >= TRAIN_ROWS:
            scores.append(detector.judge(feature_vector(model, window)).score)
    np.testing.assert_allclose(judged.score[: len(scores)], scores, rtol=1e-4)
    assert len(scores) == 460 - TRAIN_ROWS


def test_a_column_that_falls_silent_leaves_rows_without_a_score(train: Train) -> None:
    values = values_of()
    values[500:, 2] = np.nan
    found = learn_and_judge(sheet_of(values), train_rows=TRAIN_ROWS, train=train)
    silent = found.score[500 - TRAIN_ROWS :]
    assert np.isfinite(silent[:40]).all()
    assert np.isnan(silent[-20:]).all()
    assert found.cause[-1] == ""


def test_the_window_is_as_long_as_told_and_short_for_little_training(
    train: Train,
) -> None:
    sheet = sheet_of(values_of(200), step_s=60.0)
    told = CausalSettings(window_s=600.0, on_delay_s=0.0)
    found = learn_and_judge(sheet, train_rows=120, train=train, settings=told)
    assert (found.window_s, found.period_s) == (600.0, 60.0)
    own = learn_and_judge(sheet, train_rows=120, train=train)
    assert own.window_s == 20 * 60.0


def test_left_out_features_carry_the_columns_name(train: Train) -> None:
    values = values_of()
    values[:TRAIN_ROWS, 2] = 6.0
    found = learn_and_judge(sheet_of(values), train_rows=TRAIN_ROWS, train=train)
    assert found.dropped["pressure:last"] == "constant at 6"


def test_a_sheet_must_fit_and_keep_the_order_of_time() -> None:
    with pytest.raises(SheetError, match="do not fit"):
        Sheet(np.zeros(3, np.int64), NAMES, np.zeros((3, 2)))
    with pytest.raises(SheetError, match="order of time"):
        Sheet(np.array([2, 1]), ("a",), np.zeros((2, 1)))


def test_the_sampling_period_is_the_usual_distance_of_rows() -> None:
    assert sampling_period_s(np.array([0, 1, 1, 2, 3, 100]) * S) == 1.0
    with pytest.raises(SheetError, match="same time"):
        sampling_period_s(np.zeros(4, np.int64))
    assert math.isclose(sampling_period_s(np.array([0, S // 2])), 0.5)


def test_a_value_that_swings_otherwise_counts_where_swings_are_scored(
    train: Train,
) -> None:
    learned, rows = 900, 1100
    values = values_of(rows)
    values[FAULT, 1] += 8.0  # it was none: all levels and spreads are usual
    slow = np.sqrt(2.0) * np.sin(2.0 * np.pi * np.arange(150) / 40.0)[:, np.newaxis]
    values[rows - 150 :] = [1480.0, 60.0, 6.0] + slow * [4.0, 1.0, 0.1]
    highest = []
    for features in ((), ("crossing_hz",)):
        settings = CausalSettings(features=features)
        found = learn_and_judge(
            sheet_of(values), train_rows=learned, train=train, settings=settings
        )
        highest.append(float(np.nanmax(found.score[-100:])))
    assert highest[1] > 2.0 * highest[0]


def test_swings_that_are_only_measured_are_not_scored(train: Train) -> None:
    rows = 60
    rng = np.random.default_rng(0)
    names = ("P/a:mean", "P/a:std", "P/a:last", "P/a:crossing_hz")
    values = rng.normal(size=(rows, 4)) + 10.0
    values[::2, 3] = np.nan
    time_ns = START_NS + S * np.arange(rows)
    table = FeatureTable(names, time_ns, values, np.ones(values.shape))
    told = {"asset": "P", "window_s": 1.0, "hop_s": 1.0, "tags": [{"id": "P/a"}]}
    detector = BundleDetector.load(train(table, told))
    assert detector.features == names[:3]
