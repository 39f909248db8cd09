"""The cloud's side of the uplink as programs, and sync in this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from appliance.config import Config, SiteSettings, UplinkSettings
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import companions
from appliance.sync.process import Sync
from fleet.broker import find_mosquitto
from fleet.lake import open_lake
from fleet.report import Report, report_of
from tests.support.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

MOSQUITTO = find_mosquitto()
needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed"
)
KINDS = [pytest.param("mosquitto", marks=needs_mosquitto), "amqtt"]
SITE = SiteSettings(id="plant-1", gateway="gw-1")
WITHIN_S = 60.0


class Program:
    """A child of the tests whose first line of output says that it is ready."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self.process: subprocess.Popen[str] | None = None

    async def start(self) -> dict[str, Any]:
        """Start it; return what it says when it is ready."""
        self.process = self._popen()
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            line = await asyncio.to_thread(self.process.stdout.readline)
        return json.loads(line) if line else {}

    def _popen(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "fleet", *self._words],
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self, number: signal.Signals) -> int:
        """Send a signal; return the exit code."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=WITHIN_S)
        self.process.stdout.close()
        self.process = None
        return code


@contextmanager
def program(*words: str) -> Iterator[Program]:
    """Have a program of the fleet; it is ended with the block."""
    made = Program(*words)
    try:
        yield made
    finally:
        if made.process is not None:
            made.end(signal.SIGTERM)


def broker_at(port: int, kind: str, tmp_path: Path) -> AbstractContextManager[Program]:
    """Have the demonstration's broker."""
    kept = str(tmp_path / "broker")
    return program("broker", "--port", str(port), "--kind", kind, "--dir", kept)


def ingest_from(port: int, lake: Path) -> AbstractContextManager[Program]:
    """Have an ingest into a lake."""
    return program("ingest", "--broker", f"127.0.0.1:{port}", "--lake", str(lake))


@asynccontextmanager
async def mosquitto_with(folder: Path, *lines: str) -> AsyncIterator[int]:
    """Run a broker of our own making, for what the demo's does not do."""
    assert MOSQUITTO is not None
    port = free_port()
    conf = folder / f"mosquitto-{port}.conf"
    user = pwd.getpwuid(os.getuid()).pw_name
    conf.write_text(
        "\n".join((f"listener {port} {LOOPBACK}", f"user {user}", *lines)) + "\n"
    )
    process = _popen_quietly(MOSQUITTO, "-c", str(conf))
    try:
        await until_it_listens(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=WITHIN_S)


def _popen_quietly(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def until_it_listens(port: int) -> None:
    """Wait for a server that says nothing itself."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(LOOPBACK, port)
                break
            await asyncio.sleep(0.02)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def syncing(tmp_path: Path, port: int, **settings: object) -> AsyncIterator[Sync]:
    """Run sync here, towards a broker; its link is in `tmp_path`."""
    uplink = UplinkSettings.model_validate(
        {"host": LOOPBACK, "port": port, "tls": False, "hold_s": 0.0, **settings}
    )
    sync = Sync(
        Config(site=SITE, uplink=uplink),
        uplink,
        tmp_path,
        run_dir=tmp_path,
        clock=SystemClock(),
    )
    async with companions() as tasks:
        tasks.start(sync.run(), name="test.sync")
        yield sync


def report(lake: Path) -> Report:
    """Return what the lake has, and whether it is whole."""
    with open_lake(lake) as opened:
        return report_of(opened)
