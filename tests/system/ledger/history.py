"""One history: start everything, do harm by the plan, let it settle, gather."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from appliance.runtime.tasks import companions
from sim_plant.network import LinkMode, Relay
from sim_plant.toxics import Bandwidth, Blackhole, HalfOpen, LimitData, Slicer
from tests.support.ports import free_port
from tests.system.ledger import stage
from tests.system.ledger.faults import Kind, Planned, plan_of
from tests.system.ledger.lake_files import rows_of
from tests.system.ledger.observed import Answer, Observed, Sample
from tests.system.ledger.witness import Witness

if TYPE_CHECKING:
    from pathlib import Path

    from sim_plant.toxics import Toxic

DURING_S = 5.0
QUIET_S = 2.5
LOOKS_S = 0.1
SETTLE_S = 120.0
_NS = 1_000_000_000


@dataclass
class Outcome:
    """What was seen, what was done, and what the product's own checks say."""

    seen: Observed
    plan: list[Planned]
    problems: list[str] = field(default_factory=list)


class History:
    """The stage and the plan of one seed."""

    def __init__(self, seed: int, folder: Path, *, own_disk: bool) -> None:
        self.folder = folder
        without = frozenset() if own_disk else frozenset({Kind.DISK_FULL})
        self.plan = plan_of(seed, during_s=DURING_S, without=without)
        self.seen = Observed()
        self.problems: list[str] = []
        self._seed = seed
        self._steps: dict[int, int] = {}
        self._errors_ns: dict[int, None] = {}

    async def run(self) -> Outcome:
        """Live through it."""
        self._set_clock(0)
        plc, broker_port = stage.plc(self.folder), free_port()
        plc_port = (await plc.start())["port"]
        self._children = {
            "broker": stage.broker(self.folder, broker_port),
            "ingest": stage.ingest(self.folder, broker_port),
            "hub": stage.appliance(self.folder, "hub"),
            "sync": stage.appliance(self.folder, "sync"),
        }
        self.witness = Witness(self.folder / "hub.sock", self.seen)
        try:
            relay = Relay(
                "127.0.0.1", free_port(), server_port=broker_port, seed=self._seed
            )
            async with relay as self._relay, companions() as tasks:
                stage.write_config(
                    self.folder, plc_port=plc_port, broker_port=relay.port
                )
                await asyncio.gather(*(c.start() for c in self._children.values()))
                tasks.start(self.witness.run(), name="ledger.witness")
                await self._until_looked()
                await self._suffer()
                await self._settle(plc)
            await self._end_well()
        finally:
            for child in (plc, *self._children.values()):
                if child.running:
                    await child.end(signal.SIGKILL)
        await self._gather()
        return Outcome(self.seen, self.plan, self.problems)

    async def _suffer(self) -> None:
        async with asyncio.timeout(SETTLE_S):
            await asyncio.gather(*(self._do(fault) for fault in self.plan))

    async def _do(self, fault: Planned) -> None:
        await asyncio.sleep(fault.at_s)
        await self._begin(fault)
        await asyncio.sleep(fault.length_s)
        await self._undo(fault)

    async def _begin(self, fault: Planned) -> None:
        match fault.kind:
            case Kind.KILL_HUB | Kind.KILL_SYNC | Kind.KILL_BROKER | Kind.KILL_INGEST:
                await self._children[_victim(fault)].end(signal.SIGKILL)
            case Kind.CUT:
                await self._relay.fail(LinkMode.DROP)
            case Kind.REFUSE:
                await self._relay.fail(LinkMode.REFUSE)
            case Kind.DISK_FULL:
                await asyncio.to_thread(self._fill_disk)
            case Kind.CLOCK_STEP:
                self._steps[id(fault)] = fault.size
                self._set_clock(sum(self._steps.values()))
            case _:
                for toxic in _toxics(fault):
                    self._relay.add(toxic)

    async def _undo(self, fault: Planned) -> None:
        match fault.kind:
            case Kind.KILL_HUB | Kind.KILL_SYNC | Kind.KILL_BROKER | Kind.KILL_INGEST:
                await self._children[_victim(fault)].start()
            case Kind.DISK_FULL:
                self._ballast.unlink(missing_ok=True)
            case Kind.CLOCK_STEP:
                self._steps.pop(id(fault))
                self._set_clock(sum(self._steps.values()))
            case _:
                await self._relay.restore()

    @property
    def _ballast(self) -> Path:
        return self.folder / "state" / "ballast"

    def _fill_disk(self) -> None:
        """Write until nothing more goes in."""
        with contextlib.suppress(OSError), self._ballast.open("ab", 0) as ballast:
            for size in (65_536, 4096):
                with contextlib.suppress(OSError):
                    for _ in range(stage.DISK_BYTES // size):
                        ballast.write(bytes(size))

    def _set_clock(self, wrong_by_s: int) -> None:
        self._errors_ns[wrong_by_s * _NS] = None
        path = self.folder / "clock"
        fresh = path.with_suffix(".new")
        fresh.write_text(str(wrong_by_s * _NS), encoding="ascii")
        fresh.replace(path)

    async def _settle(self, plc: stage.Child) -> None:
        """Let nothing new be produced, and wait until all there is has arrived.

        Calls that are half open end here, as if the way had been made anew: the uplink
        finds that out by itself only after two minutes.
        """
        await self._relay.fail(LinkMode.DROP)
        await self._relay.restore()
        self._ballast.unlink(missing_ok=True)
        self._set_clock(0)
        for child in self._children.values():
            await child.start()
        await self._until_looked()
        await plc.end(signal.SIGKILL)
        self._mark_answers()
        await asyncio.sleep(QUIET_S)
        await self._until_looked()
        self.witness.giving = False
        await self._until_looked()
        goal = self.witness.accounts["outbox_enqueued"]
        async with asyncio.timeout(SETTLE_S):
            while self._gone() < goal:
                await asyncio.sleep(LOOKS_S)

    def _gone(self) -> int:
        found = self.witness.accounts
        return found["outbox_delivered"] + found["outbox_declared_gaps"]

    async def _until_looked(self) -> None:
        """Wait for two looks at the accounts: the hub is there and answers."""
        goal = self.witness.looks + 2
        async with asyncio.timeout(stage.WITHIN_S):
            while self.witness.looks < goal:
                await asyncio.sleep(LOOKS_S)

    async def _end_well(self) -> None:
        for name in ("sync", "hub", "ingest", "broker"):
            code = await self._children[name].end(signal.SIGTERM)
            if code:
                self.problems.append(f"{name} ended with {code}")

    def _mark_answers(self) -> None:
        lines = (self.folder / "answers.log").read_text("ascii").splitlines()
        for line in lines:
            value, time_ns = line.split()
            self.seen.answers.append(Answer(int(value), int(time_ns)))

    async def _gather(self) -> None:
        """Ask the product's own commands, which run in processes of their own."""
        places = stage.places(self.folder)
        words = ("trend", stage.COUNTER, "--points", "50000", "--json", *places)
        times = ("--from", "2000-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")
        _, rows = await stage.command("appliance", *words, *times)
        self.seen.samples += [_sample(row) for row in rows or ()]
        code, said = await stage.command(
            "appliance", "buffer", "verify", "--json", *places
        )
        if code:
            self.problems.append(f"buffer verify: {said}")
        lake = str(self.folder / "lake")
        words = ("report", "--lake", lake, "--completeness", "--json")
        code, said = await stage.command("fleet", *words)
        self.seen.lake += await asyncio.to_thread(rows_of, self.folder / "lake")
        if code or said["rows"] != len(self.seen.lake):
            self.problems.append(f"fleet report: exit code {code}, {said}")
        self.seen.clock_errors_ns = tuple(self._errors_ns)


def _toxics(fault: Planned) -> tuple[Toxic, ...]:
    """Return what the relay shall do to the bytes."""
    match fault.kind:
        case Kind.BLACKHOLE:
            return (Blackhole(),)
        case Kind.HALF_OPEN:
            return (HalfOpen(),)
        case Kind.NARROW:
            return (Bandwidth(250_000),)
        case Kind.TRICKLE:
            return Bandwidth(2_000), Slicer(50, 0.01)
        case _:
            return (LimitData(fault.size),)


def _victim(fault: Planned) -> str:
    return fault.kind.removeprefix("kill_")


def _sample(row: dict[str, object]) -> Sample:
    good = row["quality"] == "GOOD"
    value = row["value"] if good else None
    assert value is None or isinstance(value, float)
    moment = datetime.fromisoformat(str(row["time"]))
    return Sample(value, round(moment.timestamp() * _NS))


async def live_through(seed: int, folder: Path) -> Outcome:
    """Return what became of a history."""
    folder.mkdir(parents=True)
    with stage.small_disk(folder) as own_disk:
        return await History(seed, folder, own_disk=own_disk).run()
