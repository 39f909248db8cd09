"""The parts that may be chosen: each says in the graph what it says in numpy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from sklearn.ensemble import IsolationForest

from models.features import FeatureTable
from models.parts import ALL_PARTS, AUTOENCODER, DEFAULT_PARTS, FOREST, NEIGHBOURS
from models.train.autoencoder import fit_autoencoder
from models.train.distance import fit_distance
from models.train.forest import MOST_SAMPLED, TREES, fit_forest, usual_way
from models.train.graph import graph_of
from models.train.learn import learn
from models.train.limit import calibrate
from models.train.neighbours import MOST_KEPT, NEAREST, fit_neighbours
from models.train.parity import PARITY_LIMIT, check_parity
from models.train.settings import TrainingError, TrainingSettings
from models.train.together import joined, units_of, weights_of

if TYPE_CHECKING:
    from models.train.distance import DistanceModel

NAMES = tuple(f"P-1/{tag}:{each}" for tag in "abc" for each in ("mean", "std", "last"))
MORE = (NEIGHBOURS, FOREST, AUTOENCODER)
EVERY = np.ones(len(NAMES), dtype=bool)


def rows_of(count: int, *, seed: int = 0, off: float = 0.0) -> np.ndarray:
    """Rows of a machine whose features hang together."""
    rng = np.random.default_rng(seed)
    load = rng.normal(size=(count, 1)) * np.linspace(-1.0, 1.0, len(NAMES))
    return np.asarray(off + load + 0.3 * rng.normal(size=(count, len(NAMES))))


def told(*parts: str) -> TrainingSettings:
    return TrainingSettings("P-1", (), 2.0, 1.0, parts=parts)


def table_of(rows: np.ndarray) -> FeatureTable:
    time_ns = 1_800_000_000_000_000_000 + 1_000_000_000 * np.arange(len(rows))
    return FeatureTable(NAMES, time_ns, rows, np.ones_like(rows))


def fitted(rows: np.ndarray, *parts: str) -> DistanceModel:
    """Return a model whose parts have limits of their own, none of them learned."""
    model = fit_distance(rows, np.full(len(NAMES), 0.01), NAMES, chosen=parts)
    weights = {name: 0.1 * (1 + i) for i, name in enumerate(parts)}
    return replace(model, weights=weights, levels=dict.fromkeys(parts, 0.2))


@pytest.mark.parametrize("modes", [1, 3])
@pytest.mark.parametrize("parts", [*((each,) for each in MORE), ALL_PARTS])
def test_the_graph_says_of_each_mode_what_the_parts_say(
    parts: tuple[str, ...], modes: int
) -> None:
    tables = [rows_of(40 + 10 * i, seed=i, off=5.0 * i) for i in range(modes)]
    models = [fitted(rows, *parts) for rows in tables]
    mode = np.repeat(np.arange(modes), [len(rows) for rows in tables])
    graph = graph_of(models)
    golden, worst = check_parity(graph, models, np.concatenate(tables), mode)
    assert worst <= PARITY_LIMIT
    assert golden.detectors.shape[1] == len(parts)
    assert golden.contributions.sum(axis=1) == pytest.approx(golden.score**2, rel=1e-4)


def test_the_shipped_parts_need_no_vocabulary_of_trees() -> None:
    def vocabularies(*parts: str) -> set[str]:
        graph = onnx.load_from_string(graph_of([fitted(rows_of(40), *parts)]))
        return {each.domain for each in graph.opset_import}

    assert vocabularies(*DEFAULT_PARTS) == {""}
    assert vocabularies(*DEFAULT_PARTS, FOREST) == {"", "ai.onnx.ml"}


@pytest.mark.parametrize("modes", [1, 2])
def test_a_forest_is_one_node_whatever_the_modes(modes: int) -> None:
    model = fitted(rows_of(40), FOREST)
    graph = onnx.load_from_string(graph_of([model] * modes)).graph
    kinds = [each.op_type for each in graph.node]
    assert kinds.count("TreeEnsembleRegressor") == 1


def test_what_trees_save_is_what_an_isolation_forest_scores() -> None:
    rows, later = rows_of(200), rows_of(50, seed=1) * 3.0
    forest = fit_forest(rows, EVERY)
    plain = IsolationForest(
        n_estimators=TREES, max_samples=MOST_SAMPLED, random_state=0
    ).fit(rows)
    usual = float(usual_way(np.array([MOST_SAMPLED]))[0])
    way = -usual * np.log2(-plain.score_samples(np.concatenate((rows, later))))
    saved = forest.saved(np.concatenate((rows, later))).sum(axis=1)
    assert saved == pytest.approx(way[: len(rows)].mean() - way, abs=1e-6)


def test_the_usual_way_to_one_row_alone_is_no_cut_at_all() -> None:
    ways = usual_way(np.array([1, 2, 3, 256]))
    assert ways.tolist() == pytest.approx([0.0, 1.0, 1.2074, 10.2448], abs=1e-3)


def test_a_forest_finds_the_feature_that_is_cut_off() -> None:
    forest = fit_forest(rows_of(200), EVERY)
    rows = rows_of(20, seed=1)
    moved = rows.copy()
    moved[:, 4] += 12.0
    more = forest.saved(moved) - forest.saved(rows)
    assert (more.argmax(axis=1) == 4).all()
    squares = forest.squares(moved, 1.0)
    assert (squares >= 0.0).all()
    assert squares[:, 4].sum() > 0.3 * squares.sum()


def test_where_nothing_moves_a_forest_says_nothing() -> None:
    forest = fit_forest(rows_of(30), ~EVERY)
    assert (forest.squares(rows_of(5, seed=1), 1.0) == 0.0).all()


def test_neighbours_are_those_that_are_nearest_by_hand() -> None:
    rows, asked = rows_of(60), rows_of(20, seed=1)
    part = fit_neighbours(rows, np.eye(len(NAMES)))
    squares = ((asked[:, np.newaxis] - rows) ** 2).sum(axis=2)
    wanted = np.sort(squares, axis=1)[:, :NEAREST].mean(axis=1)
    assert part.squares(asked, 1.0).sum(axis=1) == pytest.approx(wanted)
    assert part.squares(asked, 2.0) == pytest.approx(4.0 * part.squares(asked, 1.0))


def test_no_more_neighbours_are_kept_than_are_allowed() -> None:
    part = fit_neighbours(rows_of(3 * MOST_KEPT), np.eye(len(NAMES)))
    assert (part.taken, len(part.kept)) == (MOST_KEPT, MOST_KEPT)
    assert str(MOST_KEPT) in part.cost


def test_a_place_that_is_not_taken_is_nobodys_neighbour() -> None:
    part = fit_neighbours(rows_of(2, off=50.0), np.eye(len(NAMES)))
    far = part.squares(np.zeros((1, len(NAMES))), 1.0)
    assert far.sum() > 1e4  # the places that are empty stand at nought


def test_an_autoencoder_sees_a_relation_that_breaks() -> None:
    rows = rows_of(300)
    part = fit_autoencoder(rows, EVERY)
    usual = np.sqrt(part.squares(rows_of(100, seed=1), 1.0).sum(axis=1))
    broken = np.linspace(-1.0, 1.0, len(NAMES))[np.newaxis] * 1.5
    broken[0, [0, 8]] *= -1.0
    assert np.sqrt(part.squares(broken, 1.0).sum()) > 2.0 * np.median(usual)


def test_an_autoencoder_is_the_same_from_the_same_rows() -> None:
    first, second = (fit_autoencoder(rows_of(40), EVERY) for _ in range(2))
    asked = rows_of(5, seed=1)
    assert (first.squares(asked, 1.0) == second.squares(asked, 1.0)).all()


def test_neighbours_are_as_near_as_the_usual_wandering_makes_them() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2))
    drifting = rows.copy()
    drifting[:, 0] += np.linspace(-2.0, 2.0, 400)
    off, names = np.array([[6.0, 0.0]]), ("a:mean", "b:mean")
    steady, moved = (
        fit_distance(each, np.zeros(2), names, chosen=(NEIGHBOURS,)).parts(
            each.mean(axis=0) + off
        )
        for each in (rows, drifting)
    )
    assert moved[0, 0] < 0.5 * steady[0, 0]


@pytest.mark.parametrize("part", MORE)
def test_what_the_tags_are_now_is_left_to_the_part_short(part: str) -> None:
    model = fit_distance(rows_of(40), np.full(9, 0.01), NAMES, chosen=(part,))
    newest = np.array([name.endswith(":last") for name in NAMES])
    row = rows_of(1, seed=1)
    moved = row + 100.0 * newest
    assert model.parts(moved) == pytest.approx(model.parts(row))
    assert (model.answers(moved).contributions[0, newest] == 0.0).all()


def test_one_feature_is_enough_for_every_part() -> None:
    rows = rows_of(40)[:, :1]
    model = fit_distance(rows, np.full(1, 0.01), NAMES[:1], chosen=ALL_PARTS)
    parts = model.parts(np.array([[0.0], [30.0]]))
    seen = [model.detectors.index(name) for name in MORE]
    assert (parts[1, seen] > parts[0, seen]).all()


def test_parts_that_differ_in_size_count_alike() -> None:
    rng = np.random.default_rng(0)
    parts = np.abs(rng.normal(size=(500, 2))) * [100.0, 0.01]
    names = (NEIGHBOURS, FOREST)
    units = units_of(parts, names)
    weights = weights_of(units, names)
    weighed = np.quantile(parts * [weights[name] for name in names], 0.9, axis=0)
    assert weighed == pytest.approx([np.sqrt(0.5)] * 2)
    assert joined(parts, names, units) == pytest.approx(
        np.hypot(*(parts * [weights[name] for name in names]).T)
    )


def test_a_part_that_sees_nothing_takes_no_weight_from_the_others() -> None:
    parts = np.column_stack((np.zeros(100), np.arange(100.0)))
    names = ("short", NEIGHBOURS)
    weights = weights_of(units_of(parts, names), names)
    assert weights["short"] == 0.0
    assert weights[NEIGHBOURS] == pytest.approx(1.0 / np.quantile(np.arange(100), 0.9))


def test_each_chosen_part_is_told_alone_and_in_the_card() -> None:
    chosen = (AUTOENCODER, "t2", NEIGHBOURS, FOREST)
    bundle = learn(table_of(rows_of(15)), told(*chosen))
    manifest = bundle.manifest
    assert manifest.detectors == ("t2", NEIGHBOURS, FOREST, AUTOENCODER)
    assert bundle.golden.detectors.shape[1] == len(chosen)
    for name in chosen:
        assert f"- `{name}`: " in bundle.card
    assert "15 windows kept" in bundle.card
    assert f"{TREES} trees" in bundle.card
    assert "an approximation" in bundle.card
    assert f"The graph has {len(bundle.graph) / 1000:.0f} kB" in bundle.card


def test_the_limit_of_every_part_is_one_and_healthy_rows_are_within() -> None:
    floor = np.full(len(NAMES), 0.01)
    model, limit = calibrate(rows_of(120), floor, NAMES, told(*ALL_PARTS))
    healthy = model.answers(rows_of(300, seed=1))
    assert (healthy.detectors <= 1.0).mean() > 0.99
    assert (healthy.score <= 1.0).mean() > 0.99
    assert 0.0 < limit.normal_limit <= limit.anomaly_limit <= 1.0
    sick = model.answers(rows_of(20, seed=2) + np.where(np.arange(9) == 3, 9.0, 0.0))
    assert sick.score.min() > 1.0
    assert (sick.contributions.argmax(axis=1) == 3).mean() > 0.5


def test_without_the_newest_values_a_change_is_still_seen() -> None:
    floor = np.full(len(NAMES), 0.01)
    _, limit = calibrate(rows_of(300), floor, NAMES, told(NEIGHBOURS))
    assert limit.change_limit is not None


def test_what_stood_alone_needs_the_part_that_looks_at_it() -> None:
    rows = np.ones((30, len(NAMES)))
    assert learn(table_of(rows), told("still")).manifest.detectors == ("still",)
    with pytest.raises(TrainingError, match="nothing moves that t2, forest"):
        learn(table_of(rows), told(FOREST, "t2"))


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((), "at least one"),
        (("t2", "t2"), "each once"),
        (("t2", "oracle"), "no such parts: oracle"),
    ],
)
def test_a_choice_that_is_none_is_refused(parts: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        told(*parts)
