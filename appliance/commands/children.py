"""Child processes kept running: restarted when they die, ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import random
import signal
import sys
from typing import TYPE_CHECKING, Any

from appliance.runtime.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from appliance.domain.ports import Clock

log = logging.getLogger(__name__)

STOP_WITHIN_S = 15.0
READY_WITHIN_S = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ChildFailedError(Exception):
    """A child did not come up."""


def python(*words: str) -> tuple[str, ...]:
    """Return the command line of a Python module or script in our interpreter."""
    return (sys.executable, *words)


class Child:
    """One program, run again whenever it ends, until `run` is cancelled.

    Its output goes to `<log_dir>/<name>.log`. Where `ready` is set, the first line
    that it prints is JSON and says how to reach it.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log_dir: Path,
        clock: Clock,
        ready: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.starts = 0
        self.said: dict[str, Any] = {}
        self._command = command
        self._log_path = log_dir / f"{name}.log"
        self._clock = clock
        self._ready = ready
        self._environment = environment
        self._up = asyncio.Event()
        self._allowed = asyncio.Event()
        self._allowed.set()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Process id while it runs, otherwise 0."""
        return 0 if self._process is None else self._process.pid

    async def run(self) -> None:
        """Keep it running; on cancellation end it: SIGTERM, then SIGKILL."""
        backoff = Backoff(0.5, 10.0, jitter=0.2, spread=random.random)
        while True:
            began_s = self._clock.now_s()
            code = await self._once()
            log.warning("%s ended with %s; starting it again", self.name, code)
            await self._allowed.wait()
            if self._clock.now_s() - began_s > READY_WITHIN_S:
                backoff.reset()
            await self._clock.sleep(backoff.next_s())

    async def wait_up(self) -> Mapping[str, Any]:
        """Wait until it runs (and has said how to reach it); return what it said.

        Raises:
            ChildFailedError: Not within a minute.
        """
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                await self._up.wait()
        except TimeoutError as error:
            problem = f"{self.name} did not come up; see {self._log_path}"
            raise ChildFailedError(problem) from error
        return self.said

    async def keep_down(self, length_s: float) -> None:
        """Kill it, and let it start again only after `length_s`."""
        self._allowed.clear()
        try:
            self.signal(signal.SIGKILL)
            await self._clock.sleep(length_s)
        finally:
            self._allowed.set()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the running program, if there is one."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def _once(self) -> int:
        with self._log_path.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self._ready else output,
                stderr=output,
                env=self._environment,
                preexec_fn=_die_with_parent,
            )
        self._process = process
        self.starts += 1
        try:
            if process.stdout is None:
                self._up.set()
            else:
                await self._hear(process.stdout)
            return await process.wait()
        finally:
            self._up.clear()
            await _end(process)
            self._process = None

    async def _hear(self, stdout: asyncio.StreamReader) -> None:
        """Take the first line as the child's word; drain the rest."""
        with contextlib.suppress(json.JSONDecodeError):
            self.said = json.loads(await stdout.readline())
            self._up.set()
        while await stdout.read(4096):
            pass


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _die_with_parent() -> None:
    """In the child before exec: end when the parent does, however that dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
