"""Our own process, killed while it reads."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import load_connector
from benchmarks.recovery_rigs.opcua import until
from benchmarks.recovery_rigs.watch import Watch

if TYPE_CHECKING:
    from appliance.domain.tag import TagId
    from benchmarks.recovery_rigs.opcua import OpcuaRig

_LINES = 20
_COUNTS_AWAY = 10  # it takes a second until a process is there again
_SOON_S = 30.0


async def victim(settings: str) -> None:
    """Read until killed; print the newest source time of each tag, batch by batch."""
    card = load_connector("opcua")
    source = card.source(
        card.settings.model_validate(json.loads(settings)), SystemClock()
    )
    watch = Watch(source)
    async with watch.reading():
        told = 0
        while True:
            await watch.until(lambda: watch.batches > told, within_s=_SOON_S)  # noqa: B023 - waited for within the turn
            told = watch.batches
            newest = {tag: watch.newest_us[n] for tag, n in watch.numbers.items()}
            print(json.dumps(newest), flush=True)


async def live_and_die(rig: OpcuaRig, watch: Watch) -> dict[TagId, int]:
    """Let a process of ours read, kill it; return what it had, by source time in ns.

    The watch takes what the dead one had for received.
    """
    words = ["-m", "benchmarks.recovery", "--victim", json.dumps(rig.settings())]
    child = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    newest: dict[str, int] = {}
    try:
        async with asyncio.timeout(_SOON_S):
            for _ in range(_LINES):
                newest = json.loads(await child.stdout.readline())
    finally:
        child.kill()
        await child.communicate()
    restarted = rig.record.counted + _COUNTS_AWAY
    await until(lambda: rig.record.counted >= restarted, within_s=_SOON_S)
    truth = {name: dict(shown) for name, shown in rig.record.truth.items()}
    for tag, number in watch.numbers.items():
        watch.received[number][newest[tag]] = truth[tag][newest[tag]]
        watch.newest_us[number] = newest[tag]
    return {tag: newest[tag] * 1000 for tag in watch.numbers}
