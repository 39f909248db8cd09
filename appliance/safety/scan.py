"""The scan: read → judge → write → tell, at a fixed period."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.safety.desk import Answer
from appliance.safety.logic import Readings, step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.domain.ports import Clock
    from appliance.safety.announcer import Announcer
    from appliance.safety.asking import RequestWriter
    from appliance.safety.channel import Reading
    from appliance.safety.desk import Desk
    from appliance.safety.intake import Intake
    from appliance.safety.journal import Journal
    from appliance.safety.output import ElementWriter
    from appliance.safety.turn import Matrix, Order, State, Turn

READ_SHARE = 0.7
"""Of the period: so long the scan waits for its reads before it judges without."""


@dataclass(slots=True)
class Punctuality:
    """How the scans kept their time."""

    scans: int = 0
    overruns: int = 0
    last_s: float = 0.0
    longest_s: float = 0.0

    def note(self, duration_s: float) -> None:
        """Count a scan."""
        self.scans += 1
        self.last_s = duration_s
        self.longest_s = max(self.longest_s, duration_s)


class Scan:
    """Owns the state. One turn never waits longer than a share of the period."""

    def __init__(
        self,
        matrix: Matrix,
        state: State,
        *,
        period_s: float,
        intakes: tuple[Intake, ...],
        writers: Mapping[str, ElementWriter],
        desk: Desk,
        clock: Clock,
        asking: RequestWriter | None = None,
    ) -> None:
        self.state = state
        self.orders: Mapping[str, Order] = {}
        self.punctuality = Punctuality()
        self._matrix = matrix
        self._period_s = period_s
        self._intakes = intakes
        self._writers = writers
        self._desk = desk
        self._clock = clock
        self._asking = asking

    def start_companions(self, tasks: asyncio.TaskGroup) -> None:
        """Start the tasks that read and write for the scan."""
        for intake in self._intakes:
            tasks.create_task(intake.run(), name=f"safety.read.{intake.name}")
        for name, writer in self._writers.items():
            tasks.create_task(writer.run(), name=f"safety.write.{name}")
        if self._asking is not None:
            tasks.create_task(self._asking.run(), name="safety.write.request")

    async def run(
        self, announcer: Announcer, journal: Journal, on_turn: Callable[[], None]
    ) -> None:
        """Scan for ever, on the grid of the first moment; a missed place is counted."""
        due_s = self._clock.now_s()
        while True:
            began_s = self._clock.now_s()
            await self._turn(announcer, journal)
            now_s = self._clock.now_s()
            self.punctuality.note(now_s - began_s)
            announcer.show(self)
            on_turn()
            missed = max(0, int((now_s - due_s) // self._period_s))
            self.punctuality.overruns += missed
            due_s += (missed + 1) * self._period_s
            await self._clock.sleep(due_s - self._clock.now_s())

    @property
    def heartbeat(self) -> int:
        """The highest number beaten at any element."""
        return max((each.heartbeat for each in self._writers.values()), default=0)

    async def _turn(self, announcer: Announcer, journal: Journal) -> None:
        arrived = await self._read()
        reports = {name: writer.report for name, writer in self._writers.items()}
        readings = Readings(arrived, self._desk.take_models(), reports)
        commands, ticket = self._desk.take()
        now_s = self._clock.now_s()
        turn = step(self._matrix, self.state, readings, commands, now_s)
        self.state, self.orders = turn.state, turn.orders
        self._write(turn.orders)
        self._ask(turn)
        await asyncio.sleep(0)  # what is ordered is on its way before anybody is told
        announcer.tell(turn.events, turn.state)
        if ticket is not None and not ticket.done():
            ticket.set_result(Answer(turn.refusals, journal.last_seq))

    async def _read(self) -> dict[str, Reading]:
        for intake in self._intakes:
            intake.ask()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READ_SHARE * self._period_s):
                for intake in self._intakes:
                    await intake.wait()
        arrived: dict[str, Reading] = {}
        for intake in self._intakes:
            arrived.update(intake.take())
        return arrived

    def _write(self, orders: Mapping[str, Order]) -> None:
        """Order what the logic decided; in observe mode nothing is ever written.

        Nor is it while the PLC has the machine, until a hand-over is decided. What is
        not yet proved is ordered first, and stops before permits: on a connection that
        elements share, no heartbeat of another is to be written before.
        """

        def haste(name: str) -> tuple[bool, bool]:
            wanted = orders[name].may_run
            return self._writers[name].report.point is wanted, wanted

        for name in sorted(orders, key=haste):
            writer = self._writers[name]
            if self.state.armed and not orders[name].hold:
                writer.order(orders[name])
            else:
                writer.stand_down()

    def _ask(self, turn: Turn) -> None:
        """Ask the PLC for what the logic wants, and give back only what we can carry.

        A PLC that has the machine watches no heartbeat: ours must be seen to beat
        before it watches again, or it would stop a machine that is well.
        """
        if self._asking is None:
            return
        carried = not turn.state.armed or all(
            not order.may_run or self._writers[name].has_beaten
            for name, order in turn.orders.items()
        )
        if turn.request is not False or carried:
            self._asking.order(turn.request)
