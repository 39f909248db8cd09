"""From a value that changes in the PLC to the stop written there, at a 10 ms scan.

    python -m benchmarks.trip_response [--quick] [--demands N] [--json FILE]

Our safety process beside a bare asyncio + pymodbus loop (read, compare, write) in a
process of its own, each idle and with every core burnt by other processes. The PLC is
this program; it runs above both where real-time scheduling is permitted. Without that
permission the tail is stated, not judged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymodbus.client import AsyncModbusTcpClient

from appliance.link.client import LinkRefusedError, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from appliance.link.client import LinkClient

SCAN_S = 0.010
SETPOINT, FACTOR = 7.1, 0.001
PLC_PRIORITY, LOOP_PRIORITY = 50, 40
GOOD_RAW, BAD_RAW = 1_000, 20_000
STOP_WITHIN_S = 10.0
P99_OF_SCAN, P999_OF_BARE, P999_OF_SCAN = 1.15, 1.25, 2.0
ENOUGH_FOR_P999 = 2_000
QUANTILES = {"p99": 0.99, "p99.9": 0.999}
QUICK_DEMANDS, FULL_DEMANDS = 250, 4_000
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
[[safety.sources.tags]]
id = "P-101/DE/vibration_rms"
table = "input"
address = 0
factor = 0.001
range_low = 0.0
range_high = 50.0
[[safety.sources.points]]
name = "permit"
table = "coil"
address = 0
[[safety.sources.points]]
name = "heartbeat"
table = "holding"
address = 0
range = [0, 65535]
[[safety.initiators]]
id = "vibration"
channels = ["P-101/DE/vibration_rms"]
setpoint = {setpoint}
max_age_s = 1.0
comms_loss_delay_s = 1.5
process_safety_time_s = 8.0
cause = "Bearing damage"
consequence = "Seizure"
action = "Inspect the bearing"
[[safety.elements]]
id = "motor"
output = "plc"
point = "permit"
heartbeat = "heartbeat"
[safety.matrix]
"vibration" = ["motor"]
"""


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
    """The PLC's memory: one input register, one coil, one holding register."""

    def __init__(self) -> None:
        self.raw = GOOD_RAW
        self.coil = False
        self.heartbeat = 0
        self.fell_at_s = 0.0
        self.fell = asyncio.Event()
        self.rose = asyncio.Event()

    def answer(self, request: bytes) -> bytes:
        """Return the answer to one request."""
        code, _, value = struct.unpack_from(">BHH", request)
        match code:
            case 1:
                return struct.pack(">BBB", code, 1, self.coil)
            case 3 | 4:
                held = self.heartbeat if code == 3 else self.raw
                return struct.pack(">BBH", code, 2, held)
            case 5:
                self.write_coil(on=value != 0)
            case 6:
                self.heartbeat = value
            case _:
                return bytes((code | 0x80, 1))
        return request

    def write_coil(self, *, on: bool) -> None:
        """Note the edges."""
        if self.coil and not on:
            self.fell_at_s = time.perf_counter()
            self.fell.set()
        if on and not self.coil:
            self.rose.set()
        self.coil = on


class Ours:
    """The safety process; between two demands an operator resets it."""

    name = "safety process"

    def __init__(self, folder: Path, port: int, priority: int) -> None:
        self._folder = folder
        config = folder / "bench.toml"
        config.write_text(
            CONFIG.format(
                scan_s=SCAN_S, priority=priority, port=port, setpoint=SETPOINT
            )
        )
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
            while not memory.coil:
                try:
                    await self._link.request("reset")
                    await memory.rose.wait()
                except LinkRefusedError:
                    await asyncio.sleep(SCAN_S)


class Bare:
    """The loop that anybody would write first; the PLC is reset by hand."""

    name = "bare asyncio + pymodbus loop"

    def __init__(self, port: int, priority: int) -> None:
        module = "benchmarks.trip_response"
        self.words = ("-m", module, "--bare", str(port), str(priority))

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Nothing to dial."""
        yield

    async def make_ready(self, memory: Memory) -> None:
        """Set the coil, as a panel would."""
        memory.write_coil(on=True)


@contextmanager
def program(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python program; end it."""
    process = subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def burning(cores: int) -> Iterator[None]:
    """Keep `cores` cores busy with other processes."""
    if not cores:
        yield
        return
    with program("-c", "while True: pass"), burning(cores - 1):
        yield


async def measure(subject: Ours | Bare, memory: Memory, demands: int) -> list[float]:
    """Return the seconds from change to stop of each demand, sorted."""
    noise = random.Random(7)  # noqa: S311 - phases, not secrets
    phases = [noise.random() for _ in range(demands)]
    memory.write_coil(on=False)
    with program(*subject.words):
        async with subject.watching():
            return sorted(
                [await one_demand(subject, memory, phase) for phase in phases]
            )


async def one_demand(subject: Ours | Bare, memory: Memory, phase: float) -> float:
    """Make one demand at some phase of the scan; return the seconds to the stop."""
    memory.raw = GOOD_RAW
    memory.rose.clear()
    await subject.make_ready(memory)
    await asyncio.sleep((2 + phase) * SCAN_S)
    memory.fell.clear()
    began_s = time.perf_counter()
    memory.raw = BAD_RAW
    async with asyncio.timeout(STOP_WITHIN_S):
        await memory.fell.wait()
    return memory.fell_at_s - began_s


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
        for load, cores in (("idle", 0), ("loaded", os.cpu_count() or 1)):
            with tempfile.TemporaryDirectory() as folder, burning(cores):
                subjects = (Ours(Path(folder), port, priority), Bare(port, priority))
                for subject in subjects:
                    taken[subject.name, load] = await measure(subject, memory, demands)
                    show(subject.name, load, taken[subject.name, load])
    finally:
        server.close()
    return taken


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
        answer = await client.read_input_registers(0, count=1, device_id=1)
        if answer.registers[0] * FACTOR > SETPOINT:
            await client.write_coil(0, value=False, device_id=1)
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


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--demands", type=int)
    parser.add_argument("--json", type=Path)
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
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
