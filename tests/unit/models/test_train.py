from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import onnxruntime
import pytest

from models.bundle import OUTPUTS, read_bundle
from models.changes import jumps
from models.features import FeatureTable, write_table
from models.train.__main__ import main
from models.train.distance import fit_distance
from models.train.graph import graph_of
from models.train.learn import learn
from models.train.limit import (
    STATE_PROBABILITY,
    calibrate,
    probability_of,
    tail_limit,
)
from models.train.parity import PARITY_LIMIT, check_parity
from models.train.prepare import MIN_ROWS, prepare
from models.train.settings import TrainingError, TrainingSettings, parse_settings
from models.train.shrink import shrinkage_by_likelihood

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    from models.bundle import Bundle
    from models.train.distance import DistanceModel
    from models.train.limit import Limit
    from models.train.prepare import TrainingRows

    class MakeTable(Protocol):
        def __call__(
            self, rows: int, *, seed: int = 0, overlap_rows: int = 4
        ) -> FeatureTable: ...


def with_column(table: FeatureTable, name: str, column: np.ndarray) -> FeatureTable:
    values = table.values.copy()
    values[:, table.names.index(name)] = column
    return replace(table, values=values)


def prepared(table: FeatureTable, settings: TrainingSettings) -> TrainingRows:
    return prepare(table, settings, np.zeros(len(table), np.int64))


def scores(bundle: Bundle, table: FeatureTable) -> np.ndarray:
    columns = [table.names.index(name) for name in bundle.manifest.features]
    session = onnxruntime.InferenceSession(
        bundle.graph, providers=["CPUExecutionProvider"]
    )
    rows = table.values[:, columns].astype(np.float32)
    mode = np.zeros(len(rows), np.int64)
    return np.asarray(session.run(["score"], {"features": rows, "mode": mode})[0])


def test_twenty_two_rows_raise_no_alarm_on_two_hundred_more(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    quiet = 0
    for seed in range(20):
        table = make_table(222, seed=seed)
        bundle = learn(_rows(table, slice(0, 22)), settings)
        quiet += bool((scores(bundle, _rows(table, slice(22, None))) <= 1.0).all())
    assert quiet >= 19


def test_a_real_change_is_far_beyond_the_limit(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(40)
    bundle = learn(_rows(table, slice(0, 22)), settings)
    later = _rows(table, slice(22, None))
    sick = with_column(later, "P-1/acceleration:bpfo", np.full(len(later), 30.0))
    sick = with_column(sick, "P-1/acceleration:velocity_rms", np.full(len(later), 3.0))
    assert scores(bundle, sick).min() > 1.5


def _rows(table: FeatureTable, rows: slice) -> FeatureTable:
    return FeatureTable(
        table.names, table.time_ns[rows], table.values[rows], table.coverage[rows]
    )


def test_the_same_table_gives_the_same_bundle(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    first, second = (learn(make_table(25), settings) for _ in range(2))
    assert first.manifest == second.manifest
    assert first.graph == second.graph


def test_features_are_dropped_with_the_reason(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(30)
    holes = table.values[:, 2].copy()
    holes[::3] = np.nan
    table = with_column(table, "P-1/speed:last", holes)
    table = with_column(table, "P-1/current:std", np.full(30, 0.25))
    warming = 40.0 + 0.5 * np.arange(30)
    table = with_column(table, "P-1/temperature:mean", warming)
    manifest = learn(table, settings).manifest
    assert manifest.dropped == {
        "P-1/speed:last": "missing in 33% of the rows",
        "P-1/current:std": "constant at 0.25",
        "P-1/temperature:mean": "still drifting: +14.5 over the training",
    }
    assert not set(manifest.dropped) & set(manifest.features)
    passed_over = {name for name in table.names if name.endswith(":range")}
    told = {*manifest.dropped, *manifest.features, *passed_over}
    assert told == set(table.names)


def test_rows_with_a_hole_are_left_out(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(30)
    holes = table.values[:, 0].copy()
    holes[[3, 17]] = np.nan
    rows = prepared(with_column(table, "P-1/speed:mean", holes), settings)
    assert len(rows.values) == 28
    assert np.isfinite(rows.values).all()


def test_rows_are_put_in_the_order_of_time(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(30)
    backwards = _rows(table, slice(None, None, -1))
    np.testing.assert_array_equal(
        prepared(backwards, settings).values, prepared(table, settings).values
    )


def test_too_few_rows_are_refused(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    with pytest.raises(TrainingError, match=f"at least {MIN_ROWS}"):
        learn(make_table(MIN_ROWS - 1), settings)


def test_a_table_of_constants_is_judged_by_how_far_they_move(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(20)
    stood = replace(table, values=np.ones_like(table.values))
    bundle = learn(stood, settings)
    (card,) = bundle.manifest.modes
    assert card.still["P-1/speed:mean"] == pytest.approx(18.0)  # 1 % of its range
    assert "`P-1/speed:mean` never moved" in bundle.card
    assert "P-1/speed:last" in bundle.manifest.dropped
    assert scores(bundle, stood).max() == 0.0
    step = with_column(stood, "P-1/speed:mean", np.full(20, 6.0))
    assert scores(bundle, step).max() < card.normal_limit
    moved = with_column(stood, "P-1/speed:mean", np.full(20, 37.0))
    assert scores(bundle, moved) == pytest.approx(2.0)


def test_a_tag_that_stood_counts_beside_those_that_move(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = with_column(make_table(40), "P-1/pressure:mean", np.full(40, 6.0))
    bundle = learn(_rows(table, slice(0, 22)), settings)
    later = _rows(table, slice(22, None))
    usual = scores(bundle, later)
    moved = scores(bundle, with_column(later, "P-1/pressure:mean", np.full(18, 6.2)))
    assert moved == pytest.approx(np.hypot(usual, 0.2 / 0.16), rel=1e-4)


def test_nothing_is_learned_of_what_drifts_and_is_too_short(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(20)
    drifting = 1e4 * np.arange(1.0, 21.0)[:, None] * np.ones_like(table.values)
    with pytest.raises(TrainingError, match="no feature is left"):
        learn(replace(table, values=drifting), settings)


def test_a_tiny_spread_is_not_believed(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(25)
    still = 1480.0 + 1e-6 * np.random.default_rng(0).normal(size=25)
    table = with_column(table, "P-1/speed:mean", still)
    bundle = learn(table, settings)
    moved = with_column(table, "P-1/speed:mean", np.full(25, 1490.0))
    assert scores(bundle, moved).max() < 1.0


def test_a_slow_drift_widens_what_is_normal(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(25)
    drift = 60.0 + 1.0 * np.linspace(0, 1, 25)
    rows = prepared(with_column(table, "P-1/temperature:mean", drift), settings)
    steady = prepared(table, settings)
    place = rows.names.index("P-1/temperature:mean")
    assert rows.floor[0, place] == pytest.approx(2.0)
    assert steady.floor[0, place] == pytest.approx(0.6, rel=0.01)


def test_the_limit_is_where_the_tail_comes_as_rarely_as_wanted() -> None:
    squares = np.random.default_rng(0).chisquare(20, size=2000)
    limits = [tail_limit(np.sqrt(squares), each) ** 2 for each in (1e-2, 1e-3, 1e-5)]
    assert limits == sorted(limits)
    assert limits[0] == pytest.approx(37.6, rel=0.1)  # of chi-squared with 20
    assert limits[2] == pytest.approx(62.2, rel=0.15)


def test_the_users_budget_says_how_rare_the_limit_is() -> None:
    def probability(budget: float, window_s: float) -> float:
        return probability_of(
            TrainingSettings("P", (), window_s, 1.0, false_alarms_per_week=budget)
        )

    assert probability(1.0, 10.0) == pytest.approx(10.0 / 604_800)
    assert probability(7.0, 10.0) == pytest.approx(70.0 / 604_800)
    assert probability(1.0, 86_400.0) == STATE_PROBABILITY
    assert probability(1e-9, 10.0) == 1e-7


def settings_of(overlap_rows: int) -> TrainingSettings:
    return TrainingSettings("P-1", (), 1.0 + overlap_rows, 1.0)


def drawn(
    rows: int = 200, *, overlap_rows: int = 0, seed: int = 0
) -> tuple[np.ndarray, DistanceModel, Limit]:
    """Rows of a machine that is all noise, and what is learned from them."""
    table = np.random.default_rng(seed).normal(size=(rows, len(COLUMNS)))
    floor = np.zeros(len(COLUMNS))
    return table, *calibrate(table, floor, COLUMNS, settings_of(overlap_rows))


COLUMNS = ("a:mean", "a:std", "a:last", "b:mean", "b:last")


def test_fewer_independent_rows_mean_a_larger_safety_factor() -> None:
    alone, overlapping = drawn(100)[2], drawn(100, overlap_rows=9)[2]
    assert 1.0 < alone.safety_factor < overlapping.safety_factor


def test_the_state_begins_below_an_alarms_limit_and_ends_lower_still() -> None:
    for seed in range(5):
        limit = drawn(seed=seed)[2]
        assert 0.0 < limit.normal_limit <= limit.anomaly_limit <= 1.0


def test_changes_by_chance_are_as_rare_as_the_budget_says() -> None:
    def limit(budget: float) -> float:
        table = np.random.default_rng(0).normal(size=(400, len(COLUMNS)))
        told = TrainingSettings("P-1", (), 1.0, 1.0, false_alarms_per_week=budget)
        found = calibrate(table, np.zeros(len(COLUMNS)), COLUMNS, told)
        model, change = found[0], found[1].change_limit
        assert change is not None
        later = np.random.default_rng(1).normal(size=(20_000, len(COLUMNS)))
        seen = jumps(model.shift(later))
        assert (seen > change).mean() < 1e-3
        return change

    assert limit(0.01) > limit(1.0)


def test_the_score_is_one_at_the_limit_and_grows_in_proportion() -> None:
    _, model, _ = drawn()
    way = np.array([[1.0, -2.0, 0.5, 0.0, 3.0]])
    near = model.answers(model.center + way)
    far = model.answers(model.center + 10.0 * way)
    assert far.score == pytest.approx(10.0 * near.score)
    assert far.detectors == pytest.approx(10.0 * near.detectors)
    assert near.contributions.sum(axis=1) == pytest.approx(near.score**2)
    assert (near.contributions >= 0.0).all()


def test_every_detector_is_within_its_own_limit_on_healthy_rows() -> None:
    table, model, _ = drawn(400)
    answers = model.answers(table)
    assert answers.detectors.max() < 1.0
    assert answers.score.max() < 1.0


def test_short_looks_at_the_last_values_and_the_others_at_the_window() -> None:
    _, model, _ = drawn()
    now = model.answers(model.center + np.array([[0, 0, 9.0, 0, 0]])).detectors[0]
    level = model.answers(model.center + np.array([[9.0, 0, 0, 0, 0]])).detectors[0]
    assert now[0] > 1.0
    assert now[1:] == pytest.approx([0.0, 0.0, 0.0])
    assert level[0] == pytest.approx(0.0)
    assert level[1:].max() > 1.0


def test_t2_and_spe_split_the_squared_distance() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 3)) @ np.diag([3.0, 1.0, 0.2])
    names = ("a:mean", "b:mean", "c:mean")
    parts = fit_distance(rows, np.zeros(3), names).parts(rows)
    assert (parts[:, 0] == 0.0).all()
    whole = (parts[:, 1:] ** 2).sum(axis=1)
    assert 1.0 < whole.mean() < 3.0  # three directions; what wanders counts for less


def test_a_direction_in_which_the_training_wandered_counts_for_less() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2))
    drifting = rows.copy()
    drifting[:, 0] += np.linspace(-2.0, 2.0, 400)
    off = np.array([[6.0, 0.0]])
    names = ("a:mean", "b:mean")
    steady, moved = (
        fit_distance(each, np.zeros(2), names).parts(each.mean(axis=0) + off)
        for each in (rows, drifting)
    )
    assert np.linalg.norm(moved) < 0.3 * np.linalg.norm(steady)


def test_more_rows_for_each_tag_are_shrunk_less() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(6, 6))
    many = rng.normal(size=(2000, 6)) @ mixed
    assert shrinkage_by_likelihood(many) < shrinkage_by_likelihood(many[:15])


def test_an_hour_that_was_not_healthy_is_left_out_and_told(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(400)
    sick = table.values.copy()
    sick[200:220] += 40.0 * table.values.std(axis=0)
    found = learn(replace(table, values=sick), settings)
    clean = learn(table, settings)
    assert clean.manifest.modes[0].suspect_rows == 0
    assert 20 <= found.manifest.modes[0].suspect_rows <= 40
    assert "Not all of it looked healthy" in found.card
    assert scores(found, _rows(replace(table, values=sick), slice(205, 215))).min() > 1


def test_the_graph_says_what_the_trainer_says(bundle: Bundle) -> None:
    assert 0.0 <= bundle.manifest.parity_max <= PARITY_LIMIT
    session = onnxruntime.InferenceSession(
        bundle.graph, providers=["CPUExecutionProvider"]
    )
    assert [each.name for each in session.get_outputs()] == list(OUTPUTS)
    count = len(bundle.manifest.features)
    assert session.get_inputs()[0].shape[1] == count
    asked = {
        "features": np.ones((7, count), np.float32),
        "mode": np.zeros(7, np.int64),
    }
    answers = session.run(None, asked)
    shapes = [each.shape for each in answers]
    assert shapes == [(7,), (7, 4), (7, count), (7, count)]


@pytest.mark.parametrize("modes", [1, 2])
def test_each_row_is_judged_by_its_own_mode_and_an_unknown_one_by_none(
    modes: int,
) -> None:
    table, model, _ = drawn()
    other = replace(model, center=model.center + 5.0)
    models = [model, other][:modes]
    graph = graph_of(models)
    places = np.arange(len(table)) % modes
    check_parity(graph, models, table + 5.0 * places[:, np.newaxis], places)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    asked = {"features": table[:2].astype(np.float32), "mode": np.array([0, -1])}
    for answer in session.run(None, asked):
        assert np.isfinite(answer[0]).all()
        assert np.isnan(answer[1]).all()


def test_a_feature_that_is_missing_contributes_nothing() -> None:
    _, model, _ = drawn()
    graph = graph_of([model])
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    row = (model.center + 3.0).astype(np.float32)
    row[3] = np.nan
    asked = {"features": row[np.newaxis], "mode": np.zeros(1, np.int64)}
    (contributions,) = session.run(["contributions"], asked)
    usual = np.where(np.isnan(row), model.center, row)
    assert contributions[0] == pytest.approx(
        model.answers(usual[np.newaxis]).contributions[0], rel=1e-4
    )


def test_another_graph_is_found_out() -> None:
    table, model, _ = drawn(60)
    weights = {**model.weights, "short": 1.01 * model.weights["short"]}
    other = replace(model, weights=weights)
    with pytest.raises(TrainingError, match="differ by"):
        check_parity(graph_of([other]), [model], table, np.zeros(60, np.int64))


def test_the_card_says_how_few_rows_there_were(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    few, many = learn(make_table(22), settings), learn(make_table(400), settings)
    assert "**Few**" in few.card
    assert "22 windows" in few.card
    assert "**Few**" not in many.card


def test_tags_are_listed_with_their_units(bundle: Bundle) -> None:
    units = {tag.id: tag.units for tag in bundle.manifest.tags}
    assert units["P-1/pressure"] == "bar"
    assert set(units) == {
        "P-1/speed", "P-1/current", "P-1/pressure", "P-1/temperature",
        "P-1/acceleration",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "settings"),
        (b'{"asset": "P-1"}', "tags"),
        (b'{"asset":"P-1","tags":[],"window_s":5,"hop_s":1,"hopps":1}', "hopps"),
        (b'{"asset":"P-1","tags":[],"window_s":1,"hop_s":5}', "hop_s"),
        (
            b'{"asset":"P-1","tags":[],"window_s":5,"hop_s":1,"features_version":0}',
            "features_version",
        ),
    ],
)
def test_bad_settings_are_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        parse_settings(content)


def test_the_program_writes_a_bundle_and_one_line(
    tmp_path: Path,
    make_table: MakeTable,
    settings: TrainingSettings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_table(tmp_path / "t.npz", make_table(25))
    (tmp_path / "s.json").write_bytes(msgspec.json.encode(settings))
    given = [str(tmp_path / "t.npz"), str(tmp_path / "s.json")]
    assert main([*given, "--out", str(tmp_path / "models")]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    result = json.loads(line)
    assert result["ok"]
    assert result["rows"] == 25
    place = tmp_path / "models" / "P-1" / result["version"]
    assert result["path"] == str(place)
    assert read_bundle(place).manifest.version == result["version"]


def test_the_program_says_why_it_failed(
    tmp_path: Path,
    make_table: MakeTable,
    settings: TrainingSettings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_table(tmp_path / "t.npz", make_table(3))
    (tmp_path / "s.json").write_bytes(msgspec.json.encode(settings))
    given = [str(tmp_path / "t.npz"), str(tmp_path / "s.json")]
    assert main([*given, "--out", str(tmp_path / "models")]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result == {
        "ok": False,
        "error": "3 whole rows of 3; at least 12 are needed",
    }
