"""What may become of the process itself, of its disk, its clock and its neighbours."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.faults.case import (
    AT_ONCE_S,
    BAD_AFTER_S,
    NOTHING,
    PERMIT,
    WATCHDOG,
    WATCHDOG_S,
    Case,
    Outcome,
    lasts,
    next_life,
    stopped,
)
from benchmarks.faults.plan import (
    SUCTION,
    row_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.faults.rig import Rig

TEN_YEARS_S = 315_576_000


async def suspended(rig: Rig) -> Outcome:
    """Play a safety process that does not run for a while."""
    assert rig.process is not None
    rig.process.send_signal(signal.SIGSTOP)
    await rig.until(lambda: rig.stopped_s is not None)
    await asyncio.sleep(BAD_AFTER_S)
    rig.process.send_signal(signal.SIGCONT)
    found = await stopped(rig, "scan overrun", WATCHDOG)
    return replace(found, action=f"{WATCHDOG}; latched once it runs again")


async def killed(rig: Rig) -> Outcome:
    """Play kill -9, and the next life."""
    assert rig.process is not None
    rig.process.kill()
    await rig.process.wait()
    await rig.until(lambda: rig.stopped_s is not None)
    return await next_life(rig, "power-up")


async def killed_after_a_trip(rig: Rig) -> Outcome:
    """Play kill -9 of a life that has tripped: the next knows by what."""
    assert rig.process is not None
    rig.plant.inject(SUCTION, 0.3)
    await stopped(rig, "suction lost")
    await rig.status(lambda s: s["journal"]["waiting"] == 0)
    rig.process.kill()
    await rig.process.wait()
    found = await next_life(rig, "suction lost")
    return replace(found, action="the latch and its first-out outlive the process")


def dies_of(flag: str) -> Callable[[Rig], Any]:
    """Play a scan that raises or never ends."""

    async def play(rig: Rig) -> Outcome:
        rig.flag(flag)
        await rig.until(lambda: rig.stopped_s is not None)
        assert rig.process is not None
        if flag == "hang":
            rig.process.kill()
        assert await rig.process.wait()
        rig.unflag(flag)
        return await next_life(rig, "power-up")

    return play


async def disk_full(rig: Rig) -> Outcome:
    """Play a demand while the journal's disk is full."""
    rig.flag("disk-full")
    rig.plant.inject(SUCTION, 0.3)
    found = await stopped(rig, "suction lost")
    status = await rig.status(lambda s: s["journal"]["trouble"])
    assert status["journal"]["waiting"]
    rig.unflag("disk-full")
    await rig.status(lambda s: not s["journal"]["waiting"])
    return replace(found, action=f"{PERMIT}; kept in memory until the disk has room")


async def slow_disk(rig: Rig) -> Outcome:
    """Play a demand while the journal's disk hangs."""
    rig.flag("slow-disk")
    rig.plant.inject(SUCTION, 0.3)
    found = await stopped(rig, "suction lost")
    status = await rig.ask("status")
    assert status["journal"]["waiting"], "it was shown before it was durable"
    rig.unflag("slow-disk")
    return replace(found, action=f"{PERMIT}; shown as pending")


async def deaf_terminal(rig: Rig) -> Outcome:
    """Play a demand while nobody reads what is logged, and much is."""
    rig.flag("chatter")
    before = (await rig.ask("status"))["scan"]["scans"]
    await rig.status(lambda s: s["scan"]["scans"] > before + 20)
    rig.mark()
    rig.plant.inject(SUCTION, 0.3)
    found = await stopped(rig, "suction lost")
    return replace(found, action=f"{PERMIT}; log lines are lost, and counted")


_LISTENER = """
import asyncio, pathlib, sys
from appliance.link.client import connect
async def main():
    path = pathlib.Path(sys.argv[1])
    wanted = ("batches", "events")
    async with connect(path, process="hub", subscribe=wanted) as link:
        print("here", flush=True)
        async for _ in link.messages():
            pass
asyncio.run(main())
"""


async def hub_hangs(rig: Rig) -> Outcome:
    """Play a demand while the hub takes nothing from its socket, and then is gone."""
    socket = str(rig.folder / "safety.sock")
    hub = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _LISTENER, socket), stdout=subprocess.PIPE
    )
    try:
        assert hub.stdout is not None
        assert await hub.stdout.readline()
        hub.send_signal(signal.SIGSTOP)
        await lasts(rig, BAD_AFTER_S)
        rig.mark()
        rig.plant.inject(SUCTION, 0.3)
        return await stopped(rig, "suction lost")
    finally:
        hub.kill()
        await hub.communicate()


def clock_jumps(by_s: int) -> Callable[[Rig], Any]:
    """Play a wall clock that is set."""

    async def play(rig: Rig) -> Outcome:
        rig.flag("clock", str(by_s))
        await lasts(rig, 2 * BAD_AFTER_S)
        rig.mark()
        rig.plant.inject(SUCTION, 0.3)
        found = await stopped(rig, "suction lost")
        return replace(found, action=f"{NOTHING}; the next demand: {PERMIT}")

    return play


CASES = (
    Case(
        "process suspended (SIGSTOP)",
        suspended,
        WATCHDOG_S + AT_ONCE_S,
        keys={"rows": (row_of("suction lost"),)},
    ),
    Case("process killed (kill -9)", killed, WATCHDOG_S + AT_ONCE_S),
    Case("killed after a trip", killed_after_a_trip, AT_ONCE_S),
    Case("exception in the scan", dies_of("raise"), WATCHDOG_S + AT_ONCE_S),
    Case("event loop dead", dies_of("hang"), WATCHDOG_S + AT_ONCE_S),
    Case("demand, journal's disk full", disk_full, AT_ONCE_S),
    Case("demand, journal's disk hangs", slow_disk, AT_ONCE_S),
    Case(
        "demand, nobody reads the log",
        deaf_terminal,
        AT_ONCE_S,
        deaf=True,
    ),
    Case("demand, hub hangs", hub_hangs, AT_ONCE_S),
    Case("wall clock 10 years forward", clock_jumps(TEN_YEARS_S), AT_ONCE_S),
    Case("wall clock 10 years back", clock_jumps(-TEN_YEARS_S), AT_ONCE_S),
)
