"""From a value that changes in the PLC to the stop written there, at a 10 ms scan.

    python -m benchmarks.trip_response [--quick] [--demands N] [--only idle|loaded]
                                       [--runs FOLDER] [--json FILE] [--page FILE]
                                       [--svg FILE]

Our safety process beside a bare asyncio + pymodbus loop (read, compare, write) in a
process of its own, each idle and under full load: every core burnt by other processes,
the journal's disk full, hub, inference, sync and dashboard beside it, the broker
flapping, the model's runtime loaded over and over. The PLC is this program; it runs
above both where real-time scheduling is permitted. Without that permission the tail is
stated, not judged.

Several initiators, each with its own element, demand one after the other, each in a
scan of its own at a random phase; then one reset serves them all. A full run takes
about six minutes for each state. With `--runs` the times of each state are kept there,
so that `--only` can measure one now and the other later: the page has what is there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.support.histogram import svg_histogram, text_histogram
from benchmarks.trip.matrix import SCAN_S
from benchmarks.trip.measure import run
from benchmarks.trip.page import LOADS, keep, kept, page, run_of
from benchmarks.trip.realtime import LOOP_PRIORITY, PLC_PRIORITY, ask_for_realtime
from benchmarks.trip.verdict import ENOUGH_FOR_P999, figures, quantile

if TYPE_CHECKING:
    from benchmarks.trip.measure import Times

QUICK_DEMANDS, FULL_DEMANDS = 500, 10_000  # of ours, idle and again under load


def main() -> int:
    """Measure, print, write."""
    args = _words()
    demands = args.demands or (QUICK_DEMANDS if args.quick else FULL_DEMANDS)
    realtime = ask_for_realtime(PLC_PRIORITY)
    how = "SCHED_FIFO" if realtime else "no real-time scheduling is permitted here"
    words = f"{demands} demands of ours, half as many of the bare loop, {how}"
    print(f"{words}, scan {1000 * SCAN_S:g} ms")
    if not realtime:
        print("met is null: without it this machine promises nothing of the tail")
    elif demands < ENOUGH_FOR_P999:
        print(f"p99.9 is not judged below {ENOUGH_FOR_P999} demands")
    print(f"{'':38}{'p50':>7}  {'p99':>7}  {'p99.9':>7}  {'max':>7}   ms")
    with tempfile.TemporaryDirectory() as unkept:
        folder = args.runs or Path(unkept)
        for load in (args.only,) if args.only else LOADS:
            priority = LOOP_PRIORITY if realtime else 0
            taken = asyncio.run(run(load, demands, priority))
            show(taken)
            keep(run_of(load, taken, words, realtime=realtime), folder)
        _tell(folder, args)
    return 0


def show(taken: Times) -> None:
    """Print a line of the table for each subject."""
    for (name, load), ordered in taken.items():
        cells = [quantile(ordered, share) for share in (0.5, 0.99, 0.999, 1.0)]
        numbers = "  ".join(f"{cell:7.2f}" for cell in cells)
        print(f"{name:30}{load:8}{numbers}", flush=True)


def _tell(folder: Path, args: argparse.Namespace) -> None:
    """Judge every run that is there; write what is asked for."""
    runs = kept(folder)
    found = [
        each for part in runs for each in figures(part.taken, realtime=part.realtime)
    ]
    for each in found:
        print(f"{each['name']}: {each['target']}: met {each['met']}")
    taken = {key: times for part in runs for key, times in part.taken.items()}
    print(text_histogram(taken))
    if args.svg:
        args.svg.write_text(svg_histogram(taken, 1000 * SCAN_S), encoding="utf-8")
    if args.page:
        args.page.write_text(page(runs, found), encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")


def _words() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--demands", type=int)
    parser.add_argument("--only", choices=LOADS, help="this state alone")
    parser.add_argument("--runs", type=Path, help="keep the times of each state here")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--svg", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
