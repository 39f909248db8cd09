"""One demonstration from curtain to curtain."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from appliance.commands.children import Child, python
from appliance.commands.common import say
from appliance.commands.demo.operator import POWER_UP, PlantOperator
from appliance.commands.demo.plan import Break, How, Plan
from appliance.commands.demo.programs import (
    Places,
    configure_gateway,
    free_ports,
    inner_programs,
    outer_programs,
)
from appliance.commands.demo.report import Evidence
from appliance.commands.demo.settings import ASSET
from appliance.commands.demo.theatre import watch
from appliance.commands.demo.witness import Witness, totals
from appliance.domain.health import LIFE_H
from appliance.domain.tag import TagId
from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.domain.ports import Clock

log = logging.getLogger(__name__)

DRAIN_WITHIN_S = 20.0
FINAL_WORD_WITHIN_S = 20.0
_NS = 1_000_000_000


class Demonstration:
    """Starts everything, lets it run for the plan's time, and gathers the evidence."""

    def __init__(
        self,
        scenario: str,
        plan: Plan,
        *,
        root: Path,
        breaks: Sequence[Break],
        clock: Clock,
    ) -> None:
        self._scenario = scenario
        self._plan = plan
        self._places = Places(root)
        self._breaks = breaks
        self._clock = clock
        self._start_ns = clock.utc_ns()
        for folder in (self._places.log, self._places.run, self._places.lake):
            folder.mkdir(parents=True, exist_ok=True)
        self._ports = free_ports()
        self._config = configure_gateway(self._places, self._ports)
        (self._guard,) = self._config.initiators
        self._children: dict[str, Child] = {}

    async def run(self, *, watched: bool = False) -> Evidence:
        """Run it all; return what was measured.

        `watched`: until the dashboard is left, instead of for the plan's time.

        Raises:
            ChildFailedError: A program did not come up.
        """
        self._tell(f"everything of this run is in {self._places.root}")
        async with asyncio.TaskGroup() as group:
            tasks = await self._start(group)
            if watched:
                await watch(self._places.run, self._places.log / "demo.log")
            else:
                await self._until(self._plan.whole_s)
            evidence = await self._conclude()
            for task in tasks:
                task.cancel()
        return evidence

    async def _start(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """Start the surroundings, then the gateway, then the people."""
        clock, places = self._clock, self._places
        outer = outer_programs(
            self._scenario,
            self._plan,
            guard=self._guard,
            places=places,
            ports=self._ports,
            clock=clock,
        )
        self._children |= outer
        tasks = [
            group.create_task(child.run(), name=f"demo.{name}")
            for name, child in outer.items()
        ]
        for child in outer.values():
            await child.wait_up()
        self._start_ns = int(outer["plant"].said["start_utc_ns"])
        broker = outer["broker"].said.get("broker", "broker")
        self._tell(f"plant, {broker} and fleet are up; starting the gateway")
        inner = inner_programs(self._config, places=places, clock=clock)
        self._children |= inner
        operator = PlantOperator(
            places.run / "safety.sock",
            modbus_port=self._ports.modbus,
            clock=clock,
            tell=self._tell,
        )
        witness = Witness(places.run / "hub.sock", clock=clock, tell=self._tell)
        work = {name: child.run() for name, child in inner.items()}
        work |= {"operator": operator.run(), "witness": witness.run()}
        work |= {"learn": self._learn(), "breaks": self._break_things()}
        tasks += [group.create_task(w, name=f"demo.{n}") for n, w in work.items()]
        return tasks

    async def _learn(self) -> None:
        """At its time, learn what is normal from the past; try until it works."""
        await self._until(self._plan.learn_at_s)
        words = ("-m", "appliance", "learn", ASSET, "-c", str(self._places.config))
        places = (
            "--state-dir", str(self._places.state), "--run-dir", str(self._places.run),
        )  # fmt: skip
        while self._now_s() < self._plan.whole_s:
            with (self._places.log / "learn.log").open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *python(*words, *places),
                    stdout=output,
                    stderr=output,
                    stdin=asyncio.subprocess.DEVNULL,
                )
            try:
                if await process.wait() == 0:
                    self._tell(f"learned what is normal for {ASSET}")
                    return
            finally:
                if process.returncode is None:
                    process.terminate()
            self._tell(f"could not learn yet; see {self._places.log / 'learn.log'}")
            await self._clock.sleep(2.0)

    async def _break_things(self) -> None:
        """Kill and hold down programs as the plan of mishaps says."""
        async with asyncio.TaskGroup() as group:
            for each in self._breaks:
                group.create_task(self._break(each), name=f"demo.break.{each.name}")

    async def _break(self, mishap: Break) -> None:
        await self._until(mishap.at_s)
        child = self._children[mishap.name]
        self._tell(f"{mishap.how} {mishap.name} (pid {child.pid})")
        length_s = mishap.length_s if mishap.how is How.DOWN else 0.0
        await child.keep_down(length_s)

    async def _conclude(self) -> Evidence:
        """Let the outbox drain, then ask everybody for their final word."""
        end_ns = self._clock.utc_ns()
        self._tell("the time is over; waiting for the outbox to drain")
        status, outbox = await self._final_word()
        places = self._places
        buffer = places.state / "buffer.db"
        with open_reader(buffer) as reader:
            events = reader.events()
            points = reader.waveform_points()
            life = reader.columns(
                TagId(f"{ASSET}/{LIFE_H}"), from_ns=self._start_ns, to_ns=end_ns
            )
        return Evidence(
            scenario=self._scenario,
            start_ns=self._start_ns,
            end_ns=end_ns,
            truth=_json_lines(places.truth),
            events=events,
            counters=status["counters"],
            waveform_points=points,
            problems=await asyncio.to_thread(verify, buffer),
            outbox=outbox,
            fleet=await self._fleet_report(),
            uplink_bytes=_uplink_bytes(status),
            channels=self._guard.channels,
            votes=int(self._guard.vote[0]),
            on_delay_s=self._guard.on_delay_s,
            power_up=POWER_UP,
            life=tuple(
                (int(time_ns), float(value))
                for time_ns, value, quality in zip(
                    life.source_time_ns, life.value, life.quality, strict=True
                )
                if quality
            ),
        )

    async def _final_word(self) -> tuple[dict[str, Any], dict[str, int]]:
        """Ask the hub once the outbox is empty, or after the time allowed for it."""
        deadline_s = self._clock.now_s() + DRAIN_WITHIN_S
        status: dict[str, Any] = {}
        async with asyncio.timeout(DRAIN_WITHIN_S + FINAL_WORD_WITHIN_S):
            while True:
                try:
                    socket = self._places.run / "hub.sock"
                    async with connect(socket, process="demo") as link:
                        await link.request("uplink.flush")
                        status = await link.request("status")
                        outbox = totals(await link.request("outbox.status"))
                    if outbox["pending"] == 0 or self._clock.now_s() > deadline_s:
                        return status, outbox
                except (LinkLostError, LinkRefusedError) as error:
                    log.info("the hub is not there yet: %s", error)
                await self._clock.sleep(0.25)

    async def _fleet_report(self) -> dict[str, int]:
        words = ("-m", "fleet", "report", "--lake", str(self._places.lake), "--json")
        process = await asyncio.create_subprocess_exec(
            *python(*words), stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await process.communicate()
        found: dict[str, int] = json.loads(printed)
        return found

    async def _until(self, at_s: float) -> None:
        await self._clock.sleep(at_s - self._now_s())

    def _now_s(self) -> float:
        return (self._clock.utc_ns() - self._start_ns) / _NS

    def _tell(self, text: str) -> None:
        say(f"{self._now_s():6.1f} s  {text}")


def _json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a file; the last one may be cut short."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines


def _uplink_bytes(status: dict[str, Any]) -> int:
    """Return what sync says it has written to the broker's sockets, over all runs."""
    processes: dict[str, Any] = status["processes"]
    counters: dict[str, int] = processes.get("sync", {}).get("counters", {})
    return counters.get("bytes_written", 0)
