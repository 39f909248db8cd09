"""`wheeltapper backtest`: the same detection on a historian's export, in the past."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.commands.backtest.inputs import tasks_of
from appliance.commands.backtest.progress import Progress
from appliance.commands.backtest.report import write_report
from appliance.commands.backtest.rul import run_rul
from appliance.commands.backtest.running import judge_all
from appliance.commands.backtest.wishes import wishes_of
from appliance.commands.common import add_json, say, say_json, table
from appliance.commands.exits import EXIT_FINDING, EXIT_USAGE, EXIT_WELL, CommandError
from appliance.runtime.clock import SystemClock
from models.features.rhythm import RHYTHMS
from models.parts import ALL_PARTS, DEFAULT_PARTS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from appliance.commands.backtest.running import Done
    from appliance.commands.backtest.wishes import Wishes

REPORT = "report.html"
_SHOWN_NOTES = 12
_RUL_FILES = 2
_NOT_WITH_RUL = (
    "train_rows", "train_fraction", "ignore", "window", "false_alarms_per_week",
    "parts", "features", "config", "asset", "report",
)  # fmt: skip


def configure(parser: argparse.ArgumentParser, name: str) -> None:
    """Declare the arguments."""
    del name
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE",
        help="CSV of any shape (also .gz), Parquet, or a folder of them",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR",
        help="folder for one CSV per input; with --rul the file to write",
    )  # fmt: skip
    learned = parser.add_argument_group("what is learned from (the fewer of both)")
    learned.add_argument(
        "--train-rows", type=int, metavar="N", help="the first N rows in time"
    )
    learned.add_argument(
        "--train-fraction", type=float, metavar="F", help="this part of the rows (0…1)"
    )
    parser.add_argument(
        "--ignore", nargs="+", action="extend", default=[], metavar="COLUMN",
        help="columns that are no sensors; * and ? stand for any letters",
    )  # fmt: skip
    parser.add_argument(
        "--window", metavar="TIME",
        help="length of a window: 30, 5m (default: 50 sampling periods; of slow data "
        "3h, and at least 16 periods)",
    )  # fmt: skip
    parser.add_argument(
        "--false-alarms-per-week", type=float, metavar="X",
        help="how many false alarms per week are worth it (default 1)",
    )  # fmt: skip
    parser.add_argument(
        "--parts", nargs="+", choices=ALL_PARTS, default=[], metavar="PART",
        help=f"what the score is made of, of {', '.join(ALL_PARTS)} "
        f"(default {' '.join(DEFAULT_PARTS)})",
    )  # fmt: skip
    parser.add_argument(
        "--features", nargs="+", choices=RHYTHMS, default=[], metavar="FEATURE",
        help="score how each value swings as well, to try what it brings: "
        f"{', '.join(RHYTHMS)} (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--report", action="store_true", help=f"also write DIR/{REPORT}"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
        help="files at once (default: one per core)",
    )  # fmt: skip
    parser.add_argument(
        "-c", "--config", type=Path, metavar="CONFIG",
        help="take windows and tags from an asset of this configuration",
    )  # fmt: skip
    parser.add_argument("--asset", metavar="ID", help="which asset of it")
    life = parser.add_argument_group("remaining life, from run-to-failure units")
    life.add_argument(
        "--rul", action="store_true",
        help="FILE FILE are units to learn from and units to predict, with the "
        "columns unit, cycle, then settings and sensors",
    )  # fmt: skip
    life.add_argument(
        "--cap", type=float, metavar="CYCLES", help="more life than this is not told"
    )
    life.add_argument("--seed", type=int, help="of the learning")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Judge every file, or predict remaining lives."""
    if args.rul:
        _refuse(args, _NOT_WITH_RUL)
        if len(args.files) != _RUL_FILES:
            raise CommandError("--rul takes two files: TRAIN TEST", EXIT_USAGE)
        return run_rul(args)
    _refuse(args, ("cap", "seed"), "only with --rul")
    if args.out.exists() and not args.out.is_dir():
        raise CommandError(f"--out {args.out}: is a file, not a folder", EXIT_USAGE)
    wishes = wishes_of(args)
    tasks = tasks_of(args.files, args.out)
    with Progress(len(tasks)) as progress:
        found = judge_all(tasks, wishes, jobs=args.jobs, progress=progress)
    report = args.out / REPORT if args.report else None
    if report is not None:
        write_report(report, found, told=_told(wishes), made=_now())
    if args.json:
        say_json(_json(found, report))
    else:
        _say(found, report)
    return _exit_code(found)


def _exit_code(found: Sequence[Done]) -> int:
    """Return a finding if a file was not judged, or nothing was learned at all."""
    if any(done.failure for done in found):
        return EXIT_FINDING
    mute = all(done.summary["problem"] for done in found)
    return EXIT_FINDING if mute else EXIT_WELL


def _part(summary: dict[str, Any]) -> str:
    if summary["problem"]:
        return "unknown"
    return f"{summary['anomaly_rows'] / summary['evaluated_rows']:.1%}"


def _remarks(summary: dict[str, Any]) -> list[str]:
    """Return what is worth knowing, and which columns were left out without a word."""
    apart = ("as told", "the time")
    ignored = {k: why for k, why in summary["ignored"].items() if why not in apart}
    left_out = [f"column {name!r} is no sensor: {why}" for name, why in ignored.items()]
    told = [note for note in summary["notes"] if note != summary["problem"]]
    return [*told, *left_out]


def _refuse(
    args: argparse.Namespace, names: Sequence[str], why: str = "not with --rul"
) -> None:
    for name in names:
        if getattr(args, name) not in (None, False, []):
            raise CommandError(f"--{name.replace('_', '-')}: {why}", EXIT_USAGE)


def _told(wishes: Wishes) -> str:
    share = wishes.share
    parts = []
    if share.rows is not None:
        parts.append(f"the first {share.rows} rows learned")
    if share.fraction is not None:
        parts.append(f"the first {share.fraction:.0%} learned")
    if wishes.settings.window_s is not None:
        parts.append(f"windows of {wishes.settings.window_s:g} s")
    parts.append(
        f"budget {wishes.settings.false_alarms_per_week:g} false alarms per week"
    )
    if wishes.settings.parts != DEFAULT_PARTS:
        parts.append(f"score of {' + '.join(wishes.settings.parts)}")
    if wishes.settings.features:
        parts.append(f"with {', '.join(wishes.settings.features)}")
    return ", ".join(parts)


def _now() -> str:
    moment = datetime.fromtimestamp(SystemClock().utc_ns() // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _json(found: Sequence[Done], report: Path | None) -> dict[str, Any]:
    return {
        "files": [
            {"file": str(done.task.source), "out": str(done.task.target)} | done.summary
            for done in found
            if not done.failure
        ],
        "failures": {
            str(done.task.source): done.failure for done in found if done.failure
        },
        "report": None if report is None else str(report),
    }


def _say(found: Sequence[Done], report: Path | None) -> None:
    """Print a line per file, then what is worth knowing of the data."""
    judged = [done for done in found if not done.failure]
    rows = [
        (
            done.task.name,
            done.summary["evaluated_rows"],
            _part(done.summary),
            done.summary["alarms"],
            done.summary["changepoints"],
            next(iter(done.summary["causes"]), "-"),
        )
        for done in judged
    ]
    if rows:
        head = ("FILE", "ROWS JUDGED", "ABNORMAL", "ALARMS", "CHANGE POINTS", "CAUSE")
        say(table(head, rows))
    notes: dict[str, list[str]] = {}
    for done in judged:
        for note in _remarks(done.summary):
            notes.setdefault(note, []).append(done.task.name)
    for note, names in list(notes.items())[:_SHOWN_NOTES]:
        say(f"{names[0] if len(names) == 1 else f'{len(names)} files'}: {note}")
    if len(notes) > _SHOWN_NOTES:
        say(f"… and {len(notes) - _SHOWN_NOTES} more remarks: see --report or --json")
    if report is not None:
        say(f"report: {report}")
