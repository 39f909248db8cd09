"""The buffer beside plain sqlite3: rows per second, bytes per sample, trends, a month.

Both sides commit every batch with WAL and synchronous=FULL before they go on.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from appliance.config.model import StorageSettings
from appliance.domain.batch import batch_of
from appliance.runtime.clock import SystemClock
from appliance.storage.store import open_store
from benchmarks.support.month import Plan, live_through

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from appliance.domain.batch import Batch
    from appliance.storage.store import BufferStore

Maker: TypeAlias = "Callable[[np.random.Generator], NDArray[Any]]"

BATCH_ROWS = 1_000
TAGS = 100
TICKS = 3_600  # of 100 ms: 1 000 values/s; chunks as they are once an hour is merged
DAY_H = 24
SETTINGS = StorageSettings(quota_bytes=4_000_000_000)
START_NS = 1_700_000_000 * 10**9
MONTH = Plan(
    tags=20,
    period_s=1.0,
    step_s=1800,
    quota_bytes=20_000_000,
    outbox_quota_bytes=4_000_000,
)
"""A fiftieth of the rated load (that is in `make soak`); the quota in proportion."""


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    repeats, batches = (3, 200) if arguments.quick else (5, 1_000)
    figures = [
        throughput(repeats, batches),
        *(size(*kind) for kind in KINDS),
        history(),
        month(3 if arguments.quick else 30),
    ]
    for figure in figures:
        print(
            f"{figure['name']:<50} {figure['ours']:>12.4g} {figure['baseline']:>12.4g}"
            f" {figure['ratio']:>8.3g}  target {figure['target']}"
            f"  {'met' if figure['met'] else 'MISSED'}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


def throughput(repeats: int, batches: int) -> dict[str, Any]:
    """Alternate both sides, so that what else the machine does hits both."""
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(asyncio.run(_our_rows_per_s(batches)))
        theirs.append(asyncio.run(_their_rows_per_s(batches)))
    mine, baseline = statistics.median(ours), statistics.median(theirs)
    return {
        "name": f"rows/s, committed in batches of {BATCH_ROWS}",
        "ours": mine,
        "baseline": baseline,
        "baseline_name": "sqlite3 executemany in one thread",
        "ratio": mine / baseline,
        "target": ">= 0.8",
        "met": mine >= 0.8 * baseline,
    }


def size(name: str, make: Maker, target: float, times: Maker) -> dict[str, Any]:
    """Return bytes per sample on disk, at times that jitter by a millisecond."""
    ours = asyncio.run(_our_bytes_per_sample(make, times))
    baseline = _their_bytes_per_sample(make)
    return {
        "name": f"bytes/sample, {name}",
        "ours": ours,
        "baseline": baseline,
        "baseline_name": "sqlite3 table (tag, time, value) with an index",
        "ratio": ours / baseline,
        "target": f"<= {target} bytes",
        "met": ours <= target,
    }


def history() -> dict[str, Any]:
    """Return the time of a trend query over a 10 Hz tag, thinned to 2 000 points."""
    ours_ms, baseline_ms = asyncio.run(_query_ms(DAY_H))
    return {
        "name": f"ms, trend of {DAY_H} h of a 10 Hz tag",
        "ours": ours_ms,
        "baseline": baseline_ms,
        "baseline_name": "sqlite3 index range, all rows fetched",
        "ratio": ours_ms / baseline_ms,
        "target": "< 100 ms",
        "met": ours_ms < 100,
    }


def month(days: int) -> dict[str, Any]:
    """Return what the buffer takes at most, offline, over three times its quota."""
    plan = replace(MONTH, days=days, quota_bytes=MONTH.quota_bytes * days // 30)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        found = asyncio.run(live_through(Path(folder) / "buffer.db", plan))
    everything = 17 * found.counters["samples_stored"]
    return {
        "name": f"bytes at most, {days} days offline at {plan.values_per_s:g} values/s",
        "ours": found.peak_bytes,
        "baseline": everything,
        "baseline_name": "17 bytes for each value",
        "ratio": found.peak_bytes / everything,
        "target": f"<= {plan.quota_bytes} bytes, its quota",
        "met": found.peak_bytes <= plan.quota_bytes,
    }


def _walk(rng: np.random.Generator) -> NDArray[Any]:
    steps = np.cumsum(rng.normal(0, 0.02, (TICKS, TAGS)), axis=0)
    return 20 + steps + rng.normal(0, 0.05, (TICKS, TAGS))


def _quantised(rng: np.random.Generator) -> NDArray[Any]:
    """Return what a 16-bit converter of a span of 200 units gives."""
    return np.rint((_walk(rng) + 50) / 200 * 65535) * 200 / 65535 - 50


def _constant(_rng: np.random.Generator) -> NDArray[Any]:
    return np.full((TICKS, TAGS), 3.7)


def _polled(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return times in ns that all tags share, one per tick."""
    jitter = rng.normal(0, 1e6, (TICKS, 1)).astype(np.int64)
    return np.broadcast_to(_grid() + jitter, (TICKS, TAGS))


def _of_their_own(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return times in whole µs, as OPC UA servers give each tag for itself."""
    return _grid() + rng.normal(0, 1e3, (TICKS, TAGS)).astype(np.int64) * 1000


def _grid() -> NDArray[np.int64]:
    return np.int64(START_NS) + np.arange(TICKS, dtype=np.int64)[:, None] * 10**8


KINDS: tuple[tuple[str, Maker, float, Maker], ...] = (
    ("quantised, polled together", _quantised, 4.0, _polled),
    ("quantised, each at its own times", _quantised, 4.0, _of_their_own),
    ("noisy floats, polled together", _walk, 7.0, _polled),
    ("constant, polled together", _constant, 0.2, _polled),
)


def _tick(values: NDArray[Any], time_ns: int | NDArray[np.int64]) -> Batch:
    tags = np.arange(1, len(values) + 1, dtype=np.uint32)
    return batch_of(tags, values, source_time_ns=time_ns, receive_time_ns=START_NS)


async def _our_rows_per_s(batches: int) -> float:
    rng = np.random.default_rng(1)
    values = np.round(rng.normal(20, 5, BATCH_ROWS), 2)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "buffer.db"
        async with open_store(path, SETTINGS, SystemClock()) as store:
            start = time.perf_counter()
            for number in range(batches):
                store.append(_tick(values, START_NS + number * 10**8))
                await store.flush()
            return batches * BATCH_ROWS / (time.perf_counter() - start)


async def _their_rows_per_s(batches: int) -> float:
    rng = np.random.default_rng(1)
    values = np.round(rng.normal(20, 5, BATCH_ROWS), 2).tolist()
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(dir=".") as folder, ThreadPoolExecutor(1) as one:
        connection = await loop.run_in_executor(one, _plain, Path(folder) / "p.db")
        start = time.perf_counter()
        for number in range(batches):
            time_ns = START_NS + number * 10**8
            rows = [(tag, time_ns, value) for tag, value in enumerate(values)]
            await loop.run_in_executor(one, _insert, connection, rows)
        rate = batches * BATCH_ROWS / (time.perf_counter() - start)
        await loop.run_in_executor(one, connection.close)
    return rate


def _plain(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE sample (tag INTEGER, time INTEGER, value REAL)")
    return connection


def _insert(connection: sqlite3.Connection, rows: list[tuple[int, int, float]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO sample VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")


async def _our_bytes_per_sample(make: Maker, make_times: Maker) -> float:
    rng = np.random.default_rng(2)
    values, times = make(rng), make_times(rng)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "buffer.db"
        async with open_store(path, SETTINGS, SystemClock()) as store:
            before = _used(path)
            for row in range(TICKS):
                store.append(_tick(values[row], times[row]))
                if row % 10 == 9:
                    await store.flush()
            await store.fold()
            return (_used(path) - before) / values.size


def _used(path: Path) -> int:
    """Return what the rows take: pages in use, but not those that are free."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as c:
        page_bytes, pages, free = (
            c.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
    return int(page_bytes * (pages - free))


def _their_bytes_per_sample(make: Maker) -> float:
    rng = np.random.default_rng(2)
    values, times = make(rng), _polled(rng)[:, 0]
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "plain.db"
        with closing(_plain(path)) as connection:
            connection.execute("CREATE INDEX sample_tag ON sample (tag, time)")
            rows = [
                (tag, at, value)
                for at, row in zip(times.tolist(), values.tolist(), strict=True)
                for tag, value in enumerate(row)
            ]
            _insert(connection, rows)
            return _used(path) / values.size


async def _query_ms(hours: int) -> tuple[float, float]:
    rng = np.random.default_rng(3)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "buffer.db"
        with closing(_plain(Path(folder) / "plain.db")) as plain:
            plain.execute("CREATE INDEX sample_tag ON sample (tag, time)")
            async with open_store(path, SETTINGS, SystemClock()) as store:
                for minute in range(hours * 60):
                    time_ns = START_NS + (minute * 600 + np.arange(600)) * 10**8
                    values = np.round(rng.normal(20, 1, 600), 1)
                    store.append(_block(time_ns, values))
                    await store.flush()
                    await store.fold()
                    pairs = zip(time_ns.tolist(), values.tolist(), strict=True)
                    _insert(plain, [(1, at, value) for at, value in pairs])
                ours = [await _our_query_ms(store) for _ in range(5)]
            theirs = [_their_query_ms(plain) for _ in range(5)]
    return statistics.median(ours), statistics.median(theirs)


def _block(time_ns: NDArray[np.int64], values: NDArray[Any]) -> Batch:
    tags = np.ones(len(values), np.uint32)
    return batch_of(tags, values, source_time_ns=time_ns, receive_time_ns=0)


async def _our_query_ms(store: BufferStore) -> float:
    start = time.perf_counter()
    await store.history(1, 0, 2**62, points=2000)
    return (time.perf_counter() - start) * 1e3


def _their_query_ms(connection: sqlite3.Connection) -> float:
    start = time.perf_counter()
    connection.execute(
        "SELECT time, value FROM sample WHERE tag = 1 AND time BETWEEN 0 AND ?"
        " ORDER BY time",
        (2**62,),
    ).fetchall()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    main()
