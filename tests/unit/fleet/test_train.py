"""A bundle from summaries: healthy periods alone, and nothing made up."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.inference.detector import BundleDetector
from appliance.wire.outbox import HealthRow, Stream, SummaryRow
from fleet.__main__ import main
from fleet.ingest import Ingest
from fleet.lake import open_lake
from fleet.periods import Summaries, healthy_table
from fleet.train import TrainError, Wish, train
from fleet.writer import open_writer
from models.bundle import read_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fleet.periods import Harvest

    Post = Callable[..., tuple[str, bytes]]

NS = 1_000_000_000
AT_NS = 1_700_000_040 * NS
FLOW, SPEED, HOURS = "P-101/flow", "P-101/motor/speed", "P-101/hours_run"


def rows_of(
    period: int, *, flow: float = 60.0, speed: float = 1480.0, seed: int = 0
) -> list[SummaryRow]:
    rng = np.random.default_rng(1000 * seed + period)
    start_ns = AT_NS + period * 60 * NS
    found = []
    for tag, mean, std in ((FLOW, flow, 0.3), (SPEED, speed, 1.0)):
        at = mean + std * rng.normal() / 5
        spread = std * (1 + 0.1 * rng.normal())
        low, high = at - 3 * spread, at + 3 * spread
        found.append(SummaryRow(tag, start_ns, 60.0, 60, 0, low, high, at, spread, at))
    hours = 100.0 + period / 60
    found.append(
        SummaryRow(HOURS, start_ns, 60.0, 60, 0, hours, hours, hours, 0.0, hours)
    )
    return found


def columns(rows: list[SummaryRow]) -> Summaries:
    def numbers(name: str) -> np.ndarray:
        values = [getattr(row, name) for row in rows]
        return np.array([math.nan if v is None else v for v in values], dtype=float)

    return Summaries(
        tag=np.array([row.tag for row in rows], dtype=object),
        start_ns=np.array([row.start_ns for row in rows], dtype=np.int64),
        period_s=numbers("period_s"),
        count=numbers("count"),
        bad=numbers("bad"),
        low=numbers("min"),
        high=numbers("max"),
        mean=numbers("mean"),
        std=numbers("std"),
        last=numbers("last"),
    )


def harvest(
    rows: list[SummaryRow],
    *,
    running: tuple[str, float] | None = None,
    anomalies_ns: tuple[int, ...] = (),
    ignored: tuple[str, ...] = (),
) -> Harvest:
    return healthy_table(
        columns(rows),
        "P-101",
        running=running,
        anomalies_ns=np.array(anomalies_ns, dtype=np.int64),
        ignored=ignored,
    )


def healthy(periods: int = 20) -> list[SummaryRow]:
    return [row for period in range(periods) for row in rows_of(period)]


def test_a_period_is_a_window_and_its_summary_three_features() -> None:
    found = harvest(healthy(4))
    assert found.table.names == (
        f"{FLOW}:mean", f"{FLOW}:std", f"{FLOW}:range",
        f"{SPEED}:mean", f"{SPEED}:std", f"{SPEED}:range",
    )  # fmt: skip
    assert found.period_s == 60.0
    assert found.table.time_ns.tolist() == [AT_NS + n * 60 * NS for n in (1, 2, 3, 4)]
    flow = rows_of(2)[0]
    assert flow.max is not None
    assert flow.min is not None
    assert found.table.values[2, :3] == pytest.approx(
        [flow.mean, flow.std, flow.max - flow.min]
    )


def test_a_counter_and_what_is_not_wanted_are_left_out_with_the_reason() -> None:
    found = harvest(healthy(), ignored=(SPEED,))
    assert found.tags_left_out == {
        HOURS: "only ever rises: a counter",
        SPEED: "not wanted",
    }


def test_a_tag_reported_by_exception_has_no_window_s_statistics() -> None:
    rows = [*healthy(), SummaryRow("P-101/mode", AT_NS, 60.0, 1, 0, 2, 2, 2, 0, 2)]
    assert "fewer than 8" in harvest(rows).tags_left_out["P-101/mode"]


def test_derived_tags_are_not_learned_from() -> None:
    rows = [
        *healthy(),
        SummaryRow("P-101/health_index", AT_NS, 60.0, 60, 0, *[1.0] * 5),
    ]
    found = harvest(rows)
    assert not any("health" in name for name in found.table.names)
    assert "P-101/health_index" not in found.tags_left_out


def test_periods_with_bad_samples_are_left_out() -> None:
    rows = healthy(6)
    rows[3] = SummaryRow(FLOW, rows[3].start_ns, 60.0, 59, 1, *[60.0] * 5)
    found = harvest(rows)
    assert (len(found.table), found.left_out["with bad samples"]) == (5, 1)


def test_periods_in_which_it_did_not_run_throughout_are_left_out() -> None:
    rows = healthy(6)
    rows[3 * 2 + 1] = rows_of(2, speed=400.0)[1]
    found = harvest(rows, running=(SPEED, 1000.0))
    assert (len(found.table), found.left_out["not running"]) == (5, 1)


def test_a_silent_running_tag_is_as_it_was() -> None:
    """A state that does not change has no samples, so no summary."""

    def state(period: int, value: float) -> SummaryRow:
        start_ns = AT_NS + period * 60 * NS
        return SummaryRow("P-101/on", start_ns, 60.0, 1, 0, *[value] * 5)

    rows = [*healthy(8), state(2, 1.0), state(5, 0.0)]
    found = harvest(rows, running=("P-101/on", 0.5))
    assert found.left_out["not running"] == 2 + 3
    assert len(found.table) == 3
    assert len(harvest(healthy(8), running=("P-101/unknown", 0.5)).table) == 0


def test_periods_around_an_anomaly_are_left_out() -> None:
    derived = SummaryRow(
        "P-101/anomaly", AT_NS + 9 * 60 * NS, 60.0, 60, 0, 0.0, 1.0, 0.1, 0.3, 0.0
    )
    found = harvest([*healthy(12), derived], anomalies_ns=(AT_NS + 5 * 60 * NS + NS,))
    assert found.left_out["anomalous"] == 3  # 4 and 5 by its time, 9 by the tag
    assert len(found.table) == 9


def test_a_period_told_in_pieces_or_in_part_is_left_out() -> None:
    """The hub was started anew within it."""
    rows = healthy(20)
    rows.append(rows_of(4)[0])
    rows[3 * 7] = SummaryRow(FLOW, rows[3 * 7].start_ns, 60.0, 20, 0, *[60.0] * 5)
    found = harvest(rows)
    assert found.left_out["seen in pieces"] == 1
    assert np.isnan(found.table.values).any(axis=1).sum() == 1


def test_periods_of_another_length_are_passed_over() -> None:
    rows = [*healthy(5), SummaryRow(FLOW, AT_NS, 10.0, 60, 0, *[1.0] * 5)]
    assert harvest(rows).period_s == 60.0
    assert len(harvest(rows).table) == 5


def test_nothing_gives_an_empty_table() -> None:
    found = harvest([])
    assert (len(found.table), found.table.names) == (0, ())


@pytest.fixture
def lake(tmp_path: Path, post: Post) -> Path:
    """Return a lake with forty healthy periods of two gateways, one anomaly."""
    root = tmp_path / "lake"
    anomaly = HealthRow(
        "P-101", AT_NS + 30 * 60 * NS + NS, 2.0, 1.0, 0.5, True,
        None, None, None, FLOW, "v1",
    )  # fmt: skip
    with open_writer(root) as writer:
        ingest = Ingest(writer)
        for gateway, count in (("gw-1", 40), ("gw-2", 5)):
            rows = healthy(count)
            ingest.take(*post(Stream.SUMMARY, 1, len(rows), rows=rows, gateway=gateway))
        ingest.take(*post(Stream.HEALTH, 1, 1, rows=[anomaly]))
        ingest.commit()
        assert ingest.counters["payloads_broken"] == 0
    return root


def test_the_bundle_tells_summaries_of_healthy_periods_from_others(
    lake: Path, tmp_path: Path
) -> None:
    with open_lake(lake) as opened:
        wish = Wish("P-101", gateway="gw-1", running=(SPEED, 1000.0))
        result = train(opened, wish, tmp_path / "out")
    assert (result["periods"], result["left_out"]["anomalous"]) == (38, 2)
    bundle = read_bundle(tmp_path / "out" / "P-101" / result["version"])
    assert (bundle.manifest.window_s, bundle.manifest.hop_s) == (60.0, 60.0)
    assert "gateway plant-1/gw-1: 38 periods of 60 s" in bundle.card
    assert "left out: 2 anomalous" in bundle.card
    detector = BundleDetector(bundle)

    def score(rows: list[SummaryRow]) -> float:
        table = harvest(rows).table
        place = {name: i for i, name in enumerate(table.names)}
        order = [place[name] for name in bundle.manifest.features]
        return detector.score(table.values[0, order].tolist())

    assert score(rows_of(50, seed=9)) < 1.0
    assert score(rows_of(50, flow=40.0)) > 3.0


def test_an_asset_at_two_gateways_is_asked_about(lake: Path, tmp_path: Path) -> None:
    with open_lake(lake) as opened:
        with pytest.raises(TrainError, match="plant-1/gw-1, plant-1/gw-2; choose"):
            train(opened, Wish("P-101"), tmp_path)
        with pytest.raises(TrainError, match="no summaries of 'P-9'"):
            train(opened, Wish("P-9"), tmp_path)
        with pytest.raises(TrainError, match="at least 12 are needed"):
            train(opened, Wish("P-101", gateway="gw-2"), tmp_path)


def test_an_empty_lake_has_nothing_to_learn_from(tmp_path: Path) -> None:
    with open_lake(tmp_path) as opened:
        with pytest.raises(TrainError, match="no summaries"):
            train(opened, Wish("P-101"), tmp_path)


def test_only_the_time_asked_for_is_learned_from(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "train", "--lake", str(lake), "--asset", "P-101", "--gateway", "gw-1",
        "--out", str(tmp_path / "out"), "--running", f"{SPEED}:1000", "--json",
    ]  # fmt: skip
    assert main([*words, "--from", "2023-11-14T22:24:00+00:00"]) == 0
    assert json.loads(capsys.readouterr().out)["periods"] == 28
    assert main([*words, "--to", "2023-11-14T22:34:00+00:00", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["periods"] == 20
    assert main([*words, "--from", "yesterday"]) == 1
    with pytest.raises(SystemExit):
        main([*words, "--running", "P-101"])


def test_the_command_says_where_the_bundle_is(
    lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--lake", str(lake), "--asset", "P-101", "--gateway", "gw-1"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "from 38 periods of 60 s at plant-1/gw-1" in said
    assert str(tmp_path / "out" / "P-101") in said
