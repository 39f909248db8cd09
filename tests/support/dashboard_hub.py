"""The hub, as far as a window sees it: real link, real alarms, values by hand."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.alarms.acts import Acknowledge, PutBack, Shelve, TakeOut, Unshelve
from appliance.alarms.engine import AlarmEngine, UnknownAlarmError
from appliance.alarms.lifecycle import NotPossibleError
from appliance.alarms.metrics import Metrics
from appliance.alarms.watch import Place
from appliance.domain.batch import Text, Waveform, batch_of
from appliance.domain.health import derived_group
from appliance.domain.sample import Quality
from appliance.domain.tag import TagId, asset_of
from appliance.hub.describe import offer_description
from appliance.link.roles import Role
from appliance.link.server import RefusedError
from appliance.runtime.tasks import companions
from appliance.wire.batches import message_of
from appliance.wire.events import message_of_event, tag_table
from tests.support.dashboard_side import START_NS, Side, SteeredClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from appliance.config import Config
    from appliance.domain.event import Event
    from appliance.link.server import LinkServer, Peer

VIBRATION = "P-101/DE/vibration_rms"
BURST = "P-101/DE/acceleration"
_ROLE = Role.OPERATOR
_ALARM_ACTS: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "acknowledge": lambda _args: Acknowledge(),
    "shelve": lambda args: Shelve(args["for_s"], args["one_shot"]),
    "unshelve": lambda _args: Unshelve(),
    "out_of_service": lambda _args: TakeOut(),
    "in_service": lambda _args: PutBack(),
}


class HubSide(Side):
    """What it is told, it judges and publishes."""

    def __init__(self, run_dir: Path, clock: SteeredClock, config: Config) -> None:
        super().__init__(run_dir, clock, config)
        self.models: dict[str, str] = {}
        self.gaps: list[dict[str, Any]] = []
        self.flood = False
        self.metrics = Metrics(START_NS, {})
        tags = (*self.config.measured_tags(), *self.config.derived_tags())
        self._tags = {tag.id: tag for tag in tags}
        self.numbers = {tag.id: number for number, tag in enumerate(tags, start=1)}
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
        server.operation("alarms.kpi", self._kpi)
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

    async def _kpi(self, _args: Mapping[str, Any], _peer: Peer) -> object:
        return self.metrics.figures(self.clock.utc_ns())

    # ------------------------------------------------------------ inside
    @property
    def _derived(self) -> frozenset[TagId]:
        return frozenset(tag.id for tag in self.config.derived_tags())

    def _group(self, tag: TagId) -> str:
        if tag in self._derived:
            return derived_group(asset_of(tag))
        return "skid-opcua.subscription"

    def _tell(self, events: list[Event]) -> None:
        for event in events:
            self.metrics.add(event)
            self.hub_server.publish_event(message_of_event(event, pending=False, seq=1))
