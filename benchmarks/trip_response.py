"""From a value that changes in the PLC to the stop written there, at a 10 ms scan.

    python -m benchmarks.trip_response [--quick] [--demands N] [--json FILE]
                                       [--page FILE] [--svg FILE]

Our safety process beside a bare asyncio + pymodbus loop (read, compare, write) in a
process of its own, each idle and under full load: every core burnt by other processes,
the journal's disk full, hub, inference, sync and dashboard beside it, the broker
flapping, the model's runtime loaded over and over. The PLC is this program; it runs
above both where real-time scheduling is permitted. Without that permission the tail is
stated, not judged.

Several initiators, each with its own element, demand one after the other, each in a
scan of its own at a random phase; then one reset serves them all.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import statistics
import struct
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymodbus.client import AsyncModbusTcpClient

from appliance.link.client import LinkRefusedError, connect
from benchmarks.support.histogram import svg_histogram, text_histogram
from benchmarks.support.neighbours import (
    burning,
    fill,
    full_disk,
    neighbours,
    program,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from appliance.link.client import LinkClient

SCAN_S = 0.010
SETPOINT, FACTOR = 7.1, 0.001
PLC_PRIORITY, LOOP_PRIORITY = 50, 40
GOOD_RAW, BAD_RAW = 1_000, 20_000
STOP_WITHIN_S = 10.0
P99_OF_SCAN, P999_OF_BARE, P999_OF_SCAN = 1.15, 1.25, 2.0
LANES = 5
ENOUGH_FOR_P999 = 2_000
QUANTILES = {"p99": 0.99, "p99.9": 0.999}
QUICK_DEMANDS, FULL_DEMANDS = 500, 5_000  # of each, idle and again under load
CONFIG = """\
config_version = 1
[site]
id = "bench"
gateway = "gw-1"
[safety]
mode = "armed"
scan_period_s = {scan_s}
realtime_priority = {priority}
[[safety.sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
port = {port}
{tags}
[[safety.sources.points]]
name = "heartbeat"
table = "holding"
address = 0
range = [0, 65535]
{rows}
[safety.matrix]
{matrix}
"""
LANE_TAG = """\
[[safety.sources.tags]]
id = "P-{lane}/DE/vibration_rms"
table = "input"
address = {lane}
factor = 0.001
range_low = 0.0
range_high = 50.0
[[safety.sources.points]]
name = "permit {lane}"
table = "coil"
address = {lane}
"""
LANE_ROW = """\
[[safety.initiators]]
id = "vibration {lane}"
channels = ["P-{lane}/DE/vibration_rms"]
setpoint = {setpoint}
max_age_s = 1.0
comms_loss_delay_s = 1.5
process_safety_time_s = 8.0
cause = "Bearing damage"
consequence = "Seizure"
action = "Inspect the bearing"
[[safety.elements]]
id = "motor {lane}"
output = "plc"
point = "permit {lane}"
{heartbeat}
"""


def configuration(port: int, priority: int) -> str:
    """Return the TOML: as many functions as there are lanes, one heartbeat."""
    lanes = range(LANES)
    return CONFIG.format(
        scan_s=SCAN_S,
        priority=priority,
        port=port,
        tags="".join(LANE_TAG.format(lane=lane) for lane in lanes),
        rows="".join(
            LANE_ROW.format(
                lane=lane,
                setpoint=SETPOINT,
                heartbeat="" if lane else 'heartbeat = "heartbeat"',
            )
            for lane in lanes
        ),
        matrix="\n".join(f'"vibration {n}" = ["motor {n}"]' for n in lanes),
    )


class Plc(asyncio.Protocol):
    """As much of Modbus TCP as the loops use; it notes when the coil falls."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._transport: asyncio.Transport | None = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        self._buffer += data
        while len(self._buffer) >= 6:
            length = 6 + struct.unpack_from(">H", self._buffer, 4)[0]
            if len(self._buffer) < length:
                return
            request, self._buffer = self._buffer[:length], self._buffer[length:]
            body = self._memory.answer(request[7:])
            head = request[:4] + struct.pack(">H", len(body) + 1) + request[6:7]
            assert self._transport is not None
            self._transport.write(head + body)


class Memory:
    """The PLC's memory: an input register and a coil per lane, one heartbeat."""

    def __init__(self) -> None:
        self.raw = [GOOD_RAW] * LANES
        self.coils = [False] * LANES
        self.heartbeat = 0
        self.fell_at_s = [0.0] * LANES
        self.fell = [asyncio.Event() for _ in range(LANES)]
        self.risen = asyncio.Event()

    def answer(self, request: bytes) -> bytes:
        """Return the answer to one request."""
        code, address, value = struct.unpack_from(">BHH", request)
        match code:
            case 1:
                bits = self.coils[address : address + value]
                packed = sum(1 << place for place, bit in enumerate(bits) if bit)
                size = (value + 7) // 8
                return struct.pack(">BB", code, size) + packed.to_bytes(size, "little")
            case 3:
                return struct.pack(">BBH", code, 2, self.heartbeat)
            case 4:
                words = self.raw[address : address + value]
                return struct.pack(f">BB{value}H", code, 2 * value, *words)
            case 5:
                self.write_coil(address, on=value != 0)
            case 6:
                self.heartbeat = value
            case _:
                return bytes((code | 0x80, 1))
        return request

    def write_coil(self, lane: int, *, on: bool) -> None:
        """Note the edges."""
        if self.coils[lane] and not on:
            self.fell_at_s[lane] = time.perf_counter()
            self.fell[lane].set()
        self.coils[lane] = on
        if all(self.coils):
            self.risen.set()

    def make_well(self) -> None:
        """Let nothing demand any more."""
        self.raw = [GOOD_RAW] * LANES
        self.risen.clear()
        for fell in self.fell:
            fell.clear()


class Ours:
    """The safety process; between two demands an operator resets it."""

    name = "safety process"

    def __init__(self, folder: Path, port: int, priority: int) -> None:
        self._folder = folder
        config = folder / "bench.toml"
        config.write_text(configuration(port, priority))
        places = ("--state-dir", str(folder), "--run-dir", str(folder))
        self.words = ("-m", "appliance", "safety", "-c", str(config), *places)
        self._link: LinkClient | None = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Dial its socket once it listens."""
        async with asyncio.timeout(30):
            while not (self._folder / "safety.sock").exists():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        async with connect(self._folder / "safety.sock", process="bench") as link:
            self._link = link
            yield

    async def make_ready(self, memory: Memory) -> None:
        """Reset until it is permitted, and wait for the permit."""
        assert self._link is not None
        async with asyncio.timeout(60):
            while not memory.risen.is_set():
                try:
                    await self._link.request("reset")
                    await memory.risen.wait()
                except LinkRefusedError:
                    await asyncio.sleep(SCAN_S)


class Bare:
    """The loop that anybody would write first; the PLC is reset by hand."""

    name = "bare asyncio + pymodbus loop"

    def __init__(self, _folder: Path, port: int, priority: int) -> None:
        module = "benchmarks.trip_response"
        self.words = ("-m", module, "--bare", str(port), str(priority))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Nothing to dial."""
        yield

    async def make_ready(self, memory: Memory) -> None:
        """Set the coils, as a panel would."""
        await asyncio.sleep(2 * SCAN_S)  # it writes what it still believes
        for lane in range(LANES):
            memory.write_coil(lane, on=True)


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


def quantile(ordered: list[float], share: float) -> float:
    """Return a quantile of sorted seconds, in milliseconds."""
    place = min(len(ordered) - 1, int(share * len(ordered)))
    return 1000 * ordered[place]


async def run(demands: int, priority: int) -> dict[tuple[str, str], list[float]]:
    """Measure both subjects, idle and loaded."""
    memory = Memory()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Plc(memory), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    taken: dict[tuple[str, str], list[float]] = {}
    try:
        for load in ("idle", "loaded"):
            for subject in (Ours, Bare):
                count = demands if subject is Ours else demands // 2
                ordered = await _under(load, subject, port, priority, memory, count)
                taken[subject.name, load] = ordered
                show(subject.name, load, ordered)
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


def _nothing() -> None:
    """Do nothing when a subject is ready."""


def show(name: str, load: str, ordered: list[float]) -> None:
    """Print a line of the table."""
    cells = [quantile(ordered, share) for share in (0.5, 0.99, 0.999)]
    cells.append(1000 * ordered[-1])
    numbers = "  ".join(f"{cell:7.2f}" for cell in cells)
    print(f"{name:30}{load:8}{numbers}", flush=True)


def figures(
    taken: dict[tuple[str, str], list[float]], *, realtime: bool
) -> list[dict[str, Any]]:
    """Return p99 and p99.9, idle and loaded, against their targets."""
    return [
        figure(taken, load, word, realtime=realtime)
        for load in ("idle", "loaded")
        for word in QUANTILES
    ]


def figure(
    taken: dict[tuple[str, str], list[float]], load: str, word: str, *, realtime: bool
) -> dict[str, Any]:
    """Return one figure; few demands or no real-time scheduling judge no tail."""
    ours, bare = taken[Ours.name, load], taken[Bare.name, load]
    mine, theirs = (quantile(each, QUANTILES[word]) for each in (ours, bare))
    limit, target = _target(word, load, theirs)
    judged = realtime and (word == "p99" or len(ours) >= ENOUGH_FOR_P999)
    return {
        "name": f"change to stop, {load}, {word}, ms",
        "ours": mine,
        "baseline": theirs,
        "baseline_name": Bare.name,
        "ratio": mine / theirs,
        "target": target,
        "met": mine <= limit if judged else None,
    }


def _target(word: str, load: str, bare_ms: float) -> tuple[float, str]:
    scan_ms = 1000 * SCAN_S
    if word == "p99":
        return P99_OF_SCAN * scan_ms, f"<= {P99_OF_SCAN} x the scan period"
    if load == "idle":
        return P999_OF_BARE * bare_ms, f"<= {P999_OF_BARE} x the bare loop"
    return P999_OF_SCAN * scan_ms, f"<= {P999_OF_SCAN:g} x the scan period"


async def bare_loop(port: int) -> None:
    """Read, compare, write for ever: the baseline, with nothing else in its process."""
    client = AsyncModbusTcpClient("127.0.0.1", port=port)
    await client.connect()
    due_s = time.monotonic()
    while True:
        answer = await client.read_input_registers(0, count=LANES, device_id=1)
        for lane, raw in enumerate(answer.registers):
            if raw * FACTOR > SETPOINT:
                await client.write_coil(lane, value=False, device_id=1)
        due_s += SCAN_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))


def ask_for_realtime(priority: int) -> bool:
    """Run this program at a priority, if that is permitted; children start ordinary."""
    policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except PermissionError:
        return False
    return True


_PAGE = """\
# Trip response

Written by `python -m benchmarks.trip_response --page FILE` on {date}; {cores} cores,
{machine}, Python {python}; {words}.

Milliseconds from the value changing in the PLC to the coil written there, at a scan of
10 ms; each demand at a random phase of the scan, so up to 10 ms are waiting for it.
Loaded: every core burnt, disk full, hub, inference, sync and dashboard beside it, the
broker flapping, the model's runtime loaded over and over.

![Histogram](../images/trip-response.svg)

| subject | load | p50 | p99 | p99.9 | max |
|---|---|---:|---:|---:|---:|
{rows}

| figure | ours | bare loop | target | met |
|---|---:|---:|---|---|
{figures}

```text
{histogram}
```
"""


def page(
    taken: dict[tuple[str, str], list[float]], found: list[dict[str, Any]], words: str
) -> str:
    """Return the page of a run."""
    rows = []
    for (name, load), ordered in taken.items():
        cells = [quantile(ordered, share) for share in (0.5, 0.99, 0.999, 1.0)]
        numbers = " | ".join(f"{cell:.2f}" for cell in cells)
        rows.append(f"| {name} | {load} | {numbers} |")
    lines = [
        f"| {each['name']} | {each['ours']:.2f} | {each['baseline']:.2f}"
        f" | {each['target']} | {each['met']} |"
        for each in found
    ]
    return _PAGE.format(
        date=datetime.now(UTC).date(),
        cores=os.cpu_count(),
        machine=f"{platform.machine()}, {platform.system()}",
        python=platform.python_version(),
        words=words,
        rows="\n".join(rows),
        figures="\n".join(lines),
        histogram=text_histogram(taken),
    )


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--demands", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--bare", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.bare:
        port, priority = args.bare
        if priority:
            ask_for_realtime(priority)
        asyncio.run(bare_loop(port))
    demands = args.demands or (QUICK_DEMANDS if args.quick else FULL_DEMANDS)
    realtime = ask_for_realtime(PLC_PRIORITY)
    words = "SCHED_FIFO" if realtime else "no real-time scheduling is permitted here"
    print(f"{demands} demands each, scan {1000 * SCAN_S:g} ms, {words}")
    if not realtime:
        print("met is null: without it this machine promises nothing of the tail")
    elif demands < ENOUGH_FOR_P999:
        print(f"p99.9 is not judged below {ENOUGH_FOR_P999} demands")
    print(f"{'':38}{'p50':>7}  {'p99':>7}  {'p99.9':>7}  {'max':>7}   ms")
    taken = asyncio.run(run(demands, LOOP_PRIORITY if realtime else 0))
    found = figures(taken, realtime=realtime)
    mean_ms = {key: 1000 * statistics.fmean(value) for key, value in taken.items()}
    print("mean: " + ", ".join(f"{n} {w} {v:.2f}" for (n, w), v in mean_ms.items()))
    for each in found:
        print(f"{each['name']}: {each['target']}: met {each['met']}")
    print(text_histogram(taken))
    if args.svg:
        args.svg.write_text(svg_histogram(taken, 1000 * SCAN_S), encoding="utf-8")
    if args.page:
        words = f"{demands} demands of each subject and load, {words}"
        args.page.write_text(page(taken, found, words), encoding="utf-8")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
