"""A window that hangs, dies or is hostile stops nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from appliance.link.client import LinkLostError, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(300)]

SOCKETS = 40
WATCH_S = 10.0
SCAN_PERIOD_MS = 100.0


@asynccontextmanager
async def demonstration(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    words = ["demo", "healthy", "--headless", "--for", "60s"]
    words += ["--keep", str(tmp_path / "run"), "--report", str(tmp_path / "demo.json")]
    with (tmp_path / "out.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appliance", *words, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def ask(path: Path, op: str) -> Any:  # noqa: ANN401 - msgpack
    async with connect(path, process="test") as link:
        return await link.request(op)


async def until_it_may_run(path: Path) -> None:
    """Wait for safety to be reset, and for the hub: it takes longer to begin."""
    async with asyncio.timeout(90):
        while True:
            try:
                await ask(path.with_name("hub.sock"), "status")
                if not (await ask(path, "status"))["tripped"]:
                    return
            except LinkLostError:
                pass
            await asyncio.sleep(0.2)


async def watched(run_dir: Path) -> tuple[int, float, int]:
    """Return overruns and samples read over ten seconds; the longest scan ever (ms)."""
    safety = (await ask(run_dir / "safety.sock", "status"))["scan"]
    read = (await ask(run_dir / "hub.sock", "status"))["counters"]["samples_read"]
    await asyncio.sleep(WATCH_S)
    after = (await ask(run_dir / "safety.sock", "status"))["scan"]
    more = (await ask(run_dir / "hub.sock", "status"))["counters"]["samples_read"]
    return after["overruns"] - safety["overruns"], after["longest_ms"], more - read


HOSTILE = f"""
import socket, sys, time
from appliance.wire.messages import PROTOCOL, Hello, Subscribe, encode_frame
kept = []
for path in sys.argv[1:]:
    for number in range({SOCKETS}):
        peer = socket.socket(socket.AF_UNIX)
        kept.append(peer)
        peer.connect(path)
        try:
            if number % 2:
                peer.sendall(encode_frame(Hello(PROTOCOL, "hostile")))
                what = ("batches", "newest", "events")
                peer.sendall(encode_frame(Subscribe(what)))
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused already
print("open", flush=True)
time.sleep(600)
"""


async def start_hostile(run_dir: Path) -> asyncio.subprocess.Process:
    """Open many connections, subscribe to everything, and never read a byte."""
    paths = [str(run_dir / name) for name in ("safety.sock", "hub.sock")]
    hostile = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOSTILE, *paths), stdout=asyncio.subprocess.PIPE
    )
    assert hostile.stdout is not None
    assert await hostile.stdout.readline() == b"open\n"
    return hostile


async def test_hung_killed_and_hostile_windows_touch_neither_scan_nor_ingest(
    tmp_path: Path,
) -> None:
    run_dir = tmp_path / "run" / "run"
    async with demonstration(tmp_path) as demo:
        await until_it_may_run(run_dir / "safety.sock")
        calm = await watched(run_dir)
        master, slave = pty.openpty()
        window = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "appliance", "dashboard"),
            *("--run-dir", str(run_dir)),
            stdin=slave, stdout=slave, stderr=slave,
        )  # fmt: skip
        hostile = await start_hostile(run_dir)
        try:
            os.kill(window.pid, signal.SIGSTOP)
            pressed = await watched(run_dir)
        finally:
            for process in (window, hostile):
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            os.close(master)
            os.close(slave)
        assert await demo.wait() == 0, (tmp_path / "out.log").read_text()
    assert pressed[0] <= calm[0] + 1, (calm, pressed)
    assert pressed[1] <= max(calm[1], 5 * SCAN_PERIOD_MS), (calm, pressed)
    assert pressed[2] > 0.8 * calm[2], (calm, pressed)
    report = json.loads((tmp_path / "demo.json").read_text())
    assert report["false_alarms"] == 0
    assert report["buffer_problems"] == []
