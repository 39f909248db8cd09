from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import onnxruntime
import pytest

from models.bundle import OUTPUTS, read_bundle
from models.features import FeatureTable, write_table
from models.train.__main__ import main
from models.train.distance import fit_distance
from models.train.graph import graph_of
from models.train.learn import learn
from models.train.limit import calibrate, tail_limit
from models.train.parity import PARITY_LIMIT, check_parity
from models.train.prepare import MIN_ROWS, prepare
from models.train.settings import TrainingError, TrainingSettings, parse_settings

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    from models.bundle import Bundle

    class MakeTable(Protocol):
        def __call__(
            self, rows: int, *, seed: int = 0, overlap_rows: int = 4
        ) -> FeatureTable: ...


def with_column(table: FeatureTable, name: str, column: np.ndarray) -> FeatureTable:
    values = table.values.copy()
    values[:, table.names.index(name)] = column
    return replace(table, values=values)


def scores(bundle: Bundle, table: FeatureTable) -> np.ndarray:
    columns = [table.names.index(name) for name in bundle.manifest.features]
    session = onnxruntime.InferenceSession(
        bundle.graph, providers=["CPUExecutionProvider"]
    )
    rows = table.values[:, columns].astype(np.float32)
    return np.asarray(session.run(["score"], {"features": rows})[0])


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
    holes = table.values[:, 3].copy()
    holes[::3] = np.nan
    table = with_column(table, "P-1/speed:range", holes)
    table = with_column(table, "P-1/current:std", np.full(30, 0.25))
    warming = 40.0 + 0.5 * np.arange(30)
    table = with_column(table, "P-1/temperature:mean", warming)
    manifest = learn(table, settings).manifest
    assert manifest.dropped == {
        "P-1/speed:range": "missing in 33% of the rows",
        "P-1/current:std": "constant at 0.25",
        "P-1/temperature:mean": "still drifting: +14.5 over the training",
    }
    assert not set(manifest.dropped) & set(manifest.features)
    assert len(manifest.dropped) + len(manifest.features) == len(table.names)


def test_rows_with_a_hole_are_left_out(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(30)
    holes = table.values[:, 0].copy()
    holes[[3, 17]] = np.nan
    rows = prepare(with_column(table, "P-1/speed:mean", holes), settings)
    assert len(rows.values) == 28
    assert np.isfinite(rows.values).all()


def test_rows_are_put_in_the_order_of_time(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(30)
    backwards = _rows(table, slice(None, None, -1))
    np.testing.assert_array_equal(
        prepare(backwards, settings).values, prepare(table, settings).values
    )


def test_too_few_rows_are_refused(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    with pytest.raises(TrainingError, match=f"at least {MIN_ROWS}"):
        learn(make_table(MIN_ROWS - 1), settings)


def test_a_table_of_constants_is_refused(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(20)
    with pytest.raises(TrainingError, match="no feature is left"):
        learn(replace(table, values=np.ones_like(table.values)), settings)


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
    rows = prepare(with_column(table, "P-1/temperature:mean", drift), settings)
    steady = prepare(table, settings)
    place = rows.names.index("P-1/temperature:mean")
    assert rows.floor[place] == pytest.approx(2.0)
    assert steady.floor[place] == pytest.approx(0.6, rel=0.01)


def test_the_limit_is_above_what_held_out_rows_scored() -> None:
    rng = np.random.default_rng(0)
    squares = rng.chisquare(20, size=500)
    limit = tail_limit(np.sqrt(squares))
    assert limit**2 > squares.max()
    assert limit**2 < 2.5 * squares.max()


def test_fewer_independent_rows_mean_a_larger_safety_factor() -> None:
    rows = np.random.default_rng(0).normal(size=(100, 5))
    floor = np.zeros(5)
    _, alone = calibrate(rows, floor, overlap_rows=0)
    _, overlapping = calibrate(rows, floor, overlap_rows=9)
    assert 1.0 < alone.safety_factor < overlapping.safety_factor


def test_the_score_is_one_at_the_limit_and_grows_in_proportion() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 5))
    model, _ = calibrate(rows, np.zeros(5), overlap_rows=0)
    way = np.array([[1.0, -2.0, 0.5, 0.0, 3.0]])
    centre = model.scaler.mean_
    near = model.distances(centre + way)
    far = model.distances(centre + 10.0 * way)
    assert far.score == pytest.approx(10.0 * near.score)
    assert near.contributions.sum(axis=1) == pytest.approx(near.score**2)
    assert (near.contributions >= 0.0).all()


def test_t2_and_spe_split_the_squared_distance_for_a_full_model() -> None:
    rows = np.random.default_rng(0).normal(size=(400, 3)) @ np.diag([3.0, 1.0, 0.2])
    model = fit_distance(rows, np.zeros(3))
    t2, spe = model.parts(rows)
    assert t2.mean() == pytest.approx(model.pca.n_components_, rel=0.05)
    assert spe.mean() == pytest.approx(
        3.0 - model.pca.explained_variance_.sum(), abs=0.05
    )


def test_the_graph_says_what_scikit_learn_says(bundle: Bundle) -> None:
    assert 0.0 <= bundle.manifest.parity_max <= PARITY_LIMIT
    session = onnxruntime.InferenceSession(
        bundle.graph, providers=["CPUExecutionProvider"]
    )
    assert [each.name for each in session.get_outputs()] == list(OUTPUTS)
    count = len(bundle.manifest.features)
    assert session.get_inputs()[0].shape[1] == count
    answers = session.run(None, {"features": np.ones((7, count), np.float32)})
    assert [each.shape for each in answers] == [(7,), (7,), (7,), (7, count)]


def test_another_graph_is_found_out() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 4))
    model, _ = calibrate(rows, np.zeros(4), overlap_rows=0)
    other = replace(model, spe_unit=1.01 * model.spe_unit)
    with pytest.raises(TrainingError, match="differ by"):
        check_parity(graph_of(other), model, rows)


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


@pytest.mark.system
def test_a_missing_table_ends_the_process_with_one(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(
        b'{"asset":"P-1","tags":[],"window_s":5,"hop_s":1}'
    )
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "models.train", tmp_path / "no.npz"),
            *(tmp_path / "s.json", "--out", tmp_path, "--nice", "5"),
        ],
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert ended.returncode == 1
    assert "no.npz" in json.loads(ended.stdout)["error"]
