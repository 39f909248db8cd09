"""What else a gateway does while safety scans: the rest of the product, and worse."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CRAMPED_BYTES = 3 * 1024 * 1024
FLAP_S = 1.5
_RELOADS = """
import subprocess, sys
while True:
    subprocess.run([sys.executable, "-c", "import numpy, onnxruntime"])
"""
_CONFIG = """\
config_version = 1
[site]
id = "bench"
gateway = "neighbour"
[[sources]]
name = "plant"
connector = "modbus"
host = "127.0.0.1"
port = {port}
period_s = 0.1
[[sources.tags]]
id = "P-101/DE/vibration_rms"
table = "input"
address = 4
factor = 0.001
[[assets]]
id = "P-101"
[uplink]
host = "127.0.0.1"
port = {broker}
"""


@contextmanager
def program(*words: str, **given: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program; end it."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **given}
    process = subprocess.Popen(words, **silent)  # type: ignore[call-overload] # streams by name
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
    with contextlib.ExitStack() as opened:
        for _ in range(cores):
            opened.enter_context(program(sys.executable, "-c", "while True: pass"))
        yield


@contextmanager
def full_disk(folder: Path) -> Iterator[str]:
    """Let a folder be a full disk of a few MB; yield what it is, in words."""
    mount = [
        "mount",
        "-t",
        "tmpfs",
        "-o",
        f"size={CRAMPED_BYTES}",
        "bench",
        str(folder),
    ]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)
    if done.returncode:
        yield f"disk not full: {done.stderr.strip() or 'no mount'}"
        return
    try:
        yield "disk full"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path) -> None:
    """Write until the disk takes no more."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", 0) as filler:
        while True:
            filler.write(bytes(64 * 1024))


@contextmanager
def neighbours(folder: Path, run_dir: Path) -> Iterator[list[str]]:
    """Run hub, inference, sync and dashboard, and a broker that comes and goes.

    Yields what runs, in words; what this machine has not is left out, and said.
    """
    with contextlib.ExitStack() as opened:
        words = ["hub, inference, sync"]
        plant = opened.enter_context(
            program(
                *(sys.executable, "-m", "sim_plant", "healthy", "--disarmed"),
                stdout=subprocess.PIPE,
            )
        )
        assert plant.stdout is not None
        ready = json.loads(plant.stdout.readline())
        broker = _free_port()
        config = folder / "neighbours.toml"
        config.write_text(_CONFIG.format(port=ready["modbus_port"], broker=broker))
        places = ("--state-dir", str(folder), "--run-dir", str(run_dir))
        for name in ("hub", "inference", "sync"):
            line = (sys.executable, "-m", "appliance", name, "-c", str(config), *places)
            opened.enter_context(program(*line))
        opened.enter_context(program(sys.executable, "-c", _RELOADS))
        words.append("the model's runtime loaded over and over")
        words.append(opened.enter_context(_flapping(broker)))
        words.append(opened.enter_context(_dashboard(run_dir)))
        yield words


@contextmanager
def _flapping(port: int) -> Iterator[str]:
    """Start a broker and end it, over and over."""
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(binary).exists():
        yield "no broker (mosquitto is not installed)"
        return
    over = threading.Event()

    def flap() -> None:
        while not over.is_set():
            with program(binary, "-p", str(port)):
                over.wait(FLAP_S)
            over.wait(FLAP_S)

    thread = threading.Thread(target=flap, name="bench.broker")
    thread.start()
    try:
        yield "broker flapping"
    finally:
        over.set()
        thread.join()


@contextmanager
def _dashboard(run_dir: Path) -> Iterator[str]:
    """Open the dashboard on a terminal that is read."""
    ours, theirs = pty.openpty()
    line = (sys.executable, "-m", "appliance", "dashboard", "--run-dir", str(run_dir))

    def look() -> None:
        with contextlib.suppress(OSError):
            while os.read(ours, 65_536):
                pass

    thread = threading.Thread(target=look, name="bench.terminal")
    try:
        with program(*line, stdin=theirs, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            thread.start()
            yield "dashboard open"
            process.kill()
    finally:
        thread.join(10)
        os.close(ours)


def _free_port() -> int:
    import socket  # noqa: PLC0415 - for this alone

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
