"""Run every benchmark and write `docs/reference/benchmarks.md`, dated, with machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent / "docs" / "reference" / "benchmarks.md"
APART = {"__init__", "run", "measure", "fault_table"}
LONGEST_S = 1800


def main() -> int:
    """Run them one after the other; exit 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    figures: list[dict[str, Any]] = []
    for path in sorted(FOLDER.glob("*.py")):
        if path.stem not in APART:
            figures += figures_of(path.stem, quick=args.quick)
    PAGE.write_text(page(figures, quick=args.quick))
    print(f"written: {PAGE.relative_to(FOLDER.parent)}")
    return 1 if any(figure["met"] is False for figure in figures) else 0


def figures_of(name: str, *, quick: bool) -> list[dict[str, Any]]:
    """Run one benchmark; return its figures."""
    print(f"--- {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        words = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(out)]
        words += ["--quick"] if quick else []
        subprocess.run(words, check=True, timeout=LONGEST_S)
        found = json.loads(out.read_text())
    return [{"benchmark": name, **figure} for figure in found]


def page(figures: list[dict[str, Any]], *, quick: bool) -> str:
    """Return the page."""
    day = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    command = "make bench ARGS=--quick" if quick else "make bench"
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}` on {day}; {machine}.",
        f"Python {platform.python_version()}. A ratio is ours to the baseline measured",
        "beside it in the same run; times of a shared machine are no promise.",
        "",
        "| benchmark | figure | ours | baseline | ratio | target | met |",
        "|---|---|---|---|---|---|---|",
    ]
    for figure in figures:
        baseline = f"{_number(figure['baseline'])} ({figure['baseline_name']})"
        met = {True: "yes", False: "no", None: "cannot be judged here"}[figure["met"]]
        cells = [
            figure["benchmark"], figure["name"], _number(figure["ours"]), baseline,
            _number(figure["ratio"]), str(figure["target"]), met,
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
