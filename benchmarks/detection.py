"""Detection on public development sets: shipped defaults, the same for all of them.

    python -m benchmarks.detection [--quick] [--json FILE] [--page FILE.md]
    python -m benchmarks.detection --compare [--quick] [--parts PART ...]

`WHEELTAPPER_DATA` names the folder of the sets (`skab/`, `tep/`, `nab/`); what is not
there is skipped, with the reason. Every file goes through `wheeltapper backtest` as an
export without labels; the leaderboards' figures are computed from what it wrote, beside
the published rows and what needs no skill: always, never, and a z-score of three.
`--compare` holds what a score may be made of side by side, on SKAB and TEP.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality import sets
from benchmarks.quality.parts import compared
from benchmarks.quality.scores import Alarms, Changes, States
from models.parts import ALL_PARTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.quality.parts import Row
    from benchmarks.quality.sets import Labelled

WITHIN_S = 1500
Z_LIMIT = 3.0

PUBLISHED_STATES = (
    ("Conv-AE", 0.78, 13.55, 28.02),
    ("MSET", 0.78, 39.73, 14.13),
    ("T2+Q (PCA)", 0.76, 26.62, 24.92),
    ("LSTM-AE", 0.74, 29.96, 25.92),
    ("T2", 0.66, 19.21, 42.60),
    ("Isolation forest", 0.29, 2.56, 82.89),
)
PUBLISHED_CHANGES = (
    ("MSCRED", 32.42, 16.53, 40.28),
    ("Isolation forest", 26.16, 19.50, 30.82),
    ("T2+Q (PCA)", 25.35, 14.51, 31.33),
    ("Conv-AE", 23.61, 21.54, 27.55),
)
PUBLISHED_ALARMS = (
    ("ARTime", 74.9, 65.1, 80.4),
    ("KNN CAD", 58.0, 43.4, 64.8),
    ("Random Cut Forest", 51.7, 38.4, 59.7),
    ("Windowed Gaussian", 39.6, 20.9, 47.4),
)
"""The leaderboards' rows: all files, limits tuned on the labels in the last of them."""


COMPARED = (
    "parts | SKAB F1 | FAR, % | MAR, % | events | TEP detected, % | false, % "
    "| before faults, % | graph, kB (SKAB and TEP) | one row, us (SKAB and TEP)"
)


@dataclass
class Findings:
    """Figures for the machine, tables for people."""

    figures: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def figure(
        self, name: str, ours: float, *, beside: tuple[str, float], target: float,
        lower: bool = False,
    ) -> None:  # fmt: skip
        """Note one figure; `lower` is better where it says so."""
        met = ours <= target if lower else ours >= target
        baseline_name, baseline = beside
        self.figures.append(
            {
                "name": name,
                "ours": round(ours, 3),
                "baseline": baseline,
                "baseline_name": baseline_name,
                "ratio": round(ours / baseline, 3) if baseline else None,
                "target": target,
                "met": bool(met),
            }
        )

    def skipped(self, name: str, why: str) -> None:
        """Note that a set could not be judged here."""
        self.figures.append(
            {
                "name": name, "ours": None, "baseline": None, "baseline_name": why,
                "ratio": None, "target": None, "met": None,
            }
        )  # fmt: skip
        self.lines += ["", f"## {name}", "", f"Not judged: {why}."]

    def table(self, title: str, header: str, rows: Iterable[Sequence[object]]) -> None:
        """Add a table."""
        columns = header.split(" | ")
        self.lines += ["", f"## {title}", "", f"| {header} |"]
        self.lines += ["|" + "---|" * len(columns)]
        self.lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]


def main() -> int:
    """Judge what is there, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few files of each set")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--page", type=Path, metavar="FILE.md")
    parser.add_argument(
        "--compare", action="store_true", help="what the score may be made of"
    )
    parser.add_argument(
        "--parts", nargs="+", choices=ALL_PARTS, default=[], metavar="PART",
        help="with --compare: this set of parts alone",
    )  # fmt: skip
    args = parser.parse_args()
    if args.parts and not args.compare:
        parser.error("--parts: only with --compare")
    found = Findings()
    named = os.environ.get("WHEELTAPPER_DATA", "")
    data = Path(named) if named else None
    with tempfile.TemporaryDirectory(prefix="wheeltapper-detection-") as folder:
        if args.compare:
            if data is None:
                parser.error("WHEELTAPPER_DATA names no folder")
            print(COMPARED, flush=True)
            for row in compared(
                data, Path(folder), quick=args.quick, wanted=args.parts
            ):
                print(" | ".join(map(_cell, _compared(row))), flush=True)
            return 0
        for name, judge in (("skab", _skab), ("tep", _tep), ("nab", _nab)):
            if data is None or not (data / name).is_dir():
                found.skipped(name, f"WHEELTAPPER_DATA names no folder with {name}/")
                continue
            judge(found, data / name, Path(folder, name), quick=args.quick)
    print("\n".join(found.lines))
    if args.json is not None:
        args.json.write_text(json.dumps(found.figures, indent=2) + "\n")
    if args.page is not None:
        args.page.write_text(_page(found, quick=args.quick))
    return 0


def _skab(found: Findings, data: Path, out: Path, *, quick: bool) -> None:
    files = sets.skab(data)
    names = list(files)[::6] if quick else list(files)
    learn = ["--train-rows", str(sets.SKAB_TRAIN_ROWS)]
    words = [*learn, "--ignore", "anomaly", "changepoint"]
    _backtest([data / name for name in names], words, out)
    rows = {"always": States(), "never": States(), "z-score of 3": States()}
    ours, changes = States(), Changes()
    tested = slice(sets.SKAB_TRAIN_ROWS, None)
    for name in names:
        file = files[name]
        said = sets.said(_of(out, name), len(file.time_ns))
        times = file.time_ns[tested]
        ours.add(file.anomaly[tested], said.anomaly[tested], times)
        changes.add(file.changepoint[tested], said.changepoint[tested], times)
        for row, flags in zip(rows.values(), _plain(file, tested), strict=True):
            row.add(file.anomaly[tested], flags, times)
    best = PUBLISHED_STATES[0]
    beside = f"{best[0]}, all 34 files"
    found.figure("SKAB F1", ours.f1, beside=(beside, best[1]), target=0.80)
    found.figure(
        "SKAB false alarms, % of healthy rows", ours.false_alarm_pct,
        beside=(beside, best[2]), target=15.0, lower=True,
    )  # fmt: skip
    share = ours.events_hit / max(1, ours.events)
    found.figure(
        "SKAB events found", share, beside=("always", 1.0), target=round(31 / 34, 3)
    )
    first = PUBLISHED_CHANGES[0]
    found.figure(
        "SKAB change points, NAB standard", changes.score(),
        beside=(f"{first[0]}, all 34 files", first[1]), target=35.0,
    )  # fmt: skip
    header = "state, row by row | F1 | FAR, % | MAR, % | events | median delay, s"
    shown = {"**Wheeltapper**": ours, **rows}
    table = [_states(name, states) for name, states in shown.items()]
    table += [(*row, "", "") for row in PUBLISHED_STATES]
    found.table(f"SKAB: {len(names)} files of the development half", header, table)
    header = "change points | NAB standard | low FP | low FN | missed | false"
    scores = [changes.score(profile) for profile in ("standard", "low FP", "low FN")]
    own = ("**Wheeltapper**", *scores, changes.missed, changes.false)
    published = [(*row, "", "") for row in PUBLISHED_CHANGES]
    found.table("SKAB: change points", header, [own, *published])


def _tep(found: Findings, data: Path, out: Path, *, quick: bool) -> None:
    exports = out / "exports"
    files = sets.tep(data, exports)
    names = list(files)[:2] if quick else list(files)
    words = ["--train-rows", str(sets.TEP_TRAIN_ROWS)]
    _backtest([exports / name for name in names], words, out / "out")
    tested = slice(sets.TEP_TRAIN_ROWS, None)
    detected, plain, false, plain_false = [], [], 0.0, 0.0
    rows: list[tuple[object, ...]] = []
    for name in names:
        file = files[name]
        said = sets.said(_of(out / "out", name), len(file.time_ns)).anomaly[tested]
        labels = file.anomaly[tested]
        z_score = _plain(file, tested)[2]
        fault = name.removesuffix(".csv")
        before = 100.0 * float(said[~labels].mean())
        if not labels.any():
            false, plain_false = before, 100.0 * float(z_score.mean())
            rows.append(("none", "", before, ""))
            continue
        hit = np.flatnonzero(said[labels])
        delay = int(hit[0]) * sets.TEP_PERIOD_S / 60 if len(hit) else math.nan
        rows.append((fault, 100.0 * float(said[labels].mean()), before, delay))
        if fault not in sets.HIDDEN_FAULTS:
            detected.append(float(said[labels].mean()))
            plain.append(float(z_score[labels].mean()))
    rate, beside = 100.0 * float(np.mean(detected)), 100.0 * float(np.mean(plain))
    found.figure(
        "TEP rows of faults detected, %", rate,
        beside=("z-score of 3", round(beside, 1)), target=94.0,
    )  # fmt: skip
    found.figure(
        "TEP false alarms on the healthy run, %", false,
        beside=("z-score of 3", round(plain_false, 1)), target=1.5, lower=True,
    )  # fmt: skip
    header = "fault | rows detected, % | false before it, % | delay, min"
    rows.append(("**mean**", rate, "", ""))
    rows.append(("z-score of 3, mean", beside, plain_false, ""))
    found.table("TEP: test runs of the development half", header, rows)


def _nab(found: Findings, data: Path, out: Path, *, quick: bool) -> None:
    files = sets.nab(data)
    names = list(files)[::8] if quick else list(files)
    words = ["--train-fraction", str(sets.NAB_TRAIN_FRACTION)]
    words += ["--train-rows", str(sets.NAB_TRAIN_ROWS)]
    _backtest([data / "data" / name for name in names], words, out)
    alarms = Alarms()
    for name in names:
        count, windows = files[name]
        alarms.add(sets.said(_of(out, name), count).alarm, windows)
    header = "alarms | NAB standard | low FP | low FN | windows hit | false alarms"
    scores = [alarms.score(profile) for profile in ("standard", "low FP", "low FN")]
    hit = f"{alarms.windows - alarms.missed} of {alarms.windows}"
    own = ("**Wheeltapper**", *scores, hit, alarms.false)
    rows = [own, *((*row, "", "") for row in PUBLISHED_ALARMS)]
    found.table(f"NAB: {len(names)} files, for information", header, rows)


def _backtest(files: Sequence[Path], words: Sequence[str], out: Path) -> None:
    command = [sys.executable, "-m", "appliance", "backtest", *map(str, files)]
    done = subprocess.run(
        [*command, *words, "--out", str(out)],
        check=False, capture_output=True, text=True, timeout=WITHIN_S,
    )  # fmt: skip
    if done.returncode not in {0, 1}:  # 1: there was nothing to learn from in a file
        sys.exit(f"backtest failed: {done.stderr.strip() or done.stdout.strip()}")


def _of(out: Path, name: str) -> Path:
    """Return the file written for an input: same path below their common folder."""
    places = [out / name, out / Path(name).name]
    for place in places:
        if place.exists():
            return place
    sys.exit(f"the backtest wrote nothing for {name}")


def _plain(file: Labelled, tested: slice) -> tuple[np.ndarray, ...]:
    """Return what always, never and a z-score of three say of the tested rows."""
    learned = file.values[: tested.start]
    spread = np.maximum(learned.std(axis=0), 1e-12)
    far = np.abs(file.values[tested] - learned.mean(axis=0)) / spread
    always = np.ones(len(far), dtype=bool)
    return always, ~always, far.max(axis=1) > Z_LIMIT


def _states(name: str, states: States) -> tuple[object, ...]:
    events = f"{states.events_hit} of {states.events}"
    rates = (states.f1, states.false_alarm_pct, states.missed_alarm_pct)
    return (name, *rates, events, states.median_delay_s)


def _compared(row: Row) -> tuple[object, ...]:
    skab = row.skab
    return (
        row.name, skab.f1, skab.false_alarm_pct, skab.missed_alarm_pct,
        f"{skab.events_hit} of {skab.events}",
        row.detected_pct, row.false_pct, row.before_pct,
        " and ".join(f"{size / 1000:.0f}" for size in row.graph_bytes),
        " and ".join(f"{each:.0f}" for each in row.p50_us),
    )  # fmt: skip


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 1.0 else f"{value:.1f}"


def _page(found: Findings, *, quick: bool) -> str:
    command = "python -m benchmarks.detection" + (" --quick" if quick else "")
    lines = [
        "# Detection on public sets",
        "",
        f"Written by `{command}`. Shipped defaults, the same for all sets; the files",
        "are the development halves, the published rows are of whole sets, and the",
        "limits of NAB's were tuned on its labels. What these figures mean, and what",
        "was looked at to choose the defaults: `docs/explanation/detection.md`.",
        *found.lines,
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
