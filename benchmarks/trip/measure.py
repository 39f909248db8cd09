"""Demands, one after the other, each in a scan of its own at a random phase."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.support.neighbours import (
    burning,
    fill,
    full_disk,
    neighbours,
    program,
)
from benchmarks.trip.matrix import SCAN_S
from benchmarks.trip.plc import BAD_RAW, LANES, Memory, Plc
from benchmarks.trip.subjects import Bare, Ours

if TYPE_CHECKING:
    from collections.abc import Callable

STOP_WITHIN_S = 10.0
BEGIN_WITHIN_S, DEMAND_WITHIN_S = 120.0, 0.2
"""So long may a subject take to come up, and then each demand, its reset included."""

Times: TypeAlias = "dict[tuple[str, str], list[float]]"
"""Of each subject and state, the seconds from change to stop, sorted."""


async def run(load: str, demands: int, priority: int) -> Times:
    """Measure both subjects in one state, idle or loaded; the baseline half as often.

    Raises:
        TimeoutError: It took longer than so many demands may take.
    """
    memory = Memory()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Plc(memory), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    taken: Times = {}
    try:
        for subject in (Ours, Bare):
            count = demands if subject is Ours else demands // 2
            async with asyncio.timeout(BEGIN_WITHIN_S + count * DEMAND_WITHIN_S):
                taken[subject.name, load] = await _under(
                    load, subject, port, priority, memory, count
                )
    finally:
        server.close()
    return taken


async def _under(  # noqa: PLR0917 - the conditions of one measurement
    load: str,
    kind: type[Ours | Bare],
    port: int,
    priority: int,
    memory: Memory,
    demands: int,
) -> list[float]:
    """Measure one subject, alone or under full load."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as opened:
        folder = Path(name)
        subject = kind(folder, port, priority)
        if load == "idle":
            return await measure(subject, memory, demands, _nothing)
        beside = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        disk = opened.enter_context(full_disk(folder))
        subject = kind(folder, port, priority)  # its files stand on that disk
        words = opened.enter_context(neighbours(beside, folder))
        opened.enter_context(burning(os.cpu_count() or 1))
        if kind is Ours:
            print(f"load: every core burnt, {disk}, {', '.join(words)}", flush=True)
        full = partial(fill, folder) if disk == "disk full" else _nothing
        return await measure(subject, memory, demands, full)


async def measure(
    subject: Ours | Bare, memory: Memory, demands: int, on_ready: Callable[[], None]
) -> list[float]:
    """Return the seconds from change to stop of each demand, sorted."""
    noise = random.Random(7)  # noqa: S311 - phases, not secrets
    taken: list[float] = []
    for lane in range(LANES):
        memory.write_coil(lane, on=False)
    with program(sys.executable, *subject.words):
        async with subject.watching():
            on_ready()
            while len(taken) < demands + LANES:  # in the first round it starts
                memory.make_well()
                await subject.make_ready(memory)
                phases = [noise.random() for _ in range(LANES)]
                async with asyncio.TaskGroup() as tasks:
                    rounds = [
                        tasks.create_task(one_demand(memory, lane, phase), name="lane")
                        for lane, phase in enumerate(phases)
                    ]
                taken += [each.result() for each in rounds]
    return sorted(taken[LANES:])


async def one_demand(memory: Memory, lane: int, phase: float) -> float:
    """Make a demand in a scan of its own; return the seconds to the stop."""
    await asyncio.sleep((2 + lane + phase) * SCAN_S)
    began_s = time.perf_counter()
    memory.raw[lane] = BAD_RAW
    async with asyncio.timeout(STOP_WITHIN_S):
        await memory.fell[lane].wait()
    return memory.fell_at_s[lane] - began_s


def _nothing() -> None:
    """Do nothing when a subject is ready."""
