"""The demonstration before an audience: it plays behind, the dashboard in front."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from appliance.commands.children import python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_IN, _OUT, _ERR = 0, 1, 2
_LEAVE_WITHIN_S = 5.0


class Terminal(NamedTuple):
    """File descriptors of the terminal, while our own lines go elsewhere."""

    out: int
    err: int


def has_audience(*, headless: bool) -> bool:
    """Say whether somebody sits before a terminal that the dashboard can have."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return (
        not headless
        and all(stream.isatty() for stream in streams)
        and find_spec("textual") is not None
    )


async def watch(run_dir: Path, log_path: Path) -> int:
    """Show the dashboard on the terminal until it is left; return its exit code.

    Meanwhile everything that this process prints goes to `log_path`.
    """
    with lines_to(log_path) as terminal, _terminal_as_it_was():
        process = await asyncio.create_subprocess_exec(
            *python("-m", "appliance", "dashboard", "--run-dir", str(run_dir)),
            stdout=terminal.out,
            stderr=terminal.err,
        )
        try:
            return await process.wait()
        finally:
            await _end(process)


@contextmanager
def lines_to(log_path: Path) -> Iterator[Terminal]:
    """Send standard output and error of this process to a file for a while."""
    sys.stdout.flush()
    sys.stderr.flush()
    terminal = Terminal(os.dup(_OUT), os.dup(_ERR))
    try:
        with log_path.open("ab") as log:
            os.dup2(log.fileno(), _OUT)
            os.dup2(log.fileno(), _ERR)
        yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for kept, number in zip(terminal, (_OUT, _ERR), strict=True):
            os.dup2(kept, number)
            os.close(kept)


@contextmanager
def _terminal_as_it_was() -> Iterator[None]:
    """Give back a terminal that echoes, even if the dashboard was killed."""
    try:
        before = termios.tcgetattr(_IN)
    except termios.error:
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(_IN, termios.TCSADRAIN, before)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_LEAVE_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
