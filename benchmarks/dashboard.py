"""The window: what it costs on a real terminal, and that its end costs safety nothing.

    python -m benchmarks.dashboard [--quick] [--json FILE] [--only PART]… [--ends N]

Its parts are load, wide, slow and kills; each says on stderr how far it is.
The program runs on a terminal of its own (a pty of 120 by 40, truecolor), on a hub that
this benchmark plays: 500 tags at 10 Hz, then 10 000 tags at 1 Hz. Beside it runs the
least that anybody would do: a program that takes the same link and counts. Then a real
safety process scans every 10 ms while windows on it are killed and stopped, a hundred
times; its own record of late and long scans is read before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import sys
import tempfile
import termios
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.domain.batch import batch_of
from appliance.link.roles import Role
from appliance.link.server import LinkServer
from appliance.runtime.tasks import companions
from appliance.wire.batches import message_of
from appliance.wire.messages import TagEntry
from benchmarks.support.neighbours import program
from benchmarks.trip.plc import Memory, Plc
from benchmarks.trip.realtime import LOOP_PRIORITY, PLC_PRIORITY, ask_for_realtime
from benchmarks.trip.subjects import Ours

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

COLUMNS, LINES = 120, 40
WARM_S = 6.0
KEYS = (("5", b"processes"), ("1", b"What is wrong"))
"""A screen's key, and a word that is drawn there alone."""
WITHIN_S = 60.0
CPU_TARGET_PCT, KEY_TARGET_MS, BYTES_TARGET = 25.0, 250.0, 60_000.0
SLOW_BYTES_S, SLOW_S = 2400, 20.0
SCAN_S, LOST_S, HANG_S = 0.010, 1.0, 0.3
"""A scan's period; what would be as good as a stopped scan; how long a window hangs."""
ENDS_WITHIN_S = 600.0
READ_REGISTERS = 4
_COUNTER = """
import asyncio, sys
from pathlib import Path
from appliance.link.client import connect
async def main():
    path = Path(sys.argv[1])
    async with connect(path, process="count", subscribe=("newest",)) as link:
        async for news in link.messages():
            pass
asyncio.run(main())
"""


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    ours: float
    baseline: float | None
    baseline_name: str
    target: str
    met: bool | None

    @property
    def ratio(self) -> float | None:
        """Ours to the baseline."""
        return None if not self.baseline else self.ours / self.baseline


class Terminal:
    """The other end of a pty: counts what comes, and waits for words."""

    def __init__(self) -> None:
        self._ours, self._theirs = pty.openpty()
        size = struct.pack("HHHH", LINES, COLUMNS, 0, 0)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, size)
        self._seen = b""
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name="bench.terminal")
        self.received = 0

    @asynccontextmanager
    async def window(self, run_dir: Path, *words: str) -> AsyncIterator[int]:
        """Run the window on it; yield its process id."""
        line = (sys.executable, "-m", "appliance", "dashboard", *words)
        colours = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        ends: Any = dict.fromkeys(("stdin", "stdout", "stderr"), self._theirs)
        ends["env"] = os.environ | colours
        try:
            with program(*line, "--run-dir", str(run_dir), **ends) as process:
                os.close(self._theirs)
                self._thread.start()
                yield process.pid
                process.kill()
        finally:
            await asyncio.to_thread(self._thread.join, 10)
            os.close(self._ours)

    async def press(self, key: str, word: bytes) -> float:
        """Press a key; return the seconds until the word is drawn."""
        return await asyncio.to_thread(self._press, key, word)

    async def until(self, word: bytes) -> None:
        """Wait for a word."""
        await asyncio.to_thread(self._until, word)

    def _press(self, key: str, word: bytes) -> float:
        with self._changed:
            self._seen = b""
        begun_s = time.perf_counter()
        os.write(self._ours, key.encode())
        self._until(word)
        return time.perf_counter() - begun_s

    def _until(self, word: bytes) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: word in self._seen, WITHIN_S):
                raise TimeoutError(f"{word!r} never came: {self._seen[-500:]!r}")

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while read := os.read(self._ours, 65_536):
                with self._changed:
                    self.received += len(read)
                    self._seen = (self._seen + read)[-262_144:]
                    self._changed.notify_all()


@asynccontextmanager
async def hub_of(run_dir: Path, tags: int, rate_hz: float) -> AsyncIterator[None]:
    """Play a hub whose tags all change, so often in a second."""
    server = LinkServer(
        run_dir / "hub.sock", process="hub", role_of=lambda _uid, _gid: Role.VIEWER
    )
    names = [f"P-{n // 100}/point_{n % 100:02}" for n in range(tags)]
    server.set_tags(
        "e", tuple(TagEntry(n, name, "mm/s") for n, name in enumerate(names))
    )
    assets = [{"id": f"P-{n}", "kind": "pump"} for n in range(tags // 100)]
    answers: Mapping[str, object] = {
        "describe": {"site": "bench", "gateway": "g", "assets": assets},
        "alarms.list": [], "status": {"process": "hub"},
    }  # fmt: skip
    for op, answer in answers.items():
        server.operation(op, _always(answer))
    async with companions() as tasks:
        tasks.start(server.serve(), name="bench.hub")
        await server.wait_ready()
        tasks.start(_publish(server, tags, rate_hz), name="bench.values")
        yield


def _always(answer: object) -> Any:  # noqa: ANN401 - an operation
    async def tell(_args: object, _peer: object) -> object:
        return answer

    return tell


async def _publish(server: LinkServer, tags: int, rate_hz: float) -> None:
    numbers, noise = np.arange(tags, dtype=np.uint32), np.random.default_rng(7)
    while True:
        now_ns = time.time_ns()
        values = noise.normal(10.0, 1.0, tags)
        batch = batch_of(
            numbers, values, source_time_ns=now_ns, receive_time_ns=now_ns,
            group="plant.poll",
        )  # fmt: skip
        server.publish_batch(message_of(batch))
        await asyncio.sleep(1.0 / rate_hz)


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def share_pct(pid: int, seconds: float) -> float:
    """Return which part of a core a process takes."""
    before_s, begun_s = cpu_s(pid), time.perf_counter()
    await asyncio.sleep(seconds)
    return 100 * (cpu_s(pid) - before_s) / (time.perf_counter() - begun_s)


async def watched(
    tags: int, rate_hz: float, *, seconds: float, keys: int
) -> list[Figure]:
    """Measure the window on such a plant."""
    plant = f"{tags} tags at {rate_hz:g} Hz"
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder)
        async with hub_of(run_dir, tags, rate_hz):
            terminal = Terminal()
            async with terminal.window(run_dir) as pid:
                await terminal.until(b"point_00")
                await asyncio.sleep(WARM_S)
                before = terminal.received
                ours_pct = await share_pct(pid, seconds)
                told = (terminal.received - before) / seconds
                taken = [
                    await terminal.press(*KEYS[n % len(KEYS)]) for n in range(keys)
                ]
            words = (sys.executable, "-c", _COUNTER, str(run_dir / "hub.sock"))
            with program(*words) as counter:
                await asyncio.sleep(WARM_S)
                bare_pct = await share_pct(counter.pid, seconds)
    p95_ms = 1e3 * sorted(taken)[int(0.95 * len(taken))]
    return [
        Figure(f"{plant}: CPU of the window, % of a core", ours_pct, bare_pct,
               "taking the same link and counting", f"< {CPU_TARGET_PCT:g} %",
               ours_pct < CPU_TARGET_PCT),
        Figure(f"{plant}: key to screen p95 of {keys}, ms", p95_ms, None, "",
               f"< {KEY_TARGET_MS:g} ms", p95_ms < KEY_TARGET_MS),
        Figure(f"{plant}: bytes/s to the terminal", told, 4.0 * COLUMNS * LINES,
               "the whole screen four times a second", f"< {BYTES_TARGET:g}",
               told < BYTES_TARGET),
    ]  # fmt: skip


async def slow(tags: int, rate_hz: float) -> list[Figure]:
    """Measure what a window sends that was told to spare the line."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder)
        wanted = run_dir / "slow.toml"
        wanted.write_text(f"bytes_per_s = {SLOW_BYTES_S}\n")
        async with hub_of(run_dir, tags, rate_hz):
            terminal = Terminal()
            async with terminal.window(run_dir, "--preferences", str(wanted)):
                await terminal.until(b"point_00")
                await asyncio.sleep(WARM_S)
                before = terminal.received
                await asyncio.sleep(SLOW_S)
                told = (terminal.received - before) / SLOW_S
    name = f"{tags} tags at {rate_hz:g} Hz: bytes/s where the line bears {SLOW_BYTES_S}"
    most = 1.5 * SLOW_BYTES_S  # a frame that was begun is sent whole
    return [Figure(name, told, None, "", f"< {most:g}", told < most)]


class Noting(Memory):
    """A PLC that notes when it is read: once in a scan."""

    def __init__(self) -> None:
        super().__init__()
        self.read_s: list[float] = []

    def answer(self, request: bytes) -> bytes:
        """Note the reading of the registers."""
        if request[0] == READ_REGISTERS:
            self.read_s.append(time.perf_counter())
        return super().answer(request)

    def taken(self) -> list[float]:
        """Return the seconds between the readings since the last time, sorted."""
        times, self.read_s = self.read_s, []
        return sorted(after - before for before, after in pairwise(times))


async def harmless(times: int) -> list[Figure]:
    """Kill and stop windows on a safety process; return how its scans kept their time.

    The same time without any window is measured before. What takes longer than
    `ENDS_WITHIN_S` is ended, and the figures say how many it were.
    """
    realtime = ask_for_realtime(PLC_PRIORITY)
    memory = Noting()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Plc(memory), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with tempfile.TemporaryDirectory() as folder:
            run_dir = Path(folder)
            subject = Ours(run_dir, port, LOOP_PRIORITY if realtime else 0)
            with program(sys.executable, *subject.words):
                async with subject.watching():
                    await asyncio.sleep(WARM_S)
                    memory.taken()
                    alone_s = min(60.0, 2.0 * times)
                    _progress(f"kills: {alone_s:g} s without any window")
                    await asyncio.sleep(alone_s)
                    alone = memory.taken()
                    times = await _end_windows(run_dir, times)
                    beside = memory.taken()
    finally:
        server.close()
        await server.wait_closed()
    lost = [max(between) > LOST_S for between in (alone, beside)]
    name = f"{times} kills and hangs of the window: scan period"
    p99_ms, alone_ms = (1e3 * each[int(0.99 * len(each))] for each in (beside, alone))
    longest_ms, before_ms = 1e3 * beside[-1], 1e3 * alone[-1]
    return [
        Figure(f"{name} p99, ms", p99_ms, alone_ms, "without any window", "ratio < 1.5",
               p99_ms < 1.5 * alone_ms if realtime else None),
        Figure(f"{name} longest, ms", longest_ms, before_ms, "without any window",
               f"< {1e3 * LOST_S:g} ms", not lost[1] if not lost[0] else None),
    ]  # fmt: skip


async def _end_windows(run_dir: Path, times: int) -> int:
    """Let each window hang for a while and go on, then kill it: two ends of each.

    Returns how many ends there were: `times`, or what the time allowed.
    """
    begun_s = time.perf_counter()
    for done in range(0, max(2, times), 2):
        passed_s = time.perf_counter() - begun_s
        _progress(f"kills: {done} of {times}, {passed_s:.0f} s")
        if done and passed_s > ENDS_WITHIN_S:
            return done
        terminal = Terminal()
        async with terminal.window(run_dir) as pid:
            await terminal.until(b"power-up")
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(HANG_S)
            os.kill(pid, signal.SIGCONT)
    return max(2, times)


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parts_of(
    *, seconds: float, keys: int, ends: int
) -> dict[str, Callable[[], Coroutine[Any, Any, list[Figure]]]]:
    """Return what can be measured by itself, by name."""
    return {
        "load": lambda: watched(500, 10.0, seconds=seconds, keys=keys),
        "wide": lambda: watched(10_000, 1.0, seconds=seconds, keys=keys),
        "slow": lambda: slow(500, 10.0),
        "kills": lambda: harmless(ends),
    }


def main() -> int:
    """Measure, print, write; 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", action="append", metavar="PART", help="one part")
    parser.add_argument("--ends", type=int, help="how many kills and hangs")
    args = parser.parse_args()
    seconds, keys, ends = (5.0, 60, 8) if args.quick else (30.0, 200, 100)
    parts = parts_of(seconds=seconds, keys=keys, ends=args.ends or ends)
    if unknown := set(args.only or ()) - parts.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    figures = []
    for name in args.only or parts:
        _progress(name)
        figures += asyncio.run(parts[name]())
    for each in figures:
        beside = "" if each.baseline is None else f"{each.baseline:12.4g}"
        met = "  <-- NOT MET" if each.met is False else ""
        print(f"{each.name:66} {each.ours:12.4g} {beside} {each.baseline_name}{met}")
    if args.json is not None:
        rows = [{**vars(each), "ratio": each.ratio} for each in figures]
        args.json.write_text(json.dumps(rows, indent=2))
    return 1 if any(each.met is False for each in figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
