"""How each model does, from rows that a real ingest has put into a lake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from appliance.domain.model_figures import ModelFigure
from appliance.wire.outbox import Stream, SummaryRow
from fleet.__main__ import main
from fleet.analysis import trends_of
from fleet.ingest import Ingest
from fleet.lake import open_lake
from fleet.models import lines_of_models, models_of
from fleet.writer import open_writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Post = Callable[..., tuple[str, bytes]]

HOUR_NS = 3600 * 1_000_000_000
AT_NS = 472_222 * HOUR_NS


def row(
    figure: str,
    mean: float | None,
    *,
    hour: int = 0,
    version: str = "v1",
    asset: str = "P-101",
    count: int = 60,
) -> SummaryRow:
    tag = ModelFigure(asset, version, figure).tag
    low, high = (None, None) if mean is None else (0.5 * mean, 2.0 * mean)
    return SummaryRow(
        tag, AT_NS + hour * HOUR_NS, 3600.0, count, 60 - count, low, high, mean, 0.0,
        mean,
    )  # fmt: skip


FLOW = SummaryRow("P-101/flow", AT_NS, 60.0, 60, 0, 1.0, 1.0, 1.0, 0.0, 1.0)
ROWS = (
    FLOW,
    row("took_ms_p50", 2.0),
    row("took_ms_p50", 4.0, hour=1, count=20),
    row("score_p99", 0.8),
    row("confidence", 1.0),
    row("memory_bytes", 100e6),
    row("confidence", None, version="v2", hour=2, count=0),
    row("confidence", 0.9, asset="P-102"),
)


@pytest.fixture
def folder(tmp_path: Path, post: Post) -> Path:
    with open_writer(tmp_path / "lake") as writer:
        ingest = Ingest(writer)
        ingest.take(*post(Stream.SUMMARY, 1, len(ROWS), rows=ROWS))
        assert ingest.counters["payloads_broken"] == 0
        ingest.commit()
    return tmp_path / "lake"


def test_each_model_of_each_asset_is_told_with_its_figures(folder: Path) -> None:
    with open_lake(folder) as lake:
        first, second, other = models_of(lake)
        (alone,) = models_of(lake, "P-102")
    assert alone == other
    assert [each.version for each in (first, second)] == ["v1", "v2"]
    took = first.figures["took_ms_p50"]
    assert took.mean == pytest.approx((60 * 2.0 + 20 * 4.0) / 80)
    assert (took.low, took.high, took.last) == (1.0, 8.0, 4.0)
    assert second.figures["confidence"].mean is None
    assert (second.looks, second.idle) == (0, 60)


def test_it_is_told_in_words(folder: Path) -> None:
    with open_lake(folder) as lake:
        text = "\n".join(lines_of_models(models_of(lake, "P-101")))
    assert "P-101 model v1" in text
    assert "in 80 of 120 minutes" in text
    assert "2.5 ms (median), - (99 of 100)" in text
    assert "200 MB at most" in text
    assert "model v2" in text


def test_figures_of_models_are_no_measured_tags(folder: Path) -> None:
    with open_lake(folder) as lake:
        trends = trends_of(lake, "P-101")
    assert all("model_" not in drift.tag for each in trends for drift in each.drifts)
    assert trends[0].bad_pct == 0.0


def test_the_command_tells_it(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "--lake", str(folder), "--models", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["version"] for each in told] == ["v1", "v2", "v1"]
    (tmp_path / "none").mkdir()
    assert main(["report", "--lake", str(tmp_path / "none"), "--models"]) == 0
    assert "no model" in capsys.readouterr().out
