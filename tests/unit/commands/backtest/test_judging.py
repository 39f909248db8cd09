"""A file is judged in order of time, by rows up to each, and said in its own order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from appliance.commands.backtest.export import Export, ExportError, texts
from appliance.commands.backtest.judging import Share, judge_export
from appliance.commands.exits import CommandError
from appliance.commands.training import NotLearnedError
from appliance.domain.tag import Tag, TagId
from appliance.inference.causal import CausalSettings
from appliance.inference.detector import BundleDetector
from appliance.inference.window import Windows
from connectors.replay.config import ReplaySettings
from connectors.replay.source import ReplaySource
from models.bundle import write_bundle
from models.features import AssetModel, feature_vector
from models.train.learn import learn
from models.train.settings import parse_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.commands.backtest.outcome import Outcome
    from models.features import FeatureTable

NS = 1_000_000_000
START_NS = 1_580_000_000 * NS
ROWS, LEARNED, FAULT_FROM = 360, 200, 300
WINDOW_S = 10.0
SETTINGS = CausalSettings(window_s=WINDOW_S)


class Trainer:
    """Learns in this process, and keeps the bundle."""

    def __init__(self) -> None:
        self.detector: BundleDetector | None = None

    def __call__(
        self, table: FeatureTable, settings: Mapping[str, Any], out: Path
    ) -> dict[str, Any]:
        bundle = learn(table, parse_settings(msgspec.json.encode(settings)))
        place = write_bundle(out, bundle)
        self.detector = BundleDetector.load(place)
        return {"ok": True, "path": str(place), "rows": bundle.manifest.rows}


def healthy_then_not(seed: int = 1) -> np.ndarray:
    """Return flow, current and temperature of a pump whose current rises at the end."""
    noise = np.random.default_rng(seed).normal(size=(ROWS, 3))
    load = 0.2 * np.sin(np.arange(ROWS) / 9.0)
    values = np.column_stack((50.0 + load, 12.0 + 0.5 * load, 40.0 + 0.1 * load))
    values += noise * (0.1, 0.02, 0.02)
    values[FAULT_FROM:, 1] += 2.0
    return values


def export_of(values: np.ndarray, path: Path) -> Export:
    time_ns = START_NS + np.arange(len(values), dtype=np.int64) * NS
    said = texts([str(each) for each in (time_ns // NS).tolist()])
    return Export(path, said, time_ns, ("flow", "current", "temp"), values)


def reordered(export: Export, order: np.ndarray) -> Export:
    return replace(
        export,
        time_text=export.time_text[order],
        time_ns=export.time_ns[order],
        values=export.values[order],
    )


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return export_of(healthy_then_not(), tmp_path / "pump.csv")


@pytest.fixture
def trainer() -> Trainer:
    return Trainer()


def judged(export: Export, trainer: Trainer, rows: int = LEARNED) -> Outcome:
    return judge_export(export, Share(rows), settings=SETTINGS, train=trainer)


def test_the_fault_is_found_and_its_column_named(
    export: Export, trainer: Trainer
) -> None:
    outcome = judged(export, trainer)
    assert outcome.trained.sum() == LEARNED
    assert outcome.anomaly[-30:].all()
    assert not outcome.anomaly[:FAULT_FROM].any()
    assert outcome.alarm[FAULT_FROM:].any()
    assert set(outcome.cause[-30:]) == {"current"}
    assert np.isfinite(outcome.score[LEARNED:]).all()


def test_what_comes_later_changes_nothing_before(
    export: Export, trainer: Trainer
) -> None:
    whole = judged(export, trainer)
    short = judged(reordered(export, np.arange(FAULT_FROM + 10)), trainer)
    kept = slice(LEARNED, FAULT_FROM + 10)
    assert short.score[kept] == pytest.approx(whole.score[kept])
    assert (short.anomaly[kept] == whole.anomaly[kept]).all()
    assert (short.changepoint[kept] == whole.changepoint[kept]).all()


def test_rows_newest_first_are_judged_in_order_of_time(
    export: Export, trainer: Trainer
) -> None:
    forward = judged(export, trainer)
    backward = judged(reordered(export, np.arange(ROWS)[::-1]), trainer)
    assert backward.score[::-1] == pytest.approx(forward.score, nan_ok=True)
    assert (backward.trained[::-1] == forward.trained).all()
    assert any("newest first" in note for note in backward.notes)


def test_rows_out_of_order_and_doubles_are_said(
    export: Export, trainer: Trainer
) -> None:
    order = np.arange(ROWS)
    order[[250, 251]] = 251, 250
    outcome = judged(reordered(export, np.append(order, 350)), trainer)
    assert any("time goes back 2 times" in note for note in outcome.notes)
    assert "1 rows have the time of another row" in outcome.notes
    assert len(outcome.score) == ROWS + 1


def test_a_long_gap_is_said(export: Export, trainer: Trainer) -> None:
    order = np.r_[0:240, 300:ROWS]
    outcome = judged(reordered(export, order), trainer)
    assert any("1 gaps longer than a window" in note for note in outcome.notes)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (Share(rows=ROWS), "none is left to judge"),
        (Share(fraction=1e-6), "none would be learned from"),
    ],
)
def test_what_cannot_be_judged_names_the_file(
    export: Export, share: Share, words: str, trainer: Trainer
) -> None:
    with pytest.raises(ExportError, match=words) as refusal:
        judge_export(export, share, settings=SETTINGS, train=trainer)
    assert str(refusal.value).startswith(str(export.path))


def test_rows_from_which_nothing_is_learned_have_no_score_and_the_remedy_is_told(
    export: Export,
) -> None:
    def refuse(*_: object) -> dict[str, Any]:
        raise NotLearnedError("not learned: all is constant")

    outcome = judge_export(export, Share(5), settings=SETTINGS, train=refuse)
    assert np.isnan(outcome.score).all()
    assert not outcome.anomaly.any()
    assert outcome.trained.sum() == 5
    assert "all is constant; 5 rows" in outcome.problem
    assert "--train-rows" in outcome.notes[0]


def test_a_training_that_fails_names_the_file(export: Export) -> None:
    def fail(*_: object) -> dict[str, Any]:
        raise CommandError("training failed: no memory")

    with pytest.raises(ExportError, match="no memory") as refusal:
        judge_export(export, Share(LEARNED), settings=SETTINGS, train=fail)
    assert str(refusal.value).startswith(str(export.path))


def test_of_rows_and_fraction_the_fewer_are_learned_from() -> None:
    assert Share(750, 0.15).of(1000) == 150
    assert Share(750, 0.15).of(10_000) == 750
    assert Share(fraction=0.5).of(3) == 1


class RecordedClock:
    """Time is what the recording says."""

    def __init__(self) -> None:
        self.elapsed_ns = 0

    def utc_ns(self) -> int:
        return START_NS + self.elapsed_ns

    def now_s(self) -> float:
        return self.elapsed_ns / NS

    async def sleep(self, seconds: float) -> None:
        self.elapsed_ns += max(0, round(seconds * NS))
        await asyncio.sleep(0)


async def test_a_replay_on_the_live_road_gives_the_same_scores(
    export: Export, trainer: Trainer
) -> None:
    outcome = judged(export, trainer)
    detector = trainer.detector
    assert detector is not None
    lines = [
        f"{at},{','.join(map(repr, row))}"
        for at, row in zip(
            export.time_text.tolist(), export.values.tolist(), strict=True
        )
    ]
    export.path.write_text("\n".join(["timestamp,flow,current,temp", *lines]))
    tags = [TagId(f"backtest/{number}") for number in range(3)]
    settings = ReplaySettings.model_validate(
        {
            "name": "old",
            "connector": "replay",
            "file": str(export.path),
            "tags": [
                {"id": tag, "column": name}
                for tag, name in zip(tags, export.names, strict=True)
            ],
        }
    )
    model = AssetModel(
        "backtest", tuple(map(Tag, tags)), window_s=WINDOW_S, hop_s=1.0, hold_s=WINDOW_S
    )
    numbers = {tag: number for number, tag in enumerate(tags, start=1)}
    windows = Windows(model, numbers)
    scores: dict[int, float] = {}
    async with ReplaySource(settings, RecordedClock()).open(numbers) as batches:
        async for batch in batches:
            windows.push(batch)
            window = windows.due(batch.receive_time_ns)
            if window is not None:
                row = (window.end_ns - START_NS) // NS - 1
                scores[row] = detector.judge(feature_vector(model, window)).score
    live = np.array([scores.get(row, np.nan) for row in range(LEARNED, ROWS - 1)])
    assert np.isfinite(live).all()
    assert live == pytest.approx(outcome.score[LEARNED : ROWS - 1], rel=1e-4)
