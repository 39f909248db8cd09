"""An encrypted buffer beside a plain one: rows per second, trends, bytes on disk."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from appliance.config.model import StorageSettings
from appliance.domain.batch import batch_of
from appliance.runtime.clock import SystemClock
from appliance.storage.store import open_store

BATCH_ROWS = 1_000
TAGS = 100
START_NS = 1_700_000_000 * 10**9


@dataclass(frozen=True)
class Run:
    """What one buffer did."""

    rows_per_s: float
    trend_ms: float
    file_bytes: float


def main() -> None:
    """Alternate both sides, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    repeats, batches = (3, 200) if arguments.quick else (5, 1_000)
    runs: dict[bool, list[Run]] = {False: [], True: []}
    for _ in range(repeats):
        for encrypted, found in runs.items():
            found.append(asyncio.run(_run(batches, encrypted=encrypted)))
    figures = [
        figure(runs, "rows_per_s", "rows/s, encrypted", 0.5),
        figure(runs, "trend_ms", "ms, trend of a tag, encrypted", 2.0),
        figure(runs, "file_bytes", "bytes on the disk, encrypted", 1.1),
    ]
    for each in figures:
        print(
            f"{each['name']:<40} {each['ours']:>12.4g} {each['baseline']:>12.4g}"
            f" {each['ratio']:>8.3g}  target {each['target']}"
            f"  {'met' if each['met'] else 'MISSED'}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def figure(
    runs: dict[bool, list[Run]], what: str, name: str, target: float
) -> dict[str, Any]:
    """Return the ratio of the medians; a target below 1 is a least, else a most."""
    ours = statistics.median(getattr(run, what) for run in runs[True])
    plain = statistics.median(getattr(run, what) for run in runs[False])
    ratio = ours / plain
    return {
        "name": name,
        "ours": ours,
        "baseline": plain,
        "baseline_name": "the same buffer, plain",
        "ratio": ratio,
        "target": f"{'>=' if target < 1 else '<='} {target} of plain",
        "met": ratio >= target if target < 1 else ratio <= target,
    }


async def _run(batches: int, *, encrypted: bool) -> Run:
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        key = folder / "key"
        key.write_text("5a" * 32)
        settings = StorageSettings(key_file=str(key) if encrypted else None)
        path = folder / "buffer.db"
        async with open_store(path, settings, SystemClock()) as store:
            dice = np.random.default_rng(1)
            begun_s = time.perf_counter()
            for number in range(batches):
                at_ns = START_NS + number * 10**9
                batch = batch_of(
                    np.arange(BATCH_ROWS, dtype=np.uint32) % TAGS + 1,
                    dice.normal(size=BATCH_ROWS),
                    source_time_ns=at_ns + np.arange(BATCH_ROWS) // TAGS * 10**8,
                    receive_time_ns=at_ns,
                )
                store.append(batch)
                await store.flush()
            rows_per_s = batches * BATCH_ROWS / (time.perf_counter() - begun_s)
            await store.fold()
            begun_s = time.perf_counter()
            for tag in range(1, TAGS + 1):
                await store.history(tag, 0, 2**62, points=2_000)
            trend_ms = (time.perf_counter() - begun_s) / TAGS * 1e3
        return Run(rows_per_s, trend_ms, float(path.stat().st_size))


if __name__ == "__main__":
    main()
