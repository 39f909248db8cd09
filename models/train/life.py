"""`python -m models.train.life TRAIN.csv TEST.csv --out FILE.csv`: what life is left.

TRAIN has units that ran until they failed, TEST units that still run; the columns are
unit, cycle, then settings and sensors. FILE gets `unit,rul,rul_low,rul_high` at each
unit's last cycle, whole or not at all. One line of JSON on standard output says how it
went; exit code 0, or 1 with the reason.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from appliance.runtime.files import write_whole
from models.train.life_interval import CONFIDENCE
from models.train.life_learn import CAP, learn_life
from models.train.life_runs import read_runs
from models.train.settings import TrainingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.train.life_learn import Answers
    from models.train.life_runs import Runs

COLUMNS = ("unit", "rul", "rul_low", "rul_high")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, learn, answer, write, report."""
    parser = argparse.ArgumentParser(prog="python -m models.train.life")
    parser.add_argument("train", type=Path, metavar="TRAIN.csv")
    parser.add_argument("test", type=Path, metavar="TEST.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.csv")
    parser.add_argument("--cap", type=float, default=CAP, help="cycles, at most told")
    parser.add_argument("--confidence", type=float, default=CONFIDENCE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--nice", type=int, default=0, help="be nicer by this much")
    given = parser.parse_args(arguments)
    if given.nice > 0:
        os.nice(given.nice)
    try:
        result = _answer(given)
    except (TrainingError, OSError) as error:
        result = {"ok": False, "error": str(error)}
    sys.stdout.write(json.dumps(result) + "\n")
    return 0 if result["ok"] else 1


def _answer(given: argparse.Namespace) -> dict[str, object]:
    if not 0.0 < given.confidence < 1.0:
        raise TrainingError("the confidence lies between 0 and 1")
    train, test = read_runs(given.train), read_runs(given.test)
    learned = learn_life(train, cap=given.cap, seed=given.seed)
    answers = learned.answer(test, confidence=given.confidence)
    write_whole(given.out, table_of(test, answers).encode())
    return {
        "ok": True,
        "path": str(given.out),
        "units": len(test.units),
        "learned_from": len(train.units),
        "conditions": len(learned.folds[0].eyes.conditions),
        "cap": given.cap,
        "confidence": given.confidence,
        "held_out_rmse": learned.held_out.rmse(given.cap),
    }


def table_of(runs: Runs, answers: Answers) -> str:
    """Return the answers as CSV, a row per unit in the order of the file."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(COLUMNS)
    columns = np.column_stack(answers[:3]).round(2)
    for unit, row in zip(runs.units, columns.tolist(), strict=True):
        writer.writerow((unit, *row))
    return lines.getvalue()


if __name__ == "__main__":
    sys.exit(main())
