"""What is done about every fault: played on real wires, written as a table.

    python -m benchmarks.fault_table [--json FILE] [--page FILE] [--at-once N] [CASE…]

A real safety process before the simulated plant, the fault proxy between them, and a
saboteur within. Times are from the fault to the machine's stop as the PLC saw it, or,
where nothing may stop, the proof that nothing did.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.faults.case import Case, played
from benchmarks.faults.cases import CASES

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "fault-table.md"
LONGEST_S = 90.0
_HEAD = """\
# Fault table

Written by `python -m benchmarks.fault_table --page FILE` on {date}; {cores}
cores, {machine}, Python {python}, no real-time scheduling; {at_once} cases at once, so
times are upper bounds.

The test plant is read and written by two connections; a row's `max_age_s` and
`comms_loss_delay_s` are 0.4 s each, the scan 50 ms, the PLC's watchdog 1.5 s, an
element must be proved stopped within 2 s. Time runs from the fault to the stop of the
machine as its PLC saw it in a scan of its own; the budget is what the settings add up
to, and 0.6 s for the scans, the write and a busy machine. A test asserts every row
(`tests/system/test_fault_table.py`).

The heartbeat is beaten only by a scan that has read everything. So where a row bears
silence for longer than the PLC's watchdog does, the watchdog acts first.

| fault | action taken | first-out named | time, s | budget, s |
|---|---|---|---:|---:|
"""


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    fault: str
    action: str
    first_out: str
    took_s: float | None
    budget_s: float | None
    met: bool


async def line_of(case: Case) -> Line:
    """Play one case; what goes wrong becomes its row."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            async with asyncio.timeout(LONGEST_S):
                found = await played(case, Path(folder))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a row
            words = f"FAILED: {_first(error)!r}"
            return Line(case.name, words, "", None, case.budget_s, met=False)
    in_time = (
        case.budget_s is None or found.took_s is None or found.took_s <= case.budget_s
    )
    return Line(
        case.name, found.action, found.first_out, found.took_s, case.budget_s, in_time
    )


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def play(cases: list[Case], at_once: int) -> list[Line]:
    """Play all, some at once; print each.

    An OPC UA server takes half a second of this loop to be built, in which no other
    plant here would answer: those are played alone.
    """
    room = asyncio.Semaphore(at_once)
    lines: dict[str, Line] = {}

    async def one(case: Case) -> None:
        async with room:
            lines[case.name] = line = await line_of(case)
            print(_cells(line), "" if line.met else "  <-- NOT MET", flush=True)

    for case in cases:
        if case.face == "opcua":
            await one(case)
    async with asyncio.TaskGroup() as tasks:
        for case in cases:
            if case.face != "opcua":
                tasks.create_task(one(case), name=case.name)
    return [lines[case.name] for case in cases]


def _cells(line: Line) -> str:
    took, budget = (
        "-" if each is None else f"{each:.2f}" for each in (line.took_s, line.budget_s)
    )
    return f"| {line.fault} | {line.action} | {line.first_out} | {took} | {budget} |"


def main() -> int:
    """Play, print, write; 1 if a row is not as it must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("cases", nargs="*", metavar="CASE")
    args = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)  # what fails here is meant to
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    chosen = [case for case in CASES if not args.cases or case.name in args.cases]
    lines = asyncio.run(play(chosen, args.at_once))
    met = all(line.met for line in lines)
    if args.json:
        rows = [asdict(line) for line in lines]
        args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    if args.page and met:
        head = _HEAD.format(
            date=datetime.now(UTC).date(),
            cores=os.cpu_count(),
            machine=f"{platform.machine()}, {platform.system()}",
            python=platform.python_version(),
            at_once=args.at_once,
        )
        body = "\n".join(map(_cells, lines))
        args.page.write_text(f"{head}{body}\n", encoding="utf-8")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
