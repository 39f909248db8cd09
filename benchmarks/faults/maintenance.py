"""What may happen while the PLC has the machine."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.link.client import LinkRefusedError
from benchmarks.faults.case import (
    AT_ONCE_S,
    NOTHING,
    PERMIT,
    WATCHDOG_S,
    Case,
    Outcome,
    lasts,
    next_life,
    stopped,
    text_for,
)
from benchmarks.faults.plan import (
    SUCTION,
)
from benchmarks.faults.rig import safety

if TYPE_CHECKING:
    from benchmarks.faults.rig import Rig


async def handed_over(rig: Rig, *, length_s: float = 30.0) -> None:
    """Hand the machine to the PLC, and kill the process."""
    answer = await rig.ask("maintenance.begin", reason="upgrade", length_s=length_s)
    assert answer["committed"]
    assert rig.plant.state.plc.maintenance_granted
    assert rig.process is not None
    rig.process.kill()
    await rig.process.wait()
    rig.mark()


async def maintained(rig: Rig) -> Outcome:
    """Play an upgrade: killed by consent of the PLC, and back."""
    await handed_over(rig)
    await asyncio.sleep(2 * WATCHDOG_S)
    assert rig.stopped_s is None
    async with safety(rig, text_for(rig)):
        await rig.status(lambda s: not s["tripped"] and s["maintenance"] is None, 20.0)
        await rig.until(lambda: not rig.plant.memory.maintenance_request)
        await lasts(rig, 2 * WATCHDOG_S)
        assert not rig.plant.state.plc.maintenance_granted
        rig.mark()
        rig.plant.inject(SUCTION, 0.3)
        found = await stopped(rig, "suction lost")
    return replace(found, action=f"{NOTHING}, taken over; the next demand: {PERMIT}")


async def consent_withdrawn(rig: Rig) -> Outcome:
    """Play a PLC that takes the machine's hand-over back while we are away."""
    await handed_over(rig)
    await asyncio.sleep(2 * WATCHDOG_S)
    rig.mark()
    rig.plant.memory.maintenance_inhibit = True
    await rig.until(lambda: rig.stopped_s is not None)
    found = await next_life(rig, "power-up")
    return replace(found, action="the PLC's watchdog stops; the next life is tripped")


async def consent_runs_out(rig: Rig) -> Outcome:
    """Play a gateway that comes back too late."""
    await handed_over(rig, length_s=2.0)
    await asyncio.sleep(2.5)
    assert rig.stopped_s is None
    rig.mark()
    found = await next_life(rig, "power-up")
    await rig.until(lambda: rig.stopped_s is not None)
    return replace(found, action="the next life is tripped and stops", took_s=None)


async def demand_on_return(rig: Rig) -> Outcome:
    """Play a hazard that came while we were away."""
    await handed_over(rig)
    rig.plant.inject(SUCTION, 0.3)
    async with safety(rig, text_for(rig)):
        found = await stopped(rig, "power-up", "not taken over: tripped, stopped")
        (refused,) = await rig.events("take_over_refused")
        assert SUCTION in refused["message"]
    return replace(found, took_s=None)


async def consent_refused(rig: Rig) -> Outcome:
    """Play a PLC that does not consent: nothing is handed over, all goes on."""
    rig.plant.memory.maintenance_inhibit = True
    refusal = ""
    try:
        await rig.ask("maintenance.begin", reason="upgrade")
    except LinkRefusedError as error:
        refusal = str(error)
    assert "does not consent" in refusal
    await lasts(rig, 0.5)
    return Outcome(f"refused; {NOTHING}", "none")


CASES = (
    Case("maintenance: killed and back", maintained, AT_ONCE_S),
    Case("maintenance: PLC refuses", consent_refused, None),
    Case("maintenance: PLC withdraws", consent_withdrawn, AT_ONCE_S),
    Case("maintenance: time is over", consent_runs_out, None),
    Case("maintenance: demand while away", demand_on_return, None),
)
