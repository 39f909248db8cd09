"""What models and people ask for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.faults.case import (
    AT_ONCE_S,
    BAD_AFTER_S,
    NOTHING,
    WATCHDOG,
    WATCHDOG_S,
    Case,
    Outcome,
    lasts,
    stopped,
)
from benchmarks.faults.plan import (
    SUCTION,
)

if TYPE_CHECKING:
    from benchmarks.faults.rig import Rig


async def model_demands(rig: Rig) -> Outcome:
    """Play a model that demands through its row."""
    await _say(rig, 0.95)
    return await stopped(rig, "anomaly")


async def model_falls_silent(rig: Rig) -> Outcome:
    """Play a model that was well, and is heard of no more."""
    await _say(rig, 0.1)
    await rig.status(lambda s: s["initiators"][-1]["state"] == "clear")
    await rig.status(lambda s: s["initiators"][-1]["state"] == "bad")
    told = await rig.events("channel_bad")
    assert [each["priority"] for each in told[-1:]] == ["high"]
    await lasts(rig, 0.5)
    return Outcome(f"alarm; {NOTHING}: a model is an extra", "none")


async def _say(rig: Rig, value: float) -> None:
    now_ns = rig.clock.utc_ns(rig.clock.now_s())
    words = {"row": "anomaly", "source_time_ns": now_ns, "value": value}
    assert (await rig.ask("demand", caller="hub", **words))["accepted"]


async def bypass_ends(rig: Rig) -> Outcome:
    """Play a bypass that is over while its demand stands."""
    length_s = 1.5
    words = {"initiator": "suction lost", "reason": "calibration"}
    await rig.ask("bypass", **words, length_s=length_s)
    rig.mark()
    rig.plant.inject(SUCTION, 0.3)
    await asyncio.sleep(length_s / 2)
    assert rig.running
    found = await stopped(rig, "suction lost")
    assert found.took_s is not None
    return replace(found, took_s=max(0.0, found.took_s - length_s))


async def panel_stops(rig: Rig) -> Outcome:
    """Play a stop at the PLC's own panel: nothing of ours starts the machine again."""
    rig.plant.memory.stop = True
    await rig.until(lambda: rig.stopped_s is not None)
    await asyncio.sleep(BAD_AFTER_S)
    assert not rig.running
    assert not (await rig.ask("status"))["tripped"]
    return Outcome("the PLC stops; we start nothing", "none", rig.stopped_s)


async def operator_stops(rig: Rig) -> Outcome:
    """Play a person who wants it to stop."""
    await rig.ask("stop", reason="a noise")
    return await stopped(rig, "operator's stop")


async def disarmed(rig: Rig) -> Outcome:
    """Play a change to observe: nothing is written any more."""
    await rig.ask("mode", mode="observe")
    await rig.until(lambda: rig.stopped_s is not None)
    return Outcome(WATCHDOG, "none", rig.stopped_s)


CASES = (
    Case("model demands", model_demands, AT_ONCE_S),
    Case("model falls silent", model_falls_silent, None),
    Case("bypass runs out under demand", bypass_ends, AT_ONCE_S),
    Case("stop at the PLC's panel", panel_stops, AT_ONCE_S),
    Case("operator's stop", operator_stops, AT_ONCE_S),
    Case("mode becomes observe", disarmed, WATCHDOG_S + AT_ONCE_S),
)
