"""Every time-out and every fault, what is done about it, and what is named for it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pymodbus.constants import ExcCodes

from appliance.link.client import LinkRefusedError
from benchmarks.faults.plan import (
    BEARING,
    MOTOR,
    SPEED,
    SUCTION,
    WINDING,
    Row,
    configuration,
    hours_tag,
    row_of,
)
from benchmarks.faults.rig import plant_rig, safety
from sim_plant.network import LinkMode
from sim_plant.toxics import Blackhole, HalfOpen, Latency, ResetPeer

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
TEN_YEARS_S = 315_576_000
FIRST_BAD = "vibration extreme"
"""When every channel goes bad at once: the first row of the matrix without on-delay."""
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


async def next_life(rig: Rig, first_out: str) -> Outcome:
    """Begin again; nothing may run."""
    async with safety(rig, text_for(rig)):
        status = await rig.status(lambda s: s["scan"]["scans"] > 3)
        named = status["elements"][0]["first_out"]
        assert named == first_out, status
        assert not rig.running
        assert not rig.plant.memory.run_permit_request
    return Outcome(f"{WATCHDOG}; the next life is tripped", named, rig.stopped_s)


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
    Case("model demands", model_demands, AT_ONCE_S),
    Case("model falls silent", model_falls_silent, None),
    Case("bypass runs out under demand", bypass_ends, AT_ONCE_S),
    Case("wall clock 10 years forward", clock_jumps(TEN_YEARS_S), AT_ONCE_S),
    Case("wall clock 10 years back", clock_jumps(-TEN_YEARS_S), AT_ONCE_S),
    Case("stop at the PLC's panel", panel_stops, AT_ONCE_S),
    Case("operator's stop", operator_stops, AT_ONCE_S),
    Case("mode becomes observe", disarmed, WATCHDOG_S + AT_ONCE_S),
    Case("maintenance: killed and back", maintained, AT_ONCE_S),
    Case("maintenance: PLC refuses", consent_refused, None),
    Case("maintenance: PLC withdraws", consent_withdrawn, AT_ONCE_S),
    Case("maintenance: time is over", consent_runs_out, None),
    Case("maintenance: demand while away", demand_on_return, None),
)
