"""Trends from rows that a real ingest has put into a lake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from appliance.wire.outbox import HealthRow, Row, Stream, SummaryRow
from fleet.__main__ import main
from fleet.analysis import AssetTrend, Life, lines_of, trends_of
from fleet.ingest import Ingest
from fleet.lake import Lake, open_lake
from fleet.parts import LakeError
from fleet.writer import open_writer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Post = Callable[..., tuple[str, bytes]]

DAY_NS = 86_400_000_000_000
AT_NS = 1_700_000_000_000_000_000


def health(day: float, index: float | None, **more: object) -> HealthRow:
    row = HealthRow(
        asset="P-101",
        time_ns=AT_NS + round(day * DAY_NS),
        score=0.5,
        limit=1.0,
        index=index,
        anomaly=False,
        life_h=None,
        life_low_h=None,
        life_high_h=None,
        cause="",
        model="v1",
    )
    return msgspec.structs.replace(row, **more)


def summary(tag: str, day: float, mean: float | None, *, bad: int = 0) -> SummaryRow:
    start_ns = AT_NS + round(day * DAY_NS)
    count = 0 if mean is None else 100 - bad
    return SummaryRow(tag, start_ns, 60.0, count, bad, mean, mean, mean, 0.5, mean)


@pytest.fixture
def fill(tmp_path: Path, post: Post) -> Callable[..., Path]:
    """Ingest rows of a gateway; return the lake's folder."""

    def filled(stream: Stream, rows: Sequence[Row], gateway: str = "gw-1") -> Path:
        with open_writer(tmp_path / "lake") as writer:
            ingest = Ingest(writer)
            ingest.take(*post(stream, 1, len(rows), rows=rows, gateway=gateway))
            assert ingest.counters["payloads_broken"] == 0
            ingest.commit()
        return tmp_path / "lake"

    return filled


def trend(lake: Path) -> AssetTrend:
    with open_lake(lake) as opened:
        (only,) = trends_of(opened)
    return only


def test_the_health_index_has_a_slope_per_day(fill: Callable[..., Path]) -> None:
    rows = [health(day / 4, 1.0 - 0.02 * day / 4) for day in range(41)]
    found = trend(fill(Stream.HEALTH, rows))
    assert found.slope_per_day == pytest.approx(-0.02)
    assert found.health_index == pytest.approx(0.8)
    assert (found.rows, found.model) == (41, "v1")


def test_rows_without_an_index_bend_no_trend(fill: Callable[..., Path]) -> None:
    rows = [health(day, None if day % 2 else 0.9) for day in range(8)]
    found = trend(fill(Stream.HEALTH, rows))
    assert found.slope_per_day == pytest.approx(0.0)
    assert found.health_index == pytest.approx(0.9)


def test_two_rows_are_no_trend(fill: Callable[..., Path]) -> None:
    found = trend(fill(Stream.HEALTH, [health(0, 1.0), health(1, 0.5)]))
    assert (found.slope_per_day, found.life, found.drifts) == (None, None, ())


def test_the_last_estimate_of_life_comes_with_its_interval(
    fill: Callable[..., Path],
) -> None:
    rows = [
        health(0, 1.0, life_h=900.0, life_low_h=100.0),
        health(1, 0.9, life_h=500.0, life_low_h=300.0, life_high_h=800.0),
        health(2, 0.9),
    ]
    found = trend(fill(Stream.HEALTH, rows))
    assert found.life == Life(500.0, 300.0, 800.0, AT_NS + DAY_NS)
    assert "500 h (300 to 800)" in "\n".join(lines_of([found]))
    open_end = replace_life(found, Life(900.0, 100.0, None, AT_NS))
    assert "900 h (100 to -)" in "\n".join(lines_of([open_end]))


def replace_life(found: AssetTrend, life: Life) -> AssetTrend:
    return msgspec.structs.replace(found, life=life)


def test_anomalies_are_counted_by_their_beginnings(fill: Callable[..., Path]) -> None:
    bad = {"anomaly": True, "cause": "P-101/DE/vibration_rms"}
    rows = [
        health(day / 2, 0.9, **(bad if day in {3, 4, 5, 9, 20} else {}))
        for day in range(28)
    ]
    rows[9] = msgspec.structs.replace(rows[9], cause="P-101/flow")
    found = trend(fill(Stream.HEALTH, rows))
    assert found.anomalies == 3
    assert found.anomalies_per_week == pytest.approx(7 * 3 / 13.5)
    assert [(c.tag, c.rows) for c in found.causes] == [
        ("P-101/DE/vibration_rms", 4),
        ("P-101/flow", 1),
    ]


def test_a_short_time_is_not_made_out_to_be_a_week(fill: Callable[..., Path]) -> None:
    rows = [health(n / 1440, 0.9, anomaly=n == 3) for n in range(9)]
    found = trend(fill(Stream.HEALTH, rows))
    assert (found.anomalies, found.anomalies_per_week) == (1, None)


def test_tags_that_drift_come_first_by_their_own_scatter(
    fill: Callable[..., Path],
) -> None:
    rows = [
        *(summary("P-101/flow", day, 60.0) for day in range(5)),
        *(summary("P-101/DE/temperature", day, 40.0 + day) for day in range(5)),
        *(summary("P-101/health_index", day, 1.0 - day) for day in range(5)),
        summary("P-101/rare", 0, 1.0),
    ]
    found = trend(fill(Stream.SUMMARY, rows))
    assert [drift.tag for drift in found.drifts] == [
        "P-101/DE/temperature",
        "P-101/flow",
    ]
    first = found.drifts[0]
    assert (first.change, first.sigmas, first.last) == pytest.approx((4.0, 8.0, 44.0))
    assert found.rows == 0


def test_bad_samples_are_told_as_a_part_of_all(fill: Callable[..., Path]) -> None:
    rows = [summary("P-101/flow", 0, 1.0, bad=10), summary("P-101/flow", 1, 1.0)]
    assert trend(fill(Stream.SUMMARY, rows)).bad_pct == pytest.approx(5.0)


def test_each_gateway_has_its_own_trend_and_one_asset_can_be_asked_for(
    fill: Callable[..., Path],
) -> None:
    fill(Stream.HEALTH, [health(0, 1.0)], "gw-1")
    fill(Stream.HEALTH, [health(0, 1.0, asset="P-102")], "gw-1b")
    lake = fill(Stream.HEALTH, [health(0, 1.0)], "gw-2")
    with open_lake(lake) as opened:
        assert [(t.gateway, t.asset) for t in trends_of(opened)] == [
            ("gw-1", "P-101"),
            ("gw-1b", "P-102"),
            ("gw-2", "P-101"),
        ]
        assert [t.gateway for t in trends_of(opened, "P-102")] == ["gw-1b"]


def test_an_empty_lake_says_so(tmp_path: Path) -> None:
    with open_lake(tmp_path) as opened:
        assert trends_of(opened) == ()
    assert lines_of([]) == ("no asset is known to this lake",)


def test_a_lake_that_cannot_be_read_is_refused(fill: Callable[..., Path]) -> None:
    lake = fill(Stream.HEALTH, [health(0, 1.0)])
    with open_lake(lake) as opened:
        for path in opened.paths():
            path.unlink()
        with pytest.raises(LakeError, match="cannot be read"):
            trends_of(opened)


def test_the_command_prints_trends_for_people_and_for_machines(
    fill: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = fill(Stream.HEALTH, [health(day, 0.9) for day in range(4)])
    words = ["report", "--lake", str(lake), "--trend"]
    assert main(words) == 0
    assert "plant-1/gw-1 P-101" in capsys.readouterr().out
    assert main([*words, "--json", "--asset", "P-101"]) == 0
    (only,) = json.loads(capsys.readouterr().out)
    assert only["health_index"] == pytest.approx(0.9)
    times = []

    def torn(_: Lake, __: str | None) -> tuple[AssetTrend, ...]:
        times.append(1)
        if len(times) == 1:
            raise LakeError("a part has just gone")
        return ()

    monkeypatch.setattr("fleet.commands.trends_of", torn)
    assert main(words) == 0
    assert "no asset" in capsys.readouterr().out
