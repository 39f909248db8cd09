"""Was there enough to learn from? And what a bundle remembers of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.inference.detector import BundleDetector, Runtime
from appliance.inference.refresh import MOST_LAX, compare, scores
from models.reference import ROWS, Reference
from models.train.learn import learn

if TYPE_CHECKING:
    from typing import Protocol

    from models.bundle import Bundle
    from models.features import FeatureTable
    from models.train.settings import TrainingSettings

    class MakeTable(Protocol):
        def __call__(
            self, rows: int, *, seed: int = 0, overlap_rows: int = 4
        ) -> FeatureTable: ...


def over(table: FeatureTable, hours: float) -> FeatureTable:
    """Return the table with its rows spread over so many hours."""
    step_ns = round(hours * 3.6e12 / len(table))
    return replace(table, time_ns=table.time_ns[0] + step_ns * np.arange(len(table)))


def moved(table: FeatureTable, rows: slice, name: str, by: float) -> FeatureTable:
    values = table.values.copy()
    values[rows, table.names.index(name)] += by
    return replace(table, values=values)


def test_half_a_minute_is_not_enough_and_it_is_said_what_is_missing(
    bundle: Bundle,
) -> None:
    learning = bundle.manifest.learning
    assert learning.independent == 5
    assert learning.more_h == pytest.approx(24.0, abs=0.1)
    assert any("share no values" in each for each in learning.missing)
    assert any("a day and a night" in each for each in learning.missing)
    assert "Not yet enough" in bundle.card


def test_two_days_that_stay_alike_are_enough(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    made = learn(over(make_table(600), 48.0), settings)
    learning = made.manifest.learning
    assert learning.missing == ()
    assert learning.more_h == 0.0
    assert [each.part for each in learning.trials] == [0.25, 0.5, 0.75]
    assert all(0.6 < each.limit < 1.7 for each in learning.trials)
    assert "It was enough" in made.card


def test_a_last_quarter_that_is_new_says_that_more_is_to_come(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = moved(
        over(make_table(400), 48.0), slice(300, None), "P-1/pressure:mean", 1.0
    )
    learning = learn(table, settings).manifest.learning
    assert learning.trials[-1].strange > 0.5
    assert any("strange" in each for each in learning.missing)
    assert learning.more_h > 0.0


def test_a_contaminated_baseline_is_survived_and_said(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = moved(make_table(400), slice(100, 140), "P-1/current:mean", 8.0)
    made = BundleDetector(learn(table, settings))
    plain = learn(table, settings).manifest
    assert sum(mode.suspect_rows for mode in plain.modes) >= 40
    seen = scores(made, table)
    assert (seen[100:140] > 1.0).all()
    assert np.mean(np.delete(seen, np.s_[95:145]) > 1.0) < 0.02


def test_the_reference_is_of_healthy_rows_in_their_order(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = moved(make_table(400), slice(100, 140), "P-1/current:mean", 8.0)
    made = learn(table, settings)
    (found,) = BundleDetector(made).reference().values()
    assert found.shape == (ROWS, len(made.manifest.features))
    current = found[:, made.manifest.features.index("P-1/current:mean")]
    assert current.max() < 42.0
    assert Reference.of(np.empty((0, 3))).rows == ()


def test_a_candidate_of_the_same_machine_may_take_over(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    table = make_table(300)
    active = BundleDetector(learn(make_table(200, seed=1), settings))
    candidate = BundleDetector(learn(table, settings))
    fault = moved(make_table(40, seed=2), slice(None), "P-1/current:mean", 5.0)
    found = compare(active, candidate, healthy=table, faults={"overload": fault})
    assert found.objections == ()
    assert 1.0 / MOST_LAX < found.laxer < MOST_LAX
    (fault_found,) = found.faults
    assert min(fault_found.active, fault_found.candidate) > 1.0


def test_a_candidate_that_learned_a_fault_is_objected_to(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    active = BundleDetector(learn(make_table(300, seed=1), settings))
    fault = moved(make_table(200, seed=2), slice(None), "P-1/current:mean", 5.0)
    candidate = BundleDetector(learn(fault, settings))
    found = compare(active, candidate, healthy=fault, faults={"overload": fault})
    assert found.faults[0].forgotten
    assert len(found.objections) == 2
    assert "forgets a known fault (overload)" in found.objections[0]
    assert "times as far out" in found.objections[1]


def test_what_neither_can_judge_speaks_against_nobody(
    make_table: MakeTable, settings: TrainingSettings
) -> None:
    one = BundleDetector(learn(make_table(100), settings))
    nothing = replace(make_table(5), values=np.full((5, 19), np.nan))
    found = compare(one, one, healthy=nothing, faults={"x": nothing})
    assert found.faults == ()
    assert found.objections == ()


def test_a_provider_that_is_not_there_is_passed_over(bundle: Bundle) -> None:
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    runtime = Runtime(providers=wanted, threads=2)
    assert runtime.absent == ("CUDAExecutionProvider",)
    detector = BundleDetector(bundle, runtime)
    row = bundle.golden.features[0].tolist()
    assert detector.score(row) == pytest.approx(float(bundle.golden.score[0]), rel=1e-5)
