"""`wheeltapper sync`: hub's outbox on one side, the broker on the other."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from appliance.runtime.notify import notify, watchdog_period_s
from appliance.sync.callout import Deliveries
from appliance.sync.coarsen import Plan, Span, period_for
from appliance.sync.drain import Drain
from appliance.sync.feed import Feed
from appliance.sync.memory import Memory, keep, recall
from appliance.sync.policy import Policy
from appliance.sync.protocol import ProtocolChoice
from appliance.sync.releases import ReleaseChecks, fetch_command
from appliance.sync.traffic import Traffic
from appliance.sync.uplink import Uplink

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.config import Config, UplinkSettings
    from appliance.domain.ports import Clock

log = logging.getLogger(__name__)

HUB_SOCKET = "hub.sock"
MEMORY_FILE = "sync.json"
KEEP_PERIOD_S = 10.0
PACKED = 5.0
"""About how many times smaller rows are on the wire than in the outbox."""


async def run(config: Config, *, state_dir: Path, run_dir: Path, clock: Clock) -> None:
    """Take the outbox to the fleet, calls to people, and look for releases.

    Until cancelled; return if the configuration has none of these. Hub, broker and
    mail server may be absent, come and go, in any order.
    """
    releases = _releases(config, state_dir, run_dir, clock=clock)
    if config.uplink is None:
        log.info("no [uplink] in the configuration: nothing leaves this gateway")
    async with asyncio.TaskGroup() as tasks:
        if releases is not None:
            tasks.create_task(releases.run(), name="sync.releases")
        if config.uplink is not None:
            sync = Sync(config, config.uplink, state_dir, run_dir=run_dir, clock=clock)
            sync.releases = releases
            tasks.create_task(sync.run(), name="sync.rows")
        if (calls := _calls(config, run_dir, clock=clock)) is not None:
            tasks.create_task(calls.run(), name="sync.calls")
        if calls or releases is not None or config.uplink is not None:
            tasks.create_task(_pat_watchdog(clock), name="sync.watchdog")


def _calls(config: Config, run_dir: Path, *, clock: Clock) -> Deliveries | None:
    if config.callout is None or not config.callout.leaves_the_gateway:
        return None
    return Deliveries(config.callout, config.site, run_dir / HUB_SOCKET, clock=clock)


def _releases(
    config: Config, state_dir: Path, run_dir: Path, *, clock: Clock
) -> ReleaseChecks | None:
    if config.updates is None or config.file is None:
        return None
    command = fetch_command(config.file, state_dir=state_dir, run_dir=run_dir)
    return ReleaseChecks(config.updates, command, clock=clock)


async def _pat_watchdog(clock: Clock) -> None:
    notify("READY=1")
    period_s = watchdog_period_s()
    while period_s is not None:
        notify("WATCHDOG=1")
        await clock.sleep(period_s)


class Sync:
    """Joins the two sides around one drain."""

    def __init__(
        self,
        config: Config,
        settings: UplinkSettings,
        state_dir: Path,
        *,
        run_dir: Path,
        clock: Clock,
    ) -> None:
        broker = f"{settings.host}:{settings.port}"
        self._memory_path = state_dir / MEMORY_FILE
        self._memory = recall(self._memory_path, broker)
        self._clock = clock
        self._backlog: Mapping[str, int] = {}
        self._merging_to_s = 0.0
        self.releases: ReleaseChecks | None = None
        """Who looks for releases beside us, for the status."""
        self._acknowledged_by = settings.acknowledged_by
        self._choice = ProtocolChoice(self._memory.protocol, now_s=clock.now_s())
        self._settings = settings
        kept = self._memory
        self._traffic = Traffic(settings, day=kept.day, spent_bytes=kept.day_bytes)
        self._drain = Drain(
            fleet=settings.acknowledged_by == "fleet",
            window=settings.window,
            payload_max_bytes=settings.max_payload_bytes,
            spread=random.random,
            hold_s=settings.hold_s,
            policy=Policy(settings.sends, settings.tags),
            plan=Plan(kept.epoch, [Span(*each) for each in kept.spans]),
            planned=self._keep,
        )
        self._uplink = Uplink(
            config.site,
            settings,
            self._drain,
            choice=self._choice,
            clock=clock,
            spread=random.random,
            changed=self._wake_feed,
            traffic=self._traffic,
        )
        self._feed = Feed(
            run_dir / HUB_SOCKET,
            self._drain,
            clock=clock,
            spread=random.random,
            changed=self._uplink.wake.set,
            status=self.status,
            backlog=self._weigh,
        )

    async def run(self) -> None:
        """Work until cancelled."""
        if self._acknowledged_by == "broker":
            log.info("rows leave the outbox on the broker's word alone")
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._uplink.run(), name="sync.uplink")
                tasks.create_task(self._feed.run(), name="sync.feed")
                tasks.create_task(self._keep_memory(), name="sync.memory")
        finally:
            self._keep()

    def status(self) -> Mapping[str, Any]:
        """Return state and counters; `bytes_written` is over all runs."""
        spoken = self._choice.spoken
        return {
            "uplink": self._uplink.state,
            "acknowledged_by": self._acknowledged_by,
            "mqtt": "unknown" if spoken is None else spoken.name,
            "counters": {
                **self._drain.counters,
                **self._uplink.counters,
                "bytes_written": self._bytes_written(),
            },
            "link": self._traffic.status(self._clock.now_s(), self._clock.utc_ns()),
            "backlog_bytes": sum(self._backlog.values()),
            "drain_s": self._drain_s(),
            "merging_to_s": self._merging_to_s,
            "diagnostics": [
                asdict(each)
                for each in self._uplink.diagnosis.standing(self._clock.utc_ns())
            ],
            "releases": None if self.releases is None else self.releases.status(),
        }

    def _weigh(self, backlog: Mapping[str, int]) -> None:
        """Lower the resolution before a backlog has to wait for hours.

        `backlog` has the bytes that wait in the outbox, by stream.
        """
        self._backlog = backlog
        settings = self._settings
        self._merging_to_s = period_for(
            self._drain_s(), settings.coarsen_after_s, settings.summary_period_s
        )
        self._drain.coarsen(self._merging_to_s)

    def _drain_s(self) -> float | None:
        waiting = sum(self._backlog.values()) / PACKED
        return self._traffic.meter.drain_s(waiting, self._clock.now_s())

    def _wake_feed(self) -> None:
        if self._drain.next_mark() is not None or self._drain.next_read() is not None:
            self._feed.wake.set()

    def _bytes_written(self) -> int:
        before = self._memory.bytes_written
        return before + self._uplink.counters["bytes_written"]

    async def _keep_memory(self) -> None:
        while True:
            await self._clock.sleep(KEEP_PERIOD_S)
            self._keep()

    def _keep(self) -> None:
        day, day_bytes = self._traffic.spent
        plan = self._drain.plan
        memory = Memory(
            broker=self._memory.broker,
            protocol=self._choice.spoken,
            bytes_written=self._bytes_written(),
            day=day,
            day_bytes=day_bytes,
            epoch=plan.epoch,
            spans=tuple((each.first, each.last, each.period_s) for each in plan.spans),
        )
        keep(self._memory_path, memory)
