"""Every reconnect case: back in time, nothing lost that history has, one session.

The matrix is printed by `pytest -s`; `python -m benchmarks.recovery` plays it alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.recovery import cases

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(540)]

LONGEST_S = 480


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Any]:
    """Play every case once; the rows by protocol and case."""
    out = tmp_path_factory.mktemp("recovery") / "rows.json"
    words = [sys.executable, "-m", "benchmarks.recovery", "--json", str(out)]
    played = subprocess.run(
        words, timeout=LONGEST_S, check=False, capture_output=True, text=True
    )
    sys.stdout.write(f"\n{played.stdout}")
    assert out.exists(), played.stderr
    rows = json.loads(out.read_text(encoding="utf-8"))
    return {(row["protocol"], row["case"]): row for row in rows}


@pytest.mark.parametrize(("protocol", "case"), cases())
def test_recovers_without_a_restart(
    protocol: str, case: str, matrix: dict[tuple[str, str], Any]
) -> None:
    row = matrix[protocol, case]
    told = ("recovered_s", "lost", "filled", "duplicates", "wrong", "sessions")
    assert row["met"], {name: row[name] for name in told}
