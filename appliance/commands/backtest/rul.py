"""`backtest --rul TRAIN TEST --out FILE`: remaining life from run-to-failure units."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

from appliance.commands.common import say, say_json, table
from appliance.commands.exits import EXIT_USAGE, EXIT_WELL, CommandError
from appliance.commands.training import NICE, ask_trainer

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

HEADER = ["unit", "rul", "rul_low", "rul_high"]
_SHOWN = 20


def run_rul(args: argparse.Namespace) -> int:
    """Fit on the first file, predict each unit of the second at its last cycle.

    Raises:
        CommandError: The arguments, or what the trainer could not read or learn.
    """
    train, test = args.files
    out: Path = args.out
    for path in (train, test):
        if not path.is_file():
            raise CommandError(f"{path}: no such file", EXIT_USAGE)
        if out.resolve() == path.resolve():
            raise CommandError(
                f"--out {out}: would write over an input; name another file", EXIT_USAGE
            )
    if out.is_dir():
        raise CommandError(
            f"--out {out}: is a folder; --rul writes one file, such as {out}/life.csv",
            EXIT_USAGE,
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    words = [str(train), str(test), "--out", str(out), "--nice", str(NICE)]
    for option, value in (("--cap", args.cap), ("--seed", args.seed)):
        if value is not None:
            words += [option, f"{value:g}"]
    said = ask_trainer("models.train.life", *words)
    rows = _read(out)
    if args.json:
        say_json({**said, "out": str(out), "units": len(rows)})
        return EXIT_WELL
    say(table([each.upper() for each in HEADER], rows[:_SHOWN]))
    if len(rows) > _SHOWN:
        say(f"… and {len(rows) - _SHOWN} more units")
    say(f"{out}: {len(rows)} units; {_words(said)}".removesuffix("; "))
    return EXIT_WELL


def _read(out: Path) -> list[list[str]]:
    """Return the predictions that were written, each with its interval in order.

    Raises:
        CommandError: The file does not hold what was promised.
    """
    try:
        with out.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
        whole = header == HEADER and rows and all(_in_order(row) for row in rows)
    except (OSError, ValueError) as error:
        raise CommandError(f"{out}: {error}") from error
    if not whole:
        raise CommandError(f"{out}: is not what `--rul` writes: {', '.join(HEADER)}")
    return rows


def _in_order(row: list[str]) -> bool:
    _, middle, low, high = row[0], *(float(cell) for cell in row[1:])
    return math.isfinite(middle) and low <= middle <= high


def _words(said: dict[str, Any]) -> str:
    """Return how sure the answers are, as far as the trainer says."""
    parts = []
    if (part := said.get("confidence")) is not None:
        parts.append(f"the interval is meant to hold {part:.0%} of them")
    if (cap := said.get("cap")) is not None:
        parts.append(f"more than {cap:g} cycles is not told")
    if (error := said.get("held_out_rmse")) is not None:
        parts.append(f"error on units held out of training: {error:.1f} cycles (RMSE)")
    return "; ".join(parts)
