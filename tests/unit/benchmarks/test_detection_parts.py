"""Sets of parts side by side: their names, what is learned once, what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from benchmarks.quality import sets
from benchmarks.quality.parts import PART_SETS, Trainer, compared, cost_of, name_of
from benchmarks.quality.sets import Labelled
from benchmarks.quality.smaller import KINDS, graph_in, smaller
from models.bundle import GRAPH
from models.features import FeatureTable
from models.parts import ALL_PARTS, DEFAULT_PARTS
from models.train.learn import learn
from models.train.settings import parse_settings

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("P/a:mean", "P/a:last", "P/b:mean")
TOLD = {"asset": "P", "tags": (), "window_s": 2.0, "hop_s": 1.0, "parts": ("short",)}


def table(seed: int = 0) -> FeatureTable:
    values = np.random.default_rng(seed).normal(size=(16, len(NAMES)))
    time_ns = 1_800_000_000_000_000_000 + 1_000_000_000 * np.arange(16)
    return FeatureTable(NAMES, time_ns, values, np.ones_like(values))


def labelled(count: int, fault: slice) -> Labelled:
    values = np.random.default_rng(0).normal(size=(count, 3))
    values[fault] += 20.0
    anomaly = np.zeros(count, dtype=bool)
    anomaly[fault] = True
    time_ns = 1_000_000_000 * np.arange(count)
    return Labelled(time_ns, values, anomaly, np.zeros(count, dtype=bool))


def test_sets_are_named_by_what_is_beside_the_shipped_ones() -> None:
    names = [name_of(each) for each in PART_SETS]
    assert names[0] == "as shipped"
    assert names[1] == "shipped and neighbours"
    assert names[-1] == "autoencoder alone"
    assert len(set(names)) == len(names)
    assert {part for each in PART_SETS for part in each} == set(ALL_PARTS)


def test_the_same_rows_are_learned_once_and_cost_something(tmp_path: Path) -> None:
    trainer = Trainer(tmp_path)
    first = trainer(table(), TOLD)
    assert trainer(table(), TOLD) == first == trainer.newest()
    assert trainer(table(1), TOLD) == trainer.newest() != first
    size, p50_us = cost_of(first)
    assert size > 1000
    assert p50_us > 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_smaller_graph_says_nearly_the_same(tmp_path: Path, kind: str) -> None:
    whole = learn(table(), parse_settings(msgspec.json.encode(TOLD)))
    small = smaller(whole, kind)
    assert small.golden.score == pytest.approx(whole.golden.score, rel=0.05, abs=0.02)
    place = Trainer(tmp_path, kind)(table(), TOLD)
    assert len((place / GRAPH).read_bytes()) == len(small.graph)
    assert cost_of(place)[0] > 0


def test_fewer_bits_make_a_smaller_graph_of_many_features() -> None:
    names = tuple(f"P/{i}:last" for i in range(20))
    values = np.random.default_rng(0).normal(size=(60, 20))
    rows = FeatureTable(names, np.arange(60), values, np.ones_like(values))
    whole = learn(rows, parse_settings(msgspec.json.encode(TOLD))).graph
    sizes = [len(whole), *(len(graph_in(whole, kind)) for kind in KINDS)]
    assert sizes == sorted(sizes, reverse=True)


def test_both_sets_are_judged_by_the_code_of_the_backtest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy, faulty = labelled(230, slice(0)), labelled(230, slice(200, None))
    monkeypatch.setattr(sets, "SKAB_TRAIN_ROWS", 150)
    monkeypatch.setattr(sets, "TEP_TRAIN_ROWS", 150)
    monkeypatch.setattr(sets, "skab", lambda _: {"valve/1.csv": faulty})
    files = {"00.csv": healthy, "01.csv": faulty, "03.csv": faulty}
    monkeypatch.setattr(sets, "tep", lambda *_: files)
    wanted = DEFAULT_PARTS[:1]
    (row,) = compared(tmp_path, tmp_path / "out", quick=False, wanted=wanted)
    assert row.name == "short alone"
    assert (row.skab.events, row.skab.events_hit) == (1, 1)
    assert row.skab.missed_alarm_pct < 20.0
    assert row.detected_pct > 80.0
    assert max(row.false_pct, row.before_pct) < 20.0
    assert len(row.graph_bytes) == len(row.p50_us) == 2
