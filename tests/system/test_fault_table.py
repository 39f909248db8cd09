"""Every row of the fault table, asserted: action taken, first-out named, in time.

The table is printed by `pytest -s`; `python -m benchmarks.fault_table` plays it alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.faults.cases import CASES

pytestmark = [
    pytest.mark.system,
    pytest.mark.alone,
    pytest.mark.timeout(660),
    *(pytest.mark.requirement(f"A{number}") for number in (4, 8, 10, 11, 12, 13, 14)),
]

LONGEST_S = 600


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Play every case once; the rows by their fault."""
    out = tmp_path_factory.mktemp("faults") / "rows.json"
    words = [sys.executable, "-m", "benchmarks.fault_table", "--json", str(out)]
    played = subprocess.run(
        words, timeout=LONGEST_S, check=False, capture_output=True, text=True
    )
    sys.stdout.write(f"\n{played.stdout}")
    assert out.exists(), played.stderr
    rows = json.loads(out.read_text(encoding="utf-8"))
    return {row["fault"]: row for row in rows}


@pytest.mark.parametrize("fault", [case.name for case in CASES])
def test_every_fault_has_its_action_and_its_name(
    fault: str, table: dict[str, Any]
) -> None:
    row = table[fault]
    assert row["met"], row
