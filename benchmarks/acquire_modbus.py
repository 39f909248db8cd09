"""Modbus from the wire into the buffer, beside pymodbus in a bare loop.

Every side is a process of its own against the same server (our own, which answers at
once); CPU is that process's, all threads. Ours is source, supervisor and, where values
are paced, the store as the hub has it; the baseline reads registers and counts them.

At full speed both sides ask for 125 registers again and again, on each connection; then
ours stands for ask, decode, scale, judge, batch. At 10 000 values/s (10 devices, 100
registers each, 10 Hz) ours commits to disk too, and the server counts its answers, so
that a lost one would be seen.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Figure: TypeAlias = "dict[str, Any]"
Measured: TypeAlias = "dict[str, float]"

QUICK_S, FULL_S, WITH_COMPRESSION_S = 2.0, 4.0, 65.0
PACED = ("--connections", "10", "--registers", "100", "--period-s", "0.1")
BARE = "bare pymodbus"


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = asyncio.run(figures_of(quick=arguments.quick))
    for figure in figures:
        met = {True: "met", False: "MISSED", None: "not judged"}[figure["met"]]
        print(
            f"{figure['name']:<46} {figure['ours']:>9.4g} {figure['baseline']:>9.4g}"
            f" {figure['ratio']:>8.3g}  target {figure['target']}  {met}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


async def figures_of(*, quick: bool) -> list[Figure]:
    """Run everything, one side after the other."""
    repeats, seconds = (3, QUICK_S) if quick else (5, FULL_S)
    async with server() as port:
        figures = await at_full_speed(port, 1, 25, repeats, seconds)
        figures += await at_full_speed(port, 10, 5, repeats, seconds)
        figures += await paced(port, seconds if quick else WITH_COMPRESSION_S)
    return figures


async def at_full_speed(
    port: int, connections: int, blocks: int, repeats: int, seconds: float
) -> list[Figure]:
    """Alternate both sides, so that what else the machine does hits both.

    A poll of ours is so many blocks that its connection is never idle. On one
    connection the rate is that of two processes waking each other, and is not judged.
    """
    words = ("--connections", str(connections), "--blocks", str(blocks))
    ours, bare = [], []
    for _ in range(repeats):
        bare.append(await side("bare", port, seconds, *words))
        ours.append(await side("ours", port, seconds, *words))
    what = f"{connections} connection{'s' if connections > 1 else ''}"
    return [
        figure(
            f"requests/s of 125 registers, {what}",
            median(ours, "requests_per_s"), median(bare, "requests_per_s"),
            at_least=0.7 if connections > 1 else None,
        ),
        figure(
            f"µs CPU/request of 125 registers, {what}",
            median(ours, "cpu_us_per_request"), median(bare, "cpu_us_per_request"),
            at_most=1.5,
        ),
    ]  # fmt: skip


async def paced(port: int, seconds: float) -> list[Figure]:
    """Take 10 000 values/s into the buffer on disk."""
    bare = await side("bare", port, min(seconds, FULL_S), *PACED)
    ours = await side("ours", port, seconds, *PACED, "--buffer")
    lost = figure("values lost, 10 000/s into the buffer", ours["lost"], bare["lost"])
    taken = figure(
        "values/s, 10 000/s into the buffer",
        ours["values_per_s"], bare["values_per_s"], at_least=0.97,
    )  # fmt: skip
    cost = figure(
        "µs CPU/value, 10 000/s into the buffer",
        ours["cpu_us_per_value"], bare["cpu_us_per_value"],
    )  # fmt: skip
    return [
        lost | {"target": "0", "met": ours["lost"] == 0},
        taken,
        cost | {"target": "<= 5 µs", "met": ours["cpu_us_per_value"] <= 5.0},
    ]


def median(runs: list[Measured], key: str) -> float:
    """Return the median of a figure over the repeats."""
    return statistics.median(run[key] for run in runs)


def figure(
    name: str,
    ours: float,
    baseline: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    """Return a figure, judged by its ratio where a bound is given."""
    ratio = ours / baseline if baseline else 1.0
    met: bool | None = None
    target = ""
    if at_least is not None:
        target, met = f">= {at_least:g}", ratio >= at_least
    if at_most is not None:
        target, met = f"<= {at_most:g}", ratio <= at_most
    return {
        "name": name, "ours": ours, "baseline": baseline, "ratio": ratio,
        "baseline_name": BARE, "target": target, "met": met,
    }  # fmt: skip


@asynccontextmanager
async def server() -> AsyncIterator[int]:
    """Run the server in a process of its own; its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.support.modbus_server"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            port = int(await process.stdout.readline())
        yield port
    finally:
        process.stdin.close()  # Python 3.11 leaves it open in `communicate`
        await process.communicate()


async def side(name: str, port: int, seconds: float, *more: str) -> Measured:
    """Run one client in a process of its own; what it measured."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.support.modbus_clients", name),
        *("--port", str(port), "--seconds", str(seconds), *more),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(seconds + 60):
        out, _ = await process.communicate()
    measured: Measured = json.loads(out.splitlines()[-1])
    return measured


if __name__ == "__main__":
    main()
