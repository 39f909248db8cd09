"""What is learned from units that failed."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.train import life_ensemble
from models.train.life import main, table_of
from models.train.life_conditions import find_conditions, normal_of
from models.train.life_interval import HeldOut
from models.train.life_learn import learn_life
from models.train.life_path import (
    exponential_mean,
    past_features,
    trailing_mean,
    trailing_slope,
)
from models.train.life_runs import Runs, read_runs
from models.train.settings import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from models.train.life_learn import LifeRegressor

LEVELS = np.array([[10.0, 100.0], [60.0, 20.0], [30.0, 400.0]])  # of each condition


def fleet(
    units: int, *, seed: int, cut: bool = False
) -> tuple[str, list[float], np.random.Generator]:
    """Return CSV of engines in three conditions; and what is left of each."""
    rng = np.random.default_rng(seed)
    lines, left = ["unit,cycle,setting1,s1,s2,s3"], []
    for unit in range(units):
        lived = int(rng.integers(50, 90))
        seen = lived - int(rng.integers(5, 40)) if cut else lived
        left.append(float(lived - seen))
        for cycle in range(1, seen + 1):
            condition = int(rng.integers(3))
            wear = np.exp(-(lived - cycle) / 15.0)
            noise = rng.normal(size=3)
            low, high = LEVELS[condition]
            sensors = low + 3 * wear + 0.2 * noise[0], high - 30 * wear + 2 * noise[1]
            lines.append(
                f"{unit},{cycle},{condition * 10},{sensors[0]:.4f},"
                f"{sensors[1]:.4f},{noise[2]:.3f}"
            )
    return "\n".join(lines) + "\n", left, rng


def runs_of(folder: Path, text: str) -> Runs:
    path = folder / "runs.csv"
    path.write_text(text)
    return read_runs(path)


@pytest.fixture(autouse=True, scope="module")
def few_trees() -> Iterator[None]:
    """What is learned here is simple."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(life_ensemble, "ROUNDS", 25)
        patch.setattr(life_ensemble, "FOREST", 10)
        yield


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> LifeRegressor:
    text, _, _ = fleet(15, seed=1)
    return learn_life(runs_of(tmp_path_factory.mktemp("life"), text), cap=40.0)


def test_conditions_are_found_and_the_life_that_is_left_is_told(
    learned: LifeRegressor, tmp_path: Path
) -> None:
    text, left, _ = fleet(30, seed=2, cut=True)
    answers = learned.answer(runs_of(tmp_path, text))
    assert len(learned.folds[0].eyes.conditions) == 3
    error = np.sqrt(np.mean((answers.rul - np.array(left)) ** 2))
    assert error < 0.6 * np.std(left)
    covered = (answers.low <= left) & (left <= answers.high)
    assert 0.6 <= covered.mean() <= 1.0
    assert (answers.low <= answers.rul).all()
    assert (answers.rul <= answers.high).all()
    assert answers.low.min() >= 0.0


def test_a_wider_claim_has_a_wider_interval(
    learned: LifeRegressor, tmp_path: Path
) -> None:
    runs = runs_of(tmp_path, fleet(5, seed=3, cut=True)[0])
    narrow, wide = (learned.answer(runs, confidence=c) for c in (0.5, 0.95))
    assert (wide.high - wide.low > narrow.high - narrow.low).all()


def test_units_that_lack_a_column_are_refused(
    learned: LifeRegressor, tmp_path: Path
) -> None:
    text = fleet(1, seed=3)[0].replace("s2", "other")
    with pytest.raises(TrainingError, match="lack the column 's2'"):
        learned.answer(runs_of(tmp_path, text))


def test_the_program_writes_a_row_per_unit_and_repeats_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text(fleet(5, seed=4)[0])
    test.write_text(fleet(3, seed=5, cut=True)[0])
    out = tmp_path / "out.csv"
    words = [str(train), str(test), "--out", str(out), "--cap", "40", "--seed", "3"]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is True
    assert (said["units"], said["conditions"]) == (3, 3)
    again = learn_life(read_runs(train), cap=40.0, seed=3)
    assert out.read_text() == table_of(read_runs(test), again.answer(read_runs(test)))
    with out.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert [row["unit"] for row in rows] == ["0", "1", "2"]
    assert all(
        0.0 <= float(r["rul_low"]) <= float(r["rul"]) <= float(r["rul_high"])
        for r in rows
    )


@pytest.mark.parametrize(
    ("train", "more", "why"),
    [
        ("unit,cycle,s1\n1,1,5\n1,2,6\n", [], "1 units that failed are too few"),
        (fleet(5, seed=4)[0], ["--cap", "0"], "above 0"),
        (fleet(5, seed=4)[0], ["--confidence", "1"], "between 0 and 1"),
        (
            "unit,cycle,s1\n"
            + "".join(f"{u},{c},5\n" for u in range(5) for c in (1, 2)),
            [],
            "no sensor moves",
        ),
    ],
)
def test_what_cannot_be_learned_is_said_and_nothing_is_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    train: str,
    more: list[str],
    why: str,
) -> None:
    path, out = tmp_path / "train.csv", tmp_path / "out.csv"
    path.write_text(train)
    assert main([str(path), str(path), "--out", str(out), *more]) == 1
    said = json.loads(capsys.readouterr().out)
    assert why in said["error"]
    assert not out.exists()


# ------------------------------------------------------------------ the parts


def test_features_look_back_only() -> None:
    rng = np.random.default_rng(0)
    columns, cycle = rng.normal(size=(80, 2)), np.arange(80.0)
    whole = past_features(columns, cycle)
    begun = past_features(columns[:50], cycle[:50])
    np.testing.assert_allclose(whole[:50], begun, atol=1e-9)
    assert whole.shape == (80, 21)


def test_trailing_windows_are_those_of_numpy() -> None:
    column = np.random.default_rng(1).normal(size=(40, 1))
    mean, slope = trailing_mean(column, 10), trailing_slope(column, 10)
    for row in (0, 3, 25, 39):
        own = column[max(0, row - 9) : row + 1, 0]
        assert mean[row, 0] == pytest.approx(own.mean())
        if len(own) > 1:
            line = np.polyfit(np.arange(len(own)), own, 1)
            assert slope[row, 0] == pytest.approx(line[0], abs=1e-9)
    assert slope[0, 0] == 0.0


def test_an_exponential_mean_has_no_bias_at_the_beginning() -> None:
    np.testing.assert_allclose(exponential_mean(np.full((30, 1), 7.0), 20), 7.0)


def test_one_spread_is_one_condition() -> None:
    settings = np.random.default_rng(0).normal(size=(500, 2))
    assert len(find_conditions(settings, seed=0)) == 1
    assert len(find_conditions(np.zeros((500, 0)), seed=0)) == 1
    assert len(find_conditions(np.full((500, 1), 3.0), seed=0)) == 1


def test_six_conditions_are_six() -> None:
    rng = np.random.default_rng(0)
    places = np.array(
        [[0, 0], [10, 0.25], [20, 0.7], [25, 0.62], [35, 0.84], [42, 0.8]]
    )
    number = rng.integers(6, size=900)
    settings = places[number] + rng.normal(size=(900, 2)) * [0.003, 0.0005]
    found = find_conditions(settings, seed=0)
    assert len(found) == 6
    assert len(set(zip(number.tolist(), found.of(settings).tolist(), strict=True))) == 6


def test_what_is_unknown_or_stands_still_deviates_by_nothing() -> None:
    sensors = np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]])
    normal = normal_of(sensors, np.zeros(3, dtype=np.int64), conditions=1)
    moved = normal.deviations(sensors, np.zeros(3, dtype=np.int64))
    assert moved.tolist() == [[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]


def test_intervals_follow_the_errors_near_the_answer() -> None:
    rng = np.random.default_rng(0)
    told = np.repeat(np.array([10.0, 100.0]), 500)
    error = rng.normal(size=1000) * np.repeat([1.0, 20.0], 500)
    held = HeldOut.of(told, told + error, np.ones(1000), units=100)
    low, high = held.interval(np.array([10.0, 100.0]), 0.8)
    assert high - low == pytest.approx([2.56, 51.0], rel=0.15)
    assert held.rmse(1e9) == pytest.approx(np.sqrt(np.mean(error**2)))
