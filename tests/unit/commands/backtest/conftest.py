"""Exports as they come, and what was said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.commands.backtest.export import Export, texts
from appliance.commands.backtest.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START_NS = 1_580_000_000_000_000_000


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str | bytes, str], Path]:
    """Return a writer of one file."""

    def write(content: str | bytes, name: str = "export.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def outcome(tmp_path: Path) -> Outcome:
    """Return what was said of ten rows: four learned, an anomaly of three, one gap."""
    count = 10
    flags = np.zeros((3, count), dtype=np.bool_)
    flags[0, 5:8] = flags[1, 5] = flags[2, 5] = True
    score = np.array([np.nan] * 4 + [0.5, 2.0, 3.0, 1.5, 0.25, np.nan])
    trained = np.arange(count) < 4
    cause = [""] * 5 + ["flow", "flow", "<b>&speed"] + [""] * 2
    export = Export(
        tmp_path / "pump.csv",
        texts([f"2020-01-26 00:53:{20 + each}" for each in range(count)]),
        START_NS + np.arange(count, dtype=np.int64) * 1_000_000_000,
        ("flow", "<b>&speed"),
        np.column_stack((np.arange(10.0), np.cos(np.arange(10.0)))),
        {"state": "text, such as 'a<b'"},
        ("a remark with <tags>",),
    )
    learned = {"rows": 4, "raw_limit": 1.5, "dropped": {"flow:slope": "constant at 0"}}
    return Outcome(
        export, trained, score, np.ones(count), flags[0], flags[1], flags[2], cause,
        learned,
        ("2 rows have the time of another row",),
    )  # fmt: skip
