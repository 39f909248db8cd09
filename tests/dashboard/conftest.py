"""A gateway in the test's own process: real link, real alarms, real safety logic."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from importlib.resources import files
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance.alarms.acts import Acknowledge, PutBack, Shelve, TakeOut, Unshelve
from appliance.alarms.engine import AlarmEngine, UnknownAlarmError
from appliance.alarms.lifecycle import NotPossibleError
from appliance.alarms.watch import Place
from appliance.config import check_text
from appliance.dashboard.app import Dashboard
from appliance.domain.batch import Text, Waveform, batch_of
from appliance.domain.health import derived_group
from appliance.domain.sample import Quality, Sample
from appliance.domain.tag import TagId, asset_of
from appliance.hub.describe import offer_description
from appliance.link.roles import Role
from appliance.link.server import LinkServer, RefusedError
from appliance.runtime.tasks import companions
from appliance.safety.channel import Reading
from appliance.safety.latch import Report
from appliance.safety.logic import Commands, Matrix, Readings, power_up, step
from appliance.safety.row import Bypass
from appliance.safety.scan import Punctuality
from appliance.safety.status import status as safety_status
from appliance.wire.batches import message_of
from appliance.wire.events import message_of_event, tag_table

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from textual.pilot import Pilot

    from appliance.config import Config
    from appliance.domain.event import Event
    from appliance.link.server import Peer
    from appliance.wire.messages import EventMessage

START_NS = 1_790_000_000_000_000_000
GUARD = "P-101 vibration high-high"
MOTOR = "P-101 motor"
VIBRATION = "P-101/DE/vibration_rms"
BURST = "P-101/DE/acceleration"
_WITHIN_S = 60.0
_ROLE = Role.OPERATOR
_ALARM_ACTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "acknowledge": lambda _args: Acknowledge(),
    "shelve": lambda args: Shelve(args["for_s"], args["one_shot"]),
    "unshelve": lambda _args: Unshelve(),
    "out_of_service": lambda _args: TakeOut(),
    "in_service": lambda _args: PutBack(),
}


def screen_text(app: Dashboard) -> str:
    """Return what is on the terminal."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip).rstrip() for strip in strips)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what waits for a screen say what it saw, before the test is ended."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(4 * _WITHIN_S))


class SteeredClock:
    """Stands still but for what the test adds; sleeps are cut short.

    So no value grows old while a busy machine takes its time.
    """

    def __init__(self) -> None:
        self.added_s = 0.0

    def now_s(self) -> float:
        return 1_000.0 + self.added_s

    def utc_ns(self) -> int:
        return START_NS + round(self.now_s() * 1e9)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.05))


def demo_config() -> Config:
    """Return the demonstration's configuration, armed."""
    text = files("appliance.commands.demo").joinpath("demo.toml").read_text("utf-8")
    filled = Template(text).substitute(
        opcua_url="opc.tcp://127.0.0.1:4840/", modbus_port=5020, broker_port=1883
    )
    config, problems = check_text(filled)
    assert config is not None, problems
    return config


class Gateway:
    """Hub and safety, as far as a window sees them."""

    def __init__(
        self, run_dir: Path, clock: SteeredClock, config: Config | None = None
    ) -> None:
        self.clock = clock
        self.config = demo_config() if config is None else config
        self.run_dir = run_dir
        self.acted: list[tuple[str, dict[str, Any]]] = []
        self.models: dict[str, str] = {}
        self.gaps: list[dict[str, Any]] = []
        self.flood = False
        self.role = Role.SUPERVISOR
        tags = (*self.config.measured_tags(), *self.config.derived_tags())
        self._tags = {tag.id: tag for tag in tags}
        self.numbers = {tag.id: number for number, tag in enumerate(tags, start=1)}
        self._events: list[EventMessage] = []
        self._engine = AlarmEngine(
            self.config.alarms,
            {
                tag: Place(
                    number, self._group(tag), 5.0, self._tags[tag].engineering_units
                )
                for tag, number in self.numbers.items()
            },
            now_s=0.0,
            utc_ns=START_NS,
        )
        self.matrix = Matrix(
            self.config.initiators, self.config.elements, dict(self.config.matrix)
        )
        self.state = power_up(self.matrix, {}, armed=True)
        self._orders: Mapping[str, Any] = {}
        self._point = False
        self._scanned_s, self._added_s = 1000.0, 0.0

    # ------------------------------------------------------------ the processes
    @asynccontextmanager
    async def hub(self) -> AsyncIterator[LinkServer]:
        """Serve the hub's socket within the block."""
        server = self._server("hub")
        server.set_tags("epoch", tag_table(self._tags, self.numbers))
        offer_description(server, self.config)
        server.operation("status", self._status)
        server.operation("outbox.status", self._outbox)
        server.operation("history", self._history)
        server.operation("alarms.list", self._alarms)
        server.operation("alarms.overview", self._overview)
        server.operation("events.recent", self._recent)
        server.operation("machine", self._machine)
        server.operation("gaps", self._told_gaps)
        server.operation("asset.maintained", self._noted, role=Role.MAINTAINER)
        server.operation("alarms.verdict", self._noted, role=Role.OPERATOR)
        for name, make in _ALARM_ACTS.items():
            server.operation(f"alarms.{name}", self._on_alarm(name, make), role=_ROLE)
        self.hub_server = server
        async with companions() as tasks:
            tasks.start(server.serve(), name="test.hub")
            await server.wait_ready()
            yield server

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

    # ------------------------------------------------------------ what happens
    def publish(
        self, values: Mapping[str, float], *, quality: Quality = Quality.GOOD
    ) -> None:
        """Deliver values as the sources would; alarms judge them."""
        now_ns, now_s = self.clock.utc_ns(), self.clock.now_s()
        groups: dict[str, dict[int, float]] = {}
        for tag, value in values.items():
            number = self.numbers[TagId(tag)]
            groups.setdefault(self._group(TagId(tag)), {})[number] = value
        for group, rows in groups.items():
            batch = batch_of(
                list(rows),
                list(rows.values()),
                source_time_ns=now_ns,
                receive_time_ns=now_ns,
                quality=int(quality),
                group=group,
                confirms=quality is not Quality.BAD,
            )
            self.hub_server.publish_batch(message_of(batch))
            self._tell(self._engine.evaluate(batch, now_s=now_s, utc_ns=now_ns))

    def healthy(self) -> None:
        """Deliver one good value of everything."""
        ordinary = {
            str(tag): 1.0
            for tag in self.numbers
            if tag not in self._derived and tag != BURST
        }
        self.publish(
            ordinary
            | {VIBRATION: 1.2, "P-101/motor/speed": 1480.0, "P-101/health_index": 0.98}
            | {"P-101/anomaly_score": 0.4, "P-101/anomaly": 0.0}
        )
        self.publish_burst(60.0)

    def publish_burst(self, line_hz: float) -> None:
        """Deliver a waveform whose envelope has a line."""
        now_ns = self.clock.utc_ns()
        seconds = np.arange(2048) / 10_240.0
        hum = np.sin(2 * np.pi * 2_500.0 * seconds)
        noise = np.random.default_rng(7).normal(0.0, 0.5, len(seconds))
        points = (noise + (1.0 + np.sin(2 * np.pi * line_hz * seconds)) * hum).astype(
            "f4"
        )
        number = self.numbers[TagId(BURST)]
        burst = Waveform(number, now_ns, 10_240.0, points)
        batch = batch_of(
            [], [], source_time_ns=now_ns, receive_time_ns=now_ns,
            group=self._group(TagId(BURST)), waveforms=(burst,),
        )  # fmt: skip
        self.hub_server.publish_batch(message_of(batch))

    def fall_ill(self) -> None:
        """Let vibration and score rise until both alarms stand."""
        score = self.numbers[TagId("P-101/anomaly_score")]
        ill = {VIBRATION: 5.2, "P-101/anomaly_score": 3.2, "P-101/anomaly": 1.0}
        ill |= {"P-101/health_index": 0.41, "P-101/remaining_useful_life_h": 40.0}
        ill |= {
            "P-101/remaining_useful_life_h_low": 21.0,
            "P-101/remaining_useful_life_h_high": 77.0,
        }
        self.publish(ill)
        self.clock.added_s += 4.0
        self.healthy()
        self.publish(ill)
        self.publish_burst(75.4)
        now_ns = self.clock.utc_ns()
        text = Text(score, now_ns, VIBRATION)
        batch = batch_of(
            [], [], source_time_ns=now_ns, receive_time_ns=now_ns,
            group=derived_group("P-101"), texts=(text,),
        )  # fmt: skip
        self.hub_server.publish_batch(message_of(batch))
        self._tell(self._engine.tick(now_s=self.clock.now_s(), utc_ns=now_ns))

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

    # ------------------------------------------------------------ operations
    async def _status(self, _args: Mapping[str, Any], _peer: Peer) -> object:
        return {
            "process": "hub",
            "epoch": "epoch",
            "counters": {
                "samples_read": 120,
                "samples_stored": 118,
                "samples_in_flight": 2,
            },
            "sources": {"skid-opcua": "connected", "skid-modbus": "lost"},
            "confirmed_ns": {"skid-opcua.subscription": self.clock.utc_ns()},
            "storage": {
                "healthy": True,
                "last_error": "",
                "usage": {"used_bytes": 12e6},
            },
            "processes": {
                "inference": {"models": self.models, "modes": {"P-101": "running"}},
                "sync": {"uplink": "connected", "mqtt": "V5"},
            },
        }

    async def _outbox(self, _args: Mapping[str, Any], _peer: Peer) -> object:
        return {"event": {"pending": 3, "delivered": 40, "declared_gaps": 0,
                          "pending_bytes": 900, "oldest_ns": START_NS}}  # fmt: skip

    async def _history(self, args: Mapping[str, Any], _peer: Peer) -> object:
        times = np.linspace(args["from_ns"], args["to_ns"] - 1, 40).astype(int).tolist()
        return {"source_time_ns": times, "value": [0.9] * 40,
                "quality": [2] * 40}  # fmt: skip

    async def _alarms(self, _args: Mapping[str, Any], _peer: Peer) -> object:
        return self._engine.table(now_s=self.clock.now_s(), utc_ns=self.clock.utc_ns())

    async def _overview(self, _args: Mapping[str, Any], _peer: Peer) -> object:
        return {"flood": self.flood}

    async def _recent(self, args: Mapping[str, Any], _peer: Peer) -> object:
        """A log of 300 old events, and no more."""
        before = args.get("before_seq") or 301
        numbers = range(before - 1, max(0, before - 1 - args["limit"]), -1)
        return {
            "events": [
                {"seq": seq, "kind": "system", "name": "old", "asset": "", "tag": None,
                 "time_ns": START_NS - (400 - seq) * 10**9, "actor": "",
                 "priority": "", "message": f"old event {seq}", "details": {}}
                for seq in numbers
            ]
        }  # fmt: skip

    async def _machine(self, _args: Mapping[str, Any], _peer: Peer) -> object:
        return {
            "disk_bytes": 32e9, "disk_free_bytes": 20e9, "cores": 2, "load_1min": 0.4,
            "busy": 0.12, "memory_bytes": 2e9, "memory_available_bytes": 1.2e9,
            "quota_bytes": 200e6, "full_in_s": 90_000.0,
            "certificates": [{"place": "own", "subject": "CN=gateway",
                              "ends_ns": START_NS + 90 * 86_400 * 10**9}],
        }  # fmt: skip

    async def _told_gaps(self, _args: Mapping[str, Any], _peer: Peer) -> object:
        return self.gaps

    async def _noted(self, args: Mapping[str, Any], peer: Peer) -> object:
        del peer
        self.acted.append(("noted", dict(args)))
        return {"seq": [1]}

    def _on_alarm(self, name: str, make: Callable[[Mapping[str, Any]], Any]) -> Any:  # noqa: ANN401 - an operation
        async def act(args: Mapping[str, Any], peer: Peer) -> object:
            self.acted.append((f"alarms.{name}", dict(args)))
            try:
                events = self._engine.act(
                    args["alarm"], make(args), actor=peer.name,
                    reason=str(args.get("reason", "")),
                    now_s=self.clock.now_s(), utc_ns=self.clock.utc_ns(),
                )  # fmt: skip
            except (UnknownAlarmError, NotPossibleError) as error:
                raise RefusedError(str(error)) from error
            self._tell(events)
            return {"seq": [1]}

        return act

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

    # ------------------------------------------------------------ inside
    @property
    def _derived(self) -> frozenset[TagId]:
        return frozenset(tag.id for tag in self.config.derived_tags())

    def _server(self, name: str) -> LinkServer:
        path = self.run_dir / f"{name}.sock"
        return LinkServer(path, process=name, role_of=lambda _uid, _gid: self.role)

    def _group(self, tag: TagId) -> str:
        if tag in self._derived:
            return derived_group(asset_of(tag))
        return "skid-opcua.subscription"

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            self.hub_server.publish_event(message_of_event(event, pending=False, seq=1))

    def _answer(self, refusals: tuple[str, ...]) -> dict[str, Any]:
        if refusals:
            raise RefusedError("; ".join(refusals))
        self.scan(1.2)
        return {"accepted": True, "committed": True, "seq": 1, "trouble": ""}


class Window:
    """A dashboard that is driven: keys in, text out."""

    def __init__(self, app: Dashboard, pilot: Pilot[None], clock: SteeredClock) -> None:
        self.app = app
        self.pilot = pilot
        self.clock = clock

    @property
    def text(self) -> str:
        return screen_text(self.app)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(
        self, condition: Callable[[], object], missing: object = "a condition"
    ) -> None:
        """Wait until something holds; show the screen when it never does."""
        try:
            async with asyncio.timeout(_WITHIN_S):
                while not condition():
                    self.app.redraw()
                    await self.pilot.pause()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pytest.fail(f"{missing} never came; the screen was:\n{self.text}")

    async def until_text(self, *words: str) -> None:
        missing: list[str] = []

        def found() -> bool:
            text = self.text
            now_missing = [word for word in words if word not in text]
            if not missing or len(now_missing) < len(missing):
                missing[:] = now_missing
            return not now_missing

        await self.until(found, missing)

    async def confirm(self) -> None:
        """Press `y` as late as a person would."""
        self.clock.added_s += 1.0
        await self.press("y")


@pytest.fixture
def clock() -> SteeredClock:
    return SteeredClock()


@pytest.fixture
def gateway(tmp_path: Path, clock: SteeredClock) -> Gateway:
    return Gateway(tmp_path, clock)


@asynccontextmanager
async def _window(
    gateway: Gateway, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Window]:
    app = Dashboard(
        gateway.run_dir, clock=gateway.clock, zone=UTC, state_dir=gateway.run_dir
    )
    async with app.run_test(size=size) as pilot:
        yield Window(app, pilot, gateway.clock)


@pytest.fixture
def drive() -> type[Window]:
    """Return what drives any window: `drive(app, pilot, clock)`."""
    return Window


@pytest.fixture
def open_window(
    gateway: Gateway,
) -> Callable[..., contextlib.AbstractAsyncContextManager[Window]]:
    """Return the function that opens a dashboard on the gateway."""

    def opened(
        size: tuple[int, int] = (80, 24),
    ) -> contextlib.AbstractAsyncContextManager[Window]:
        return _window(gateway, size)

    return opened


@pytest.fixture
async def plant(gateway: Gateway) -> AsyncIterator[Gateway]:
    """A gateway that runs, healthy and armed."""
    async with gateway.hub(), gateway.safety():
        gateway.run_up()
        gateway.healthy()
        yield gateway


@pytest.fixture
async def window(
    plant: Gateway,
    open_window: Callable[..., contextlib.AbstractAsyncContextManager[Window]],
) -> AsyncIterator[Window]:
    """A dashboard of 80 by 24 that shows the healthy plant."""
    assert plant.config.initiators
    async with open_window() as opened:
        await opened.until_text("vibration_rms", "safety armed", "0.98")
        yield opened
