"""The page of a run, and what a run leaves for it."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from benchmarks.support.histogram import text_histogram
from benchmarks.trip.verdict import quantile

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.trip.measure import Times

LOADS = ("idle", "loaded")
_PAGE = """\
# Trip response

Written by `python -m benchmarks.trip_response --page FILE`; {machine}. \
Each state by itself:

{runs}

Milliseconds from the value changing in the PLC to the coil written there, at a scan of
10 ms; each demand at a random phase of the scan, so up to 10 ms are waiting for it.
Loaded: every core burnt, disk full, hub, inference, sync and dashboard beside it, the
broker flapping, the model's runtime loaded over and over.

![Histogram](../images/trip-response.svg)

| subject | load | demands | p50 | p99 | p99.9 | max |
|---|---|---:|---:|---:|---:|---:|
{rows}

| figure | ours | bare loop | target | met |
|---|---:|---:|---|---|
{figures}

```text
{histogram}
```
"""


@dataclass(frozen=True)
class Run:
    """The times of one state, by subject, and when and how they were measured."""

    load: str
    day: str
    words: str
    realtime: bool
    times_s: dict[str, list[float]]

    @property
    def taken(self) -> Times:
        """Its times as they were measured."""
        return {(name, self.load): each for name, each in self.times_s.items()}


def run_of(load: str, taken: Times, words: str, *, realtime: bool) -> Run:
    """Return the run of today."""
    times_s = {name: times for (name, each), times in taken.items() if each == load}
    return Run(load, str(datetime.now(UTC).date()), words, realtime, times_s)


def keep(run: Run, folder: Path) -> None:
    """Leave a run for the page; another of the same state replaces it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(run))
    (folder / f"{run.load}.json").write_text(text, encoding="utf-8")


def kept(folder: Path) -> list[Run]:
    """Return the runs that are there, idle before loaded."""
    files = [folder / f"{load}.json" for load in LOADS]
    return [Run(**json.loads(each.read_text())) for each in files if each.exists()]


def page(runs: list[Run], found: list[dict[str, Any]]) -> str:
    """Return the page of some runs."""
    taken = {key: times for run in runs for key, times in run.taken.items()}
    rows = []
    for (name, load), ordered in taken.items():
        cells = [quantile(ordered, share) for share in (0.5, 0.99, 0.999, 1.0)]
        numbers = " | ".join(f"{cell:.2f}" for cell in cells)
        rows.append(f"| {name} | {load} | {len(ordered)} | {numbers} |")
    lines = [
        f"| {each['name']} | {each['ours']:.2f} | {each['baseline']:.2f}"
        f" | {each['target']} | {each['met']} |"
        for each in found
    ]
    cores = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}"
    return _PAGE.format(
        machine=f"{cores}, Python {platform.python_version()}",
        runs="\n".join(f"- {run.load}: {run.day}, {run.words}" for run in runs),
        rows="\n".join(rows),
        figures="\n".join(lines),
        histogram=text_histogram(taken),
    )
