"""The whole product on the simulated plant, as `make demo` runs it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.health import ANOMALY_SCORE, HEALTH_INDEX, LIFE_H
from appliance.domain.tag import TagId
from appliance.storage.reader import open_reader
from appliance.wire.outbox import Stream
from fleet.lake import open_lake

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(400)]
WITHIN_S = 300.0
LOOK_S = 0.1
WORDS = {
    "away": ("healthy", "--for", "75s", "--down", "broker@30s+30s"),
    "killed": (
        *("bearing-wear", "--for", "90s"),
        *("--kill", "hub@42s", "--kill", "inference@55s"),
        *("--kill", "sync@60s", "--kill", "safety@65s"),
    ),
    "worn": ("bearing-wear", "--for", "90s"),
}


@dataclass(frozen=True)
class Run:
    """A demonstration that goes on in a folder."""

    folder: Path
    process: subprocess.Popen[bytes]

    def until_up(self) -> None:
        """Wait until hub and safety listen."""
        sockets = [
            self.folder / "run" / "run" / f"{it}.sock" for it in ("hub", "safety")
        ]
        for _ in range(round(WITHIN_S / LOOK_S)):
            if all(each.exists() for each in sockets):
                return
            if self.process.poll() is not None:
                break
            time.sleep(LOOK_S)
        pytest.fail(f"it did not begin: {self.printed()}")

    def printed(self) -> str:
        """Return what it has printed so far."""
        return (self.folder / "printed.txt").read_text()

    def ended(self) -> tuple[dict[str, Any], str]:
        """Wait for its end; return its report and what it printed."""
        code = self.process.wait(WITHIN_S)
        assert code == 0, self.printed()
        return json.loads((self.folder / "demo.json").read_text()), self.printed()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Run]]:
    """Play all three at once: they wait, but to begin costs ten seconds of a core.

    So each begins when the one before has begun, and the one whose times count last.
    """
    made: dict[str, Run] = {}
    try:
        for name, words in WORDS.items():
            made[name] = started(tmp_path_factory.mktemp(name), words)
            made[name].until_up()
        yield made
    finally:
        for run in made.values():
            run.process.terminate()
            run.process.wait(WITHIN_S)


def started(folder: Path, words: tuple[str, ...]) -> Run:
    """Begin one, headless."""
    report, kept = folder / "demo.json", folder / "run"
    line = (
        *(sys.executable, "-m", "appliance", "demo", *words),
        *("--headless", "--report", str(report), "--keep", str(kept)),
    )
    with (folder / "printed.txt").open("wb") as out:
        return Run(folder, subprocess.Popen(line, stdout=out, stderr=out))


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


def test_a_bearing_wears_is_noticed_and_the_machine_is_stopped(
    runs: Mapping[str, Run],
) -> None:
    report, _ = runs["worn"].ended()
    assert the_law_holds(report)
    assert report["false_alarms"] == 0
    assert report["fault_at"] < report["anomaly_at"] < report["trip_at"] <= 90
    assert report["detection_delay_s"] <= 25
    assert report["trip_response_ms"] is not None
    assert report["trip_response_ms"] < 2_500  # half of the process safety time
    assert report["rul_h_at_alarm"] > 0
    assert report["uplink_bytes"] <= 0.01 * report["raw_bytes"]
    assert the_lake_thinks_as_the_edge_did(runs["worn"].folder / "run") >= 3


def test_any_process_may_be_killed_and_the_law_holds(runs: Mapping[str, Run]) -> None:
    report, printed = runs["killed"].ended()
    assert the_law_holds(report)
    assert report["acquisition_gaps"] >= 1
    assert printed.count("operator resets safety after power-up") == 2
    assert printed.count("operator starts P-101") == 2
    assert report["anomaly_at"] is not None
    assert report["fault_at"] < report["anomaly_at"]


def test_a_broker_that_is_away_for_half_a_minute_costs_no_row(
    runs: Mapping[str, Run],
) -> None:
    report, _ = runs["away"].ended()
    assert the_law_holds(report)
    assert report["outbox_pending"] == 0
    assert report["fleet_rows"] == report["outbox_enqueued"]
    assert report["fault_at"] is None
    assert report["false_alarms"] == 0
