"""A case: one fault, played from a machine that runs, and what came of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.faults.plan import (
    configuration,
)
from benchmarks.faults.rig import plant_rig, safety

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from benchmarks.faults.rig import Rig

AT_ONCE_S = 0.6
"""A scan of 50 ms, a write, a PLC scan of 20 ms; the rest is a busy machine's."""
BAD_AFTER_S = 0.8
"""`max_age_s` and `comms_loss_delay_s` of every row: before the watchdog's time."""
WATCHDOG_S = 1.5
CONFIRM_S = 2.0
PERMIT = "run permit de-energised, latched"
WATCHDOG = "heartbeat ends, the PLC's watchdog stops"
NOTHING = "no stop"


@dataclass(frozen=True)
class Outcome:
    """What was done, what was named for it, and after how long."""

    action: str
    first_out: str
    took_s: float | None = None


@dataclass(frozen=True)
class Case:
    """One fault; `keys` change the configuration."""

    name: str
    play: Callable[[Rig], Awaitable[Outcome]]
    budget_s: float | None
    face: str = "modbus"
    keys: dict[str, Any] = field(default_factory=dict)
    deaf: bool = False
    """Whether nobody reads what safety logs."""


async def played(case: Case, folder: Path) -> Outcome:
    """Play a case from a machine that runs.

    Raises:
        AssertionError: What should be done was not.
        TimeoutError: It was not done for a long time.
    """
    with log_pipe(deaf=case.deaf) as stderr:
        async with running(folder, case.face, stderr=stderr, **case.keys) as rig:
            return await case.play(rig)


@contextmanager
def log_pipe(*, deaf: bool) -> Iterator[int]:
    """Give where logs go: nowhere, or into a pipe that nobody empties."""
    if not deaf:
        yield subprocess.DEVNULL
        return
    unread, end = os.pipe()
    try:
        yield end
    finally:
        os.close(unread)
        os.close(end)


@asynccontextmanager
async def running(
    folder: Path,
    face: str,
    *,
    stderr: int = subprocess.DEVNULL,
    **keys: Any,  # noqa: ANN401
) -> AsyncIterator[Rig]:
    """Give a plant whose machine runs, judged by a safety process."""
    async with plant_rig(folder, face) as rig:
        released = keys.pop("released", ())
        for tag in released:
            rig.plant.release(tag)
        async with safety(rig, text_for(rig, **keys), stderr=stderr):
            await rig.make_ready()
            rig.mark()
            yield rig


def text_for(rig: Rig, **keys: Any) -> str:  # noqa: ANN401 - of `configuration`
    """Return the configuration of the test plant for a rig."""
    return configuration(
        rig.face, read_port=rig.reads.port, write_port=rig.writes.port, **keys
    )


async def stopped(rig: Rig, first_out: str, action: str = PERMIT) -> Outcome:
    """Wait for the stop; say what was named for it."""
    await rig.until(lambda: rig.stopped_s is not None, 15.0)
    status = await rig.status(lambda s: s["elements"][0]["tripped"])
    if action == PERMIT:
        await rig.until(lambda: rig.coil_fell_s is not None)
        assert "watchdog_tripped" not in rig.kinds_since_mark, rig.seen_since_mark
    named = status["elements"][0]["first_out"]
    assert named == first_out, status
    assert rig.stopped_s is not None
    return Outcome(action, named, rig.stopped_s)


async def lasts(rig: Rig, for_s: float) -> None:
    """Watch the machine run on for a while.

    Raises:
        AssertionError: It did not.
    """
    await asyncio.sleep(for_s)
    assert rig.stopped_s is None
    status = await rig.ask("status")
    assert not status["tripped"], status


async def next_life(rig: Rig, first_out: str) -> Outcome:
    """Begin again; nothing may run."""
    async with safety(rig, text_for(rig)):
        status = await rig.status(lambda s: s["scan"]["scans"] > 3)
        named = status["elements"][0]["first_out"]
        assert named == first_out, status
        assert not rig.running
        assert not rig.plant.memory.run_permit_request
    return Outcome(f"{WATCHDOG}; the next life is tripped", named, rig.stopped_s)
