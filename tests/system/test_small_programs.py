"""Programs that the product starts, met with what they cannot do."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from appliance.commands.demo import theatre

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.system


def test_a_missing_table_ends_the_process_with_one(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_bytes(
        b'{"asset":"P-1","tags":[],"window_s":5,"hop_s":1}'
    )
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "models.train", tmp_path / "no.npz"),
            *(tmp_path / "s.json", "--out", tmp_path, "--nice", "5"),
        ],
        capture_output=True,
        timeout=150,
        check=False,
    )
    assert ended.returncode == 1
    assert "no.npz" in json.loads(ended.stdout)["error"]


async def test_the_dashboard_without_a_terminal_ends_and_so_does_the_show(
    tmp_path: Path,
) -> None:
    assert await theatre.watch(tmp_path, tmp_path / "log") != 0
