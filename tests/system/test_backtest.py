"""The how-to of the backtest is run as it stands, on its own sample."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.cli import main
from appliance.commands.backtest.inputs import Task
from appliance.commands.backtest.judging import Share
from appliance.commands.backtest.progress import Progress
from appliance.commands.backtest.running import judge_all
from appliance.commands.backtest.wishes import Wishes
from appliance.inference.causal import CausalSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "backtest-your-historian.md"
SAMPLE = ROOT / "docs" / "how-to" / "samples" / "pump-P-101.csv"
LEARNED = 600
AILING = {"Durchfluss [m3/h]", "Druck [bar]", "Strom [A]", "Schwingung [mm/s]"}
FAULT_BEGINS = "02.03.2026 06:16:40"

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def commands() -> Iterator[str]:
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL):
        yield from block.splitlines()


def run(command: str, out: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/bash", "-c", command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PATH": path, "OUT": str(out)},
        timeout=240,
        check=False,
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_how_to_does_what_it_says(tmp_path: Path) -> None:
    plain, second, life = commands()
    done = run(plain, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "column 'Schicht' is no sensor: text, such as 'Früh'" in done.stdout
    rows = rows_of(tmp_path / "pump-P-101.csv")
    given = SAMPLE.read_text(encoding="latin-1").splitlines()[1 + LEARNED :]
    assert [row["timestamp"] for row in rows] == [line[:19] for line in given]
    before = [row for row in rows if row["timestamp"] < FAULT_BEGINS]
    assert not any(int(row["anomaly"]) or int(row["alarm"]) for row in before)
    assert sum(int(row["alarm"]) for row in rows) >= 1
    assert all(int(row["anomaly"]) for row in rows[-200:])
    assert {row["cause"] for row in rows[-200:]} <= AILING
    report = (tmp_path / "report.html").read_text()
    assert "pump-P-101.csv" in report
    assert not re.search(r"(src|href)=\"?https?:", report)

    done = run(second, tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["files"][0]["trained_rows"] == LEARNED
    assert said["files"][0]["ignored"]["Lager [°C]"] == "as told"
    assert "30 s" in said["files"][0]["learned"]["window"]

    done = run(life, tmp_path)
    assert done.returncode == 0, done.stderr
    lives = rows_of(tmp_path / "life.csv")
    assert [row["unit"] for row in lives] == ["1", "2", "3", "4"]
    assert all(
        float(row["rul_low"]) <= float(row["rul"]) <= float(row["rul_high"])
        for row in lives
    )


def test_files_at_once_are_judged_as_alone_and_one_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = np.random.default_rng(5)
    (tmp_path / "file").write_text("where a folder should be")
    tasks = []
    for name, place in (("a.csv", "out"), ("b.csv", "file")):
        noise = enumerate(chance.normal(size=(160, 2)))
        lines = [f"{1_580_000_000 + n},{a:.4f},{b:.4f}" for n, (a, b) in noise]
        (tmp_path / name).write_text("\n".join(["time,flow,current", *lines]))
        tasks.append(Task(tmp_path / name, name, tmp_path / place / name))
    asked = Wishes(Share(100), CausalSettings(window_s=10.0), report=True)
    with Progress(2) as progress:
        first, second = judge_all(tasks, asked, jobs=2, progress=progress)
    assert first.failure == ""
    assert "<svg" in first.section
    assert second.failure.startswith(str(tasks[1].target))
    at_once = tasks[0].target.read_bytes()
    words = ["backtest", str(tasks[0].source), "--out", str(tmp_path / "out")]
    assert main([*words, "--train-rows", "100", "--window", "10"]) == 0
    assert tasks[0].target.read_bytes() == at_once
    assert "a.csv  60" in capsys.readouterr().out
