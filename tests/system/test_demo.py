"""The whole product on the simulated plant, as `make demo` runs it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.health import ANOMALY_SCORE, HEALTH_INDEX, LIFE_H
from appliance.domain.tag import TagId
from appliance.storage.reader import open_reader
from appliance.wire.outbox import Stream
from fleet.lake import open_lake

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]


def demo(tmp_path: Path, *words: str) -> tuple[dict[str, Any], str]:
    """Run it headless; return its report and what it printed."""
    path = tmp_path / "demo.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "appliance", "demo"),
            *words,
            *("--headless", "--report", str(path), "--keep", str(tmp_path / "run")),
        ],
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(path.read_text()), done.stdout


def the_law_holds(report: dict[str, Any]) -> bool:
    kept = ("samples_stored", "samples_rejected", "samples_in_flight")
    rows = ("outbox_delivered", "outbox_pending", "declared_gaps")
    return bool(
        report["samples_read"] == sum(report[key] for key in kept) > 0
        and report["outbox_enqueued"] == sum(report[key] for key in rows) > 0
        and report["fleet_duplicates"] == 0
        and report["fleet_rows"] >= report["outbox_delivered"] > 0
    )


def the_lake_thinks_as_the_edge_did(root: Path) -> int:
    """Hold every health row of the lake against the edge's own tags; count them."""
    quantities = (
        ("index", HEALTH_INDEX), ("score", ANOMALY_SCORE), ("life_h", LIFE_H),
    )  # fmt: skip
    with (
        open_lake(root / "lake") as lake,
        open_reader(root / "state" / "buffer.db") as buffer,
    ):
        rows = lake.rows(Stream.HEALTH)
        for row in rows:
            at_ns = row["time_ns"]
            for column, quantity in quantities:
                tag = TagId(f"{row['asset']}/{quantity}")
                (value,) = buffer.columns(tag, from_ns=at_ns, to_ns=at_ns).value
                said = math.nan if row[column] is None else row[column]
                assert said == pytest.approx(value, rel=1e-5, nan_ok=True), (tag, row)
    return len(rows)


def test_a_bearing_wears_is_noticed_and_the_machine_is_stopped(tmp_path: Path) -> None:
    report, _ = demo(tmp_path, "bearing-wear", "--for", "90s")
    assert the_law_holds(report)
    assert report["false_alarms"] == 0
    assert report["fault_at"] < report["anomaly_at"] < report["trip_at"] <= 90
    assert report["detection_delay_s"] <= 25
    assert report["trip_response_ms"] is not None
    assert report["trip_response_ms"] < 2_500  # half of the process safety time
    assert report["rul_h_at_alarm"] > 0
    assert report["uplink_bytes"] <= 0.01 * report["raw_bytes"]
    assert the_lake_thinks_as_the_edge_did(tmp_path / "run") >= 3


def test_any_process_may_be_killed_and_the_law_holds(tmp_path: Path) -> None:
    report, printed = demo(
        tmp_path,
        *("bearing-wear", "--for", "90s"),
        *("--kill", "hub@42s", "--kill", "inference@55s"),
        *("--kill", "sync@60s", "--kill", "safety@65s"),
    )
    assert the_law_holds(report)
    assert report["acquisition_gaps"] >= 1
    assert printed.count("operator resets safety after power-up") == 2
    assert printed.count("operator starts P-101") == 2
    assert report["anomaly_at"] is not None
    assert report["fault_at"] < report["anomaly_at"]


def test_a_broker_that_is_away_for_half_a_minute_costs_no_row(tmp_path: Path) -> None:
    report, _ = demo(tmp_path, "healthy", "--for", "75s", "--down", "broker@30s+30s")
    assert the_law_holds(report)
    assert report["outbox_pending"] == 0
    assert report["fleet_rows"] == report["outbox_enqueued"]
    assert report["fault_at"] is None
    assert report["false_alarms"] == 0
