"""`python -m fleet broker`: a broker on loopback, for the demo and for tests.

mosquitto where it is installed; otherwise amqtt, in this process, MQTT 3.1.1 only.
Everybody on this machine may use it: not for production.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

HOST = "127.0.0.1"
UP_TRIES = 200
STOP_WITHIN_S = 5.0
_LOOK_S = 0.05
_PR_SET_PDEATHSIG = 1
_PLACES = ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto")
_libc = ctypes.CDLL(None)


class BrokerError(Exception):
    """No broker could be started."""


def find_mosquitto() -> str | None:
    """Return the program's path, or None."""
    found = shutil.which("mosquitto")
    if found is not None:
        return found
    return next((place for place in _PLACES if os.access(place, os.X_OK)), None)


def mosquitto_conf(port: int, *, keep_in: Path | None, user: str) -> str:
    """Return the configuration; sessions outlive a restart only with `keep_in`."""
    lines = [
        f"listener {port} {HOST}",
        "allow_anonymous true",
        f"user {user}",
        "max_inflight_messages 0",
        "max_queued_messages 100000",
        "set_tcp_nodelay true",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        f"persistence {'false' if keep_in is None else 'true'}",
    ]
    if keep_in is not None:
        lines += [f"persistence_location {keep_in}/", "autosave_interval 5"]
    return "\n".join(lines) + "\n"


def run_broker(port: int, *, kind: str | None, keep_in: Path | None) -> None:
    """Run a broker until SIGTERM or SIGINT; say on standard output when it is up.

    `port` 0 takes a free one. `kind` is `mosquitto`, `amqtt`, or None: what is there.

    Raises:
        BrokerError: It could not be started, or it ended by itself.
    """
    program = None if kind == "amqtt" else find_mosquitto()
    if kind == "mosquitto" and program is None:
        raise BrokerError("mosquitto is not installed: apt-get install mosquitto")
    port = port or _free_port()
    if program is None:
        asyncio.run(_run_amqtt(port))
        return
    if keep_in is not None:
        keep_in = keep_in.resolve()
        keep_in.mkdir(parents=True, exist_ok=True)
    user = pwd.getpwuid(os.getuid()).pw_name
    conf = mosquitto_conf(port, keep_in=keep_in, user=user)
    _run_mosquitto(program, port, conf)


def _run_mosquitto(program: str, port: int, conf: str) -> None:
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    process = _start(program, port, conf)
    try:
        _say_up("mosquitto", port)
        while not stopped.wait(_LOOK_S):
            if process.poll() is not None:
                raise BrokerError(f"mosquitto ended with {process.returncode}")
    finally:
        _end(process)


def _start(program: str, port: int, conf: str) -> subprocess.Popen[bytes]:
    """Return mosquitto when it listens; by then it needs its file no more."""
    with tempfile.TemporaryDirectory(prefix="wheeltapper-broker-") as folder:
        path = Path(folder, "mosquitto.conf")
        path.write_text(conf)
        process = subprocess.Popen(  # noqa: S603 - found by its name, our own words
            (program, "-c", str(path)),
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread is running yet
        )
        try:
            _wait_up(port, process)
        except BaseException:
            _end(process)
            raise
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_up(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(UP_TRIES):
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise BrokerError(f"mosquitto ended with {process.wait(_LOOK_S)}")
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, port), timeout=1.0).close()
            return
    raise BrokerError(f"mosquitto does not listen on port {port}")


async def _run_amqtt(port: int) -> None:
    try:
        from amqtt.broker import Broker  # noqa: PLC0415 - only where it is needed
    except ImportError as error:
        problem = "neither mosquitto nor amqtt is installed; apt-get install mosquitto"
        raise BrokerError(problem) from error
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {
                    "allow_anonymous": True
                }
            },
        }
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await broker.start()
    try:
        _say_up("amqtt", port)
        await stop.wait()
    finally:
        await broker.shutdown()


def _say_up(name: str, port: int) -> None:
    sys.stdout.write(json.dumps({"ready": True, "broker": name, "port": port}) + "\n")
    sys.stdout.flush()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    """In the child before exec: end with us, however we end."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
