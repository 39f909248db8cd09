"""The real processes of a history, each a child that can be killed and started anew."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tests.system.ledger.stepped_hub import OFFSET_FILE

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
WITHIN_S = 120.0
COUNTER = "P-101/counter"
ALARM = f"{COUNTER}:high"
DISK_BYTES = 24_000_000
SITE, GATEWAY = "plant-1", "gw-1"
_CONFIG = """
config_version = 1
[site]
id = "{site}"
gateway = "{gateway}"
[storage]
commit_period_s = 0.25
chunk_s = 1.0
[[sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
port = {plc_port}
period_s = 0.05
timeout_s = 30.0
stale_after_s = 60.0
[[sources.tags]]
id = "{counter}"
table = "input"
address = 0
type = "uint32"
[[sources.tags]]
id = "{counter}_and_a_million"
table = "input"
address = 2
type = "uint32"
[[alarms]]
tag = "{counter}"
rule = "high"
setpoint = 1e12
priority = "low"
[uplink]
host = "127.0.0.1"
port = {broker_port}
tls = false
hold_s = 0.0
summary_period_s = 1.0
coarsen_after_s = 0.0
"""


class Child:
    """A program with a name; what it says goes to a file beside the others."""

    def __init__(self, folder: Path, name: str, *words: str, speaks: bool) -> None:
        self.name = name
        self._words = words
        self._speaks = speaks
        self._log = folder / f"{name}.log"
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            OFFSET_FILE: str(folder / "clock"),
        }
        self._process: subprocess.Popen[str] | None = None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> dict[str, Any]:
        """Start it; return its first line, where it is one that speaks."""
        if self.running:
            return {}
        with self._log.open("a", encoding="utf-8") as log:
            self._process = self._popen(log)
        if not self._speaks:
            return {}
        assert self._process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            line = await asyncio.to_thread(self._process.stdout.readline)
        self._process.stdout.close()
        return dict(json.loads(line)) if line else {}

    def _popen(self, log: TextIO) -> subprocess.Popen[str]:
        return subprocess.Popen(
            (sys.executable, "-m", *self._words),
            stdout=subprocess.PIPE if self._speaks else log,
            stderr=log,
            text=True,
            env=self._environment,
            cwd=ROOT,
        )

    async def end(self, how: signal.Signals) -> int | None:
        """Send a signal and wait; return the exit code, None where it did not run."""
        if self._process is None:
            return None
        self._process.send_signal(how)
        async with asyncio.timeout(WITHIN_S):
            return await asyncio.to_thread(self._process.wait)


def write_config(folder: Path, *, plc_port: int, broker_port: int) -> None:
    """Write the gateway's configuration."""
    text = _CONFIG.format(
        site=SITE,
        gateway=GATEWAY,
        counter=COUNTER,
        plc_port=plc_port,
        broker_port=broker_port,
    )
    (folder / "wt.toml").write_text(text, encoding="utf-8")


def appliance(folder: Path, name: str) -> Child:
    """Return one of the gateway's own processes."""
    module = "tests.system.ledger.stepped_hub" if name == "hub" else "appliance"
    words = (module, name, "-c", str(folder / "wt.toml"), *places(folder))
    return Child(folder, name, *words, speaks=False)


def places(folder: Path) -> tuple[str, ...]:
    """Return the words that tell a command where things are."""
    return "--state-dir", str(folder / "state"), "--run-dir", str(folder)


def broker(folder: Path, port: int) -> Child:
    """Return mosquitto, which keeps its sessions."""
    kept = str(folder / "broker")
    words = ("--port", str(port), "--kind", "mosquitto", "--dir", kept)
    return Child(folder, "broker", "fleet", "broker", *words, speaks=True)


def ingest(folder: Path, port: int) -> Child:
    """Return the fleet's ingest."""
    words = ("--broker", f"127.0.0.1:{port}", "--lake", str(folder / "lake"))
    return Child(folder, "ingest", "fleet", "ingest", *words, speaks=True)


def plc(folder: Path) -> Child:
    """Return the producer."""
    words = ("tests.system.ledger.counter_plc", str(folder / "answers.log"))
    return Child(folder, "plc", *words, speaks=True)


async def command(*words: str) -> tuple[int, Any]:
    """Run a command that prints JSON; return its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, stdout=subprocess.PIPE, cwd=ROOT
    )
    async with asyncio.timeout(WITHIN_S):
        said, _ = await process.communicate()
    return process.returncode or 0, json.loads(said) if said.strip() else None


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Give the buffer a disk that can be filled, where we may; tell whether.

    What was on it is kept in `state-kept`, for whoever has to find out.
    """
    state = folder / "state"
    state.mkdir()
    words = ("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(state))
    try:
        mounted = subprocess.run(words, capture_output=True, check=False)
        has_own = mounted.returncode == 0
    except OSError:
        has_own = False
    try:
        yield has_own
    finally:
        if has_own:
            shutil.copytree(state, folder / "state-kept")
            subprocess.run(("umount", "--lazy", str(state)), check=True)
