"""What may be wrong with what is read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pymodbus.constants import ExcCodes

from benchmarks.faults.case import (
    AT_ONCE_S,
    BAD_AFTER_S,
    NOTHING,
    Case,
    Outcome,
    lasts,
    stopped,
)
from benchmarks.faults.plan import (
    BEARING,
    MOTOR,
    SUCTION,
    WINDING,
    Row,
    hours_tag,
    row_of,
)
from sim_plant.network import LinkMode
from sim_plant.toxics import Blackhole, HalfOpen, Latency, ResetPeer

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.faults.rig import Rig

FIRST_BAD = "vibration extreme"
"""When every channel goes bad at once: the first row of the matrix without on-delay."""


def presents(tag: str, value: float | None, row: str) -> Callable[[Rig], Any]:
    """Play a transmitter that presents a value."""

    async def play(rig: Rig) -> Outcome:
        rig.plant.inject(tag, value)
        return await stopped(rig, row)

    return play


async def not_a_number(rig: Rig) -> Outcome:
    """Play a float register that is not a number."""
    rig.plant.state = replace(rig.plant.state, hours_run=float("nan"))
    return await stopped(rig, "hours")


async def freezes(rig: Rig) -> Outcome:
    """Play a transmitter that stands still."""
    rig.plant.inject(SUCTION, 1.5)
    return await stopped(rig, "suction stands still")


def link_fails(mode: LinkMode) -> Callable[[Rig], Any]:
    """Play the loss of the connection by which transmitters are read."""

    async def play(rig: Rig) -> Outcome:
        await rig.reads.fail(mode)
        return await stopped(rig, FIRST_BAD)

    return play


def line_does(toxic: Any) -> Callable[[Rig], Any]:  # noqa: ANN401 - any toxic
    """Play bytes that are late or swallowed on that connection."""

    async def play(rig: Rig) -> Outcome:
        rig.reads.add(toxic)
        return await stopped(rig, FIRST_BAD)

    return play


async def half_open(rig: Rig) -> Outcome:
    """Play a dead call on a way that is well: it is made anew within the budget."""
    calls = rig.reads.calls_answered
    rig.reads.add(HalfOpen())
    await rig.until(lambda: rig.reads.calls_answered > calls)
    await lasts(rig, 2 * BAD_AFTER_S)
    return Outcome(f"read on a new connection, {NOTHING}", "none")


async def modbus_exception(rig: Rig) -> Outcome:
    """Play a device that answers every read of registers with an exception."""
    rig.modbus.failure = ExcCodes.DEVICE_FAILURE
    return await stopped(rig, FIRST_BAD)


HOURS_ROW = Row(
    {**row_of("suction lost").keys, "id": "hours", "channels": ("P-101/hours_run",)},
    {},
    (MOTOR,),
)
FROZEN_ROW = Row(
    {
        **row_of("suction lost").keys,
        "id": "suction stands still",
        "setpoint": 0.05,
        "frozen_after_s": 1.5,
    },
    {},
    (MOTOR,),
)
_KEEPS = (row_of("level lost"),)

CASES = (
    Case("demand", presents(SUCTION, 0.3, "suction lost"), AT_ONCE_S),
    Case("demand, OPC UA", presents(SUCTION, 0.3, "suction lost"), AT_ONCE_S, "opcua"),
    Case("rate of rise", presents(BEARING, 60.0, "bearing heats up"), AT_ONCE_S),
    Case("broken wire (bad status)", presents(WINDING, None, "winding hot"), AT_ONCE_S),
    Case(
        "OPC UA BadSensorFailure",
        presents(WINDING, None, "winding hot"),
        AT_ONCE_S,
        "opcua",
    ),
    Case("out of range", presents(WINDING, -15.0, "winding hot"), AT_ONCE_S),
    Case(
        "not a number",
        not_a_number,
        AT_ONCE_S,
        keys={"rows": (HOURS_ROW, *_KEEPS), "more_tags": hours_tag()},
    ),
    Case(
        "frozen for 1.5 s",
        freezes,
        1.5 + AT_ONCE_S,
        keys={"rows": (FROZEN_ROW, *_KEEPS), "released": (SUCTION,)},
    ),
    Case("answers 3 s late", line_does(Latency(3.0)), BAD_AFTER_S + AT_ONCE_S),
    Case("connection refused", link_fails(LinkMode.REFUSE), BAD_AFTER_S + AT_ONCE_S),
    Case(
        "connection refused, OPC UA",
        link_fails(LinkMode.REFUSE),
        BAD_AFTER_S + AT_ONCE_S,
        "opcua",
    ),
    Case("packets held", link_fails(LinkMode.HANG), BAD_AFTER_S + AT_ONCE_S),
    Case("black hole", line_does(Blackhole()), BAD_AFTER_S + AT_ONCE_S),
    Case(
        "black hole, OPC UA", line_does(Blackhole()), BAD_AFTER_S + AT_ONCE_S, "opcua"
    ),
    Case("every call reset", line_does(ResetPeer()), BAD_AFTER_S + AT_ONCE_S),
    Case("half-open connection", half_open, None),
    Case("Modbus exception", modbus_exception, BAD_AFTER_S + AT_ONCE_S),
)
