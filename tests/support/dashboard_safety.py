"""Safety, as far as a window sees it: real link, real logic, channels by hand."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from appliance.domain.sample import Quality, Sample
from appliance.domain.tag import TagId
from appliance.link.roles import Role
from appliance.link.server import LinkServer, RefusedError
from appliance.runtime.tasks import companions
from appliance.safety.channel import Reading
from appliance.safety.latch import Report
from appliance.safety.logic import Commands, Matrix, Readings, power_up, step
from appliance.safety.row import Bypass
from appliance.safety.scan import Punctuality
from appliance.safety.status import status as safety_status
from appliance.wire.events import message_of_event
from tests.support.dashboard_side import START_NS, Side, SteeredClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from appliance.config import Config
    from appliance.link.server import Peer
    from appliance.wire.messages import EventMessage

GUARD = "P-101 vibration high-high"
MOTOR = "P-101 motor"


class SafetySide(Side):
    """It scans when the test says so."""

    def __init__(self, run_dir: Path, clock: SteeredClock, config: Config) -> None:
        super().__init__(run_dir, clock, config)
        self._events: list[EventMessage] = []
        self.matrix = Matrix(
            self.config.initiators, self.config.elements, dict(self.config.matrix)
        )
        self.state = power_up(self.matrix, {}, armed=True)
        self._orders: Mapping[str, Any] = {}
        self._point = False
        self._scanned_s, self._added_s = 1000.0, 0.0

    @asynccontextmanager
    async def safety(self) -> AsyncIterator[LinkServer]:
        """Serve safety's socket within the block."""
        server = self._server("safety")
        server.set_tags("epoch", ())
        server.operation("status", self._safety_status)
        server.operation("events.since", self._events_since)
        server.operation("reset", self._reset, role=Role.OPERATOR)
        server.operation("stop", self._stop)
        server.operation("mode", self._mode, role=Role.SUPERVISOR)
        server.operation("bypass", self._bypass, role=Role.MAINTAINER)
        server.operation("unbypass", self._unbypass, role=Role.MAINTAINER)
        self.safety_server = server
        async with companions() as tasks:
            tasks.start(server.serve(), name="test.safety")
            await server.wait_ready()
            yield server

    def scan(self, value: float, commands: Commands | None = None) -> tuple[str, ...]:
        """Let safety scan once with this vibration on all channels.

        It is punctual, however slow the machine that runs the test: of the time that
        the test adds, no more passes than safety bears between two scans.
        """
        added_s = self.clock.added_s - self._added_s
        self._added_s = self.clock.added_s
        self._scanned_s += 0.05 + min(added_s, 0.6)
        now_s = self._scanned_s
        readings = {}
        for channel in self.matrix.rows[0].channels:
            sample = Sample(TagId(channel), value, Quality.GOOD, 0, START_NS, START_NS)
            readings[channel] = Reading(sample, now_s)
        feedback = Sample(TagId("P-101/running"), 0.0, Quality.GOOD, 0, 0, 0)
        readings["P-101/running"] = Reading(feedback, now_s)
        turn = step(
            self.matrix,
            self.state,
            Readings(readings, {}, {MOTOR: Report(point=self._point)}),
            commands or Commands(),
            now_s,
        )
        self.state, self._orders = turn.state, turn.orders
        self._point = turn.orders[MOTOR].may_run
        now_ns = self.clock.utc_ns()
        for event in turn.events:
            message = message_of_event(
                replace(event, time_ns=now_ns), pending=False, seq=len(self._events) + 1
            )
            self._events.append(message)
            self.safety_server.publish_event(message)
        return turn.refusals

    def run_up(self) -> None:
        """Bring safety from power-up to armed without a trip."""
        for _ in range(3):
            self.scan(1.2)
        refused = self.scan(1.2, Commands(reset=frozenset({MOTOR}), actor="test"))
        assert not refused
        self.scan(1.2)

    def trip(self) -> None:
        """Let all channels demand for longer than the on-delay."""
        self.scan(8.0)
        self.clock.added_s += 0.6
        self.scan(8.0)
        self.scan(8.0)

    @property
    def tripped(self) -> bool:
        """Whether safety has latched."""
        return self.state.latches[MOTOR].tripped

    async def _safety_status(self, _args: Mapping[str, Any], _peer: Peer) -> object:
        kept = Punctuality(scans=5, last_s=0.002, longest_s=0.005)
        scan: Any = SimpleNamespace(
            state=self.state, punctuality=kept, orders=self._orders, heartbeat=7
        )
        journal: Any = SimpleNamespace(
            epoch="e", committed_seq=1, last_seq=1, waiting=0, trouble=""
        )
        return safety_status(
            self.matrix, scan, journal, now_s=self._scanned_s, realtime=""
        )

    async def _events_since(self, _args: Mapping[str, Any], _peer: Peer) -> object:
        return list(self._events)

    async def _reset(self, args: Mapping[str, Any], peer: Peer) -> object:
        self.acted.append(("reset", dict(args)))
        commands = Commands(reset=frozenset({MOTOR}), actor=peer.name)
        return self._answer(self.scan(1.2, commands))

    async def _stop(self, args: Mapping[str, Any], peer: Peer) -> object:
        self.acted.append(("stop", dict(args)))
        return self._answer(
            self.scan(1.2, Commands(stop=args["reason"], actor=peer.name))
        )

    async def _mode(self, args: Mapping[str, Any], peer: Peer) -> object:
        self.acted.append(("mode", dict(args)))
        arm = args["mode"] == "armed"
        return self._answer(self.scan(1.2, Commands(arm=arm, actor=peer.name)))

    async def _bypass(self, args: Mapping[str, Any], peer: Peer) -> object:
        self.acted.append(("bypass", dict(args)))
        until_s = self._scanned_s + args["length_s"]
        bypass = Bypass(args["initiator"], None, until_s, peer.name, args["reason"])
        return self._answer(
            self.scan(1.2, Commands(bypasses=(bypass,), actor=peer.name))
        )

    async def _unbypass(self, args: Mapping[str, Any], peer: Peer) -> object:
        self.acted.append(("unbypass", dict(args)))
        rows = frozenset({args["initiator"]})
        return self._answer(self.scan(1.2, Commands(unbypass=rows, actor=peer.name)))

    def _answer(self, refusals: tuple[str, ...]) -> dict[str, Any]:
        if refusals:
            raise RefusedError("; ".join(refusals))
        self.scan(1.2)
        return {"accepted": True, "committed": True, "seq": 1, "trouble": ""}
