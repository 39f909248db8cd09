"""The whole product for a long time: `make soak SECONDS=…`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.soak

LOOK_EVERY_S = 5.0
GROWTH = 1.3
SLACK_BYTES = 30_000_000


def memory_of(root: psutil.Process) -> dict[str, int]:
    """Return resident bytes of each program of the demonstration, by its words."""
    found = {}
    for child in root.children(recursive=True):
        try:
            found[" ".join(child.cmdline()[1:4])] = child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return found


def test_hours_of_health_cost_no_memory_no_row_and_no_alarm(tmp_path: Path) -> None:
    length_s = max(60.0, float(os.environ.get("WHEELTAPPER_SOAK_S", "600")))
    report = tmp_path / "demo.json"
    words = ["demo", "healthy", "--headless", "--for", f"{length_s:g}s"]
    words += ["--report", str(report), "--keep", str(tmp_path / "run")]
    history: list[dict[str, int]] = []
    with subprocess.Popen([sys.executable, "-m", "appliance", *words]) as demo:
        root = psutil.Process(demo.pid)
        while True:
            try:
                demo.wait(LOOK_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                history.append(memory_of(root))
    assert demo.returncode == 0
    result = json.loads(report.read_text())
    assert result["false_alarms"] == 0
    assert result["buffer_problems"] == []
    settled, last = history[len(history) // 3], history[-3]
    for program, before in settled.items():
        after = last.get(program, 0)
        assert after <= GROWTH * before + SLACK_BYTES, (program, before, after)
