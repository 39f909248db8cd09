"""What may be wrong with what is written, and with what it moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.faults.case import (
    AT_ONCE_S,
    CONFIRM_S,
    PERMIT,
    WATCHDOG,
    WATCHDOG_S,
    Case,
    Outcome,
    stopped,
)
from benchmarks.faults.plan import (
    SPEED,
    SUCTION,
)
from sim_plant.network import LinkMode
from sim_plant.toxics import Blackhole

if TYPE_CHECKING:
    from benchmarks.faults.rig import Rig


async def read_back_differs(rig: Rig) -> Outcome:
    """Play an output card that does not follow."""
    rig.plant.memory.stuck.add("run_permit_request")
    rig.plant.inject(SUCTION, 0.3)
    found = await stopped(rig, "suction lost", WATCHDOG)
    assert rig.plant.memory.run_permit_request
    await rig.status(lambda s: s["elements"][0]["stop"] == "failed")
    await rig.status(lambda s: not s["journal"]["waiting"])
    failed = await rig.events("stop_failed")
    assert {each["priority"] for each in failed} == {"critical"}
    return replace(found, action=f"retried, stop failed: top alarm; {WATCHDOG}")


async def output_lost(rig: Rig) -> Outcome:
    """Play the loss of the connection by which outputs are written."""
    await rig.writes.fail(LinkMode.REFUSE)
    await rig.until(lambda: rig.stopped_s is not None)
    status = await rig.status(lambda s: s["elements"][0]["tripped"])
    named = status["elements"][0]["first_out"]
    assert named == "output lost", status
    assert rig.stopped_s is not None
    return Outcome(f"{WATCHDOG}; latched", named, rig.stopped_s)


async def demand_on_a_lost_output(rig: Rig) -> Outcome:
    """Play a demand while what is written is swallowed."""
    rig.writes.add(Blackhole())
    rig.plant.inject(SUCTION, 0.3)
    return await stopped(rig, "suction lost", WATCHDOG)


async def feedback_missing(rig: Rig) -> Outcome:
    """Play a machine that turns on after its permit is gone."""
    rig.plant.inject(SPEED, 1480.0)
    rig.plant.inject(SUCTION, 0.3)
    await rig.until(lambda: rig.coil_fell_s is not None)
    status = await rig.status(lambda s: s["elements"][0]["stop"] == "failed")
    assert not status["elements"][0]["heartbeat"]
    await rig.status(lambda s: not s["journal"]["waiting"])
    (failed,) = await rig.events("stop_failed")
    assert failed["priority"] == "critical"
    named = status["elements"][0]["first_out"]
    action = f"{PERMIT}; stop not confirmed: top alarm, heartbeat withheld"
    return Outcome(action, named, rig.coil_fell_s)


CASES = (
    Case(
        "read-back differs",
        read_back_differs,
        CONFIRM_S + WATCHDOG_S + AT_ONCE_S,
    ),
    Case("output lost", output_lost, WATCHDOG_S + AT_ONCE_S),
    Case("demand while output lost", demand_on_a_lost_output, WATCHDOG_S + AT_ONCE_S),
    Case(
        "feedback missing",
        feedback_missing,
        AT_ONCE_S,
        keys={"motor": {"feedback": SPEED}},
    ),
)
