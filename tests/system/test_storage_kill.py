"""kill -9 at any moment: no acknowledged event is lost, and the counts still agree.

Run as a program, this file is the writer that gets killed: it prints the number of
every event that was committed, while samples and outbox rows are group-committed.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.config.model import StorageSettings
from appliance.domain.batch import Batch, batch_of
from appliance.domain.event import Event, EventKind
from appliance.runtime.clock import SystemClock
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify
from appliance.storage.store import BufferStore, open_store
from appliance.wire.outbox import Stream, SummaryRow, encode_row

ROOT = Path(__file__).parents[2]
KILLS = 8
SETTINGS = StorageSettings(
    commit_period_s=0.01,
    chunk_s=0.05,
    quota_bytes=3_000_000,
    outbox_quota_bytes=200_000,
)


def rows(number: int, time_ns: int) -> Batch:
    return batch_of(
        np.arange(500, dtype=np.uint32) % 10 + 1,
        np.random.default_rng(number).normal(size=500),
        source_time_ns=time_ns,
        receive_time_ns=time_ns,
    )


def summary(number: int) -> bytes:
    return encode_row(SummaryRow("P-101/x", number, 1.0, 1, 0, 1.0, 1.0, 1.0, 0.0, 1.0))


async def produce(store: BufferStore, clock: SystemClock) -> None:
    for number in itertools.count():
        now_ns = clock.utc_ns()
        store.append(rows(number, now_ns))
        store.enqueue(Stream.SUMMARY, [summary(number)] * 20, now_ns)
        event = Event(EventKind.SYSTEM, f"e{number}", now_ns, "")
        seq = await store.append_event(event)
        sys.stdout.write(f"{seq}\n")
        sys.stdout.flush()
        if number % 5 == 0:
            found = await store.outbox_read(Stream.SUMMARY, 0, 30)
            if found:
                await store.outbox_ack(store.epoch, Stream.SUMMARY, found[-1][0])


async def write(path: Path) -> None:
    clock = SystemClock()
    async with open_store(path, SETTINGS, clock) as store:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(store.run(), name="store")
            tasks.create_task(produce(store, clock), name="produce")


def killed_after(path: Path, events: int) -> int:
    """Let a writer commit some events, kill it; return the last it acknowledged."""
    with subprocess.Popen(
        [sys.executable, __file__, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as writer:
        assert writer.stdout is not None
        for _ in itertools.islice(writer.stdout, events):
            pass
        writer.kill()
        left = writer.stdout.read().split()
    return int(left[-1]) if left else 0


@pytest.mark.system
async def test_a_killed_writer_loses_no_event_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "buffer.db"
    dice = random.Random(20)
    acknowledged = 0
    for _ in range(KILLS):
        acknowledged = max(acknowledged, killed_after(path, dice.randrange(1, 150)))
        assert verify(path) == ()
        with open_reader(path) as reader:
            assert len(reader.events()) >= acknowledged
    async with open_store(path, SETTINGS, SystemClock()) as store:
        counters = store.counters()
    with open_reader(path) as reader:
        gaps = [gap for gap in reader.gaps() if gap.what == "acquisition"]
    assert verify(path) == ()
    assert len(gaps) == KILLS
    assert all(gap.count == -1 and gap.from_ns <= gap.to_ns for gap in gaps)
    assert counters["samples_stored"] > 0
    assert counters["samples_read"] == (
        counters["samples_stored"] + counters["samples_rejected"]
    )
    assert counters["outbox_enqueued"] == (
        counters["outbox_delivered"]
        + counters["outbox_pending"]
        + counters["outbox_declared_gaps"]
    )


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
