"""The power fails at every byte: the file opens, and what was acknowledged is there.

Run as a program, this file is a writer that stops after each acknowledged transaction,
so that its files can be copied as they are. From two copies, one after the other, the
states are made in which a power failure can leave the disk between them:

- the log is written from the old state on, and any byte of it may be the last;
- of what is not yet fsynced, any sectors may be there and any others not (torn pages);
- a checkpoint writes pages of the file while the whole log is there: any of them may
  be old, new or torn.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.config.model import StorageSettings
from appliance.domain.batch import Batch, batch_of
from appliance.domain.event import Event, EventKind
from appliance.runtime.clock import SystemClock
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify
from appliance.storage.store import open_store
from appliance.wire.outbox import Stream, SummaryRow, encode_row

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
SETTINGS = StorageSettings(quota_bytes=2_000_000, chunk_s=60)
STEPS = 36
SECTOR = 512
CUTS, TORN = 5, 4
HEADER, FRAME = 32, 24 + 4096


@dataclass(frozen=True)
class State:
    """The two files, and how many events and samples were acknowledged by then."""

    file: bytes
    log: bytes
    events: int
    samples: int


def rows(number: int) -> Batch:
    now_ns = 1_700_000_000 * 10**9 + number * 10**9
    return batch_of(
        np.arange(300, dtype=np.uint32) % 10 + 1,
        np.random.default_rng(number).normal(size=300),
        source_time_ns=now_ns + np.arange(300) // 10 * 10**7,
        receive_time_ns=now_ns,
    )


async def write(path: Path) -> None:
    """Do one transaction per line read; say what is acknowledged after each."""
    async with open_store(path, SETTINGS, SystemClock()) as store:
        events = samples = 0
        for number in range(STEPS):
            summary = SummaryRow("P/x", number, 1.0, 1, 0, 1.0, 1.0, 1.0, 0.0, 1.0)
            match number % 4:
                case 0 | 2:
                    events = await store.append_event(
                        Event(EventKind.SYSTEM, f"e{number}", number, "")
                    )
                case 1:
                    store.append(rows(number))
                    store.enqueue(Stream.SUMMARY, [encode_row(summary)] * 5, number)
                    await store.flush()
                    samples += 300
                case _ if number % 8 == 3:
                    await store.fold()
                case _:
                    await store.outbox_ack(store.epoch, Stream.SUMMARY, number // 4)
            sys.stdout.write(f"{events} {samples}\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.readline)


def recorded(path: Path) -> Iterator[State]:
    """Yield the files after every transaction of a real run."""
    log = path.with_name(f"{path.name}-wal")
    with subprocess.Popen(
        [sys.executable, __file__, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        for line in writer.stdout:
            events, samples = map(int, line.split())
            kept = log.read_bytes() if log.exists() else b""
            yield State(path.read_bytes(), kept, events, samples)
            writer.stdin.write("\n")
            writer.stdin.flush()
        assert writer.wait(30) == 0


def between(old: State, new: State, dice: random.Random) -> Iterator[State]:
    """Yield what the disk may hold if the power fails after `old`, before `new`."""

    def at(file: bytes, log: bytes) -> State:
        return State(file, log, old.events, old.samples)

    grown = len(new.log) >= len(old.log)
    log = new.log if grown else old.log  # cut off only once the file is fsynced
    if grown and new.log != old.log:
        yield from (at(old.file, each) for each in _logs(old.log, new.log, dice))
    if new.file != old.file:
        for _ in range(2 * TORN):
            yield at(_torn(old.file, new.file, dice), log)
        for _ in range(TORN):
            cut = dice.randrange(len(new.file))
            yield at(new.file[:cut] + old.file[cut:], log)
    yield new


def _logs(old: bytes, new: bytes, dice: random.Random) -> Iterator[bytes]:
    """Yield a log that is being written, cut at frames and anywhere, or torn."""
    changed = [n for n in range(len(new)) if new[n : n + 1] != old[n : n + 1]]
    first, last = changed[0], changed[-1] + 1
    edges = (HEADER + n * FRAME for n in range(len(new) // FRAME + 1))
    cuts = {first, last, *(edge for edge in edges if first <= edge <= last)}
    cuts |= {dice.randrange(first, last) for _ in range(CUTS)}
    for cut in sorted(cuts):
        yield new[:cut] + old[cut:]
        if cut >= len(old):  # what was fsynced once keeps its length
            yield new[:cut] + bytes(dice.randrange(3 * SECTOR))
    for _ in range(TORN):
        yield _torn(old, new, dice)


def _sectors(old: bytes, new: bytes) -> Iterator[tuple[bytes, bytes]]:
    for start in range(0, max(len(old), len(new)), SECTOR):
        yield old[start : start + SECTOR], new[start : start + SECTOR]


def _torn(old: bytes, new: bytes, dice: random.Random) -> bytes:
    """Some sectors are written, some are not; a longer file has holes of zeros."""
    longer = max(len(old), len(new))
    parts = _sectors(old.ljust(longer, b"\0"), new.ljust(longer, b"\0"))
    return b"".join(dice.choice(both) for both in parts)


def test_whatever_a_power_failure_leaves_opens_with_all_that_was_acknowledged(
    tmp_path: Path,
) -> None:
    dice = random.Random(48)
    (tmp_path / "run").mkdir()
    states = list(recorded(tmp_path / "run" / "buffer.db"))
    assert len(states) == STEPS
    assert len({state.file for state in states}) > 2, "checkpoints are among them"
    place = tmp_path / "after" / "buffer.db"
    place.parent.mkdir()
    seen = 0
    for old, new in pairwise(states):
        for state in between(old, new, dice):
            _leave(place, state)
            assert verify(place) == ()
            with open_reader(place) as reader:
                counters = reader.counters()
                assert len(reader.events()) >= state.events
            assert counters.get("samples_stored", 0) >= state.samples
            seen += 1
    assert seen > 15 * STEPS


async def test_what_opens_after_a_power_failure_goes_on_and_says_what_is_uncertain(
    tmp_path: Path,
) -> None:
    dice = random.Random(47)
    (tmp_path / "run").mkdir()
    states = list(recorded(tmp_path / "run" / "buffer.db"))
    place = tmp_path / "after" / "buffer.db"
    place.parent.mkdir()
    for old, new in pairwise(states[4:]):
        left = list(between(old, new, dice))
        _leave(place, dice.choice(left[:-1] or left))
        async with open_store(place, SETTINGS, SystemClock()) as store:
            seq = await store.append_event(Event(EventKind.SYSTEM, "again", 1, ""))
            assert seq > old.events
            store.append(rows(99))
            await store.flush()
            await store.fold()
        assert verify(place) == ()
        with open_reader(place) as reader:
            reasons = [gap.reason for gap in reader.gaps()]
        assert reasons == ["the last run was not shut down"]


def _leave(place: Path, state: State) -> None:
    for old in place.parent.iterdir():
        old.unlink()
    place.write_bytes(state.file)
    if state.log:
        place.with_name(f"{place.name}-wal").write_bytes(state.log)


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
