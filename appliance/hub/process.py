"""The hub process: sources, pipeline, store and link in one task group."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from appliance.alarms.calling import CALLOUT
from appliance.alarms.engine import AlarmEngine
from appliance.alarms.metrics import Metrics
from appliance.alarms.sources import Fault, SourceWord
from appliance.domain.event import Event, EventKind
from appliance.hub.acts import Acts
from appliance.hub.alarm_acts import AlarmActs
from appliance.hub.anchor import anchor_daily
from appliance.hub.assets import Assets
from appliance.hub.calls import callout_of, offer_callout
from appliance.hub.demands import Demands
from appliance.hub.describe import offer_description
from appliance.hub.explaining import Explaining
from appliance.hub.gaps import GapRecorder
from appliance.hub.latest import Latest
from appliance.hub.link_source import LinkSource
from appliance.hub.neighbours import Inference, Safety
from appliance.hub.pipeline import Pipeline
from appliance.hub.places import places_of
from appliance.hub.reads import Reads
from appliance.hub.recall import recall
from appliance.hub.recorder import EventRecorder
from appliance.hub.reports import Reports
from appliance.hub.requests import offer_raw
from appliance.hub.resume import Resume
from appliance.hub.sources import Sources
from appliance.hub.status import Status
from appliance.hub.summaries import Summaries
from appliance.hub.tagtable import TagTable
from appliance.hub.timekeeping import ClockWatch
from appliance.hub.upkeep import Upkeep
from appliance.hub.uplink import SENSORS, words_of
from appliance.link.roles import role_resolver
from appliance.link.server import LinkServer
from appliance.runtime.clock import MachineClocks
from appliance.runtime.metrics import serve_metrics
from appliance.runtime.notify import notify, watchdog_period_s
from appliance.runtime.timekeeping import Timekeeper
from appliance.storage.chain import JOURNAL_HASH, JOURNAL_SEQ
from appliance.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence
    from pathlib import Path

    from appliance.config import Config
    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag, TagId
    from appliance.hub.callout import Callout
    from appliance.hub.recall import Recalled
    from appliance.runtime.timekeeping import Clocks
    from appliance.storage.store import BufferStore

log = logging.getLogger(__name__)

BUFFER = "buffer.db"
BUFFER_NAME = "buffer"
"""Under which the buffer's own faults stand among those of the sources."""
HUB_SOCKET = "hub.sock"
SAFETY_SOCKET = "safety.sock"
SAFETY = "safety"
TICK_S = 0.2
ASK_S = 1.0
NOTE_S = 5.0
REPORT_S = 1.0


async def run(
    config: Config,
    *,
    state_dir: Path,
    run_dir: Path,
    clock: Clock,
    clocks: Clocks | None = None,
) -> None:
    """Work until cancelled; then let the sources go and commit what there is.

    `clocks` are the machine's own, where none are given.

    Raises:
        StoreOpenError: The buffer cannot be opened; the message says what to do.
    """
    path = state_dir / BUFFER
    keeper = Timekeeper(clock, clocks or MachineClocks())
    async with open_store(path, config.storage, keeper) as store:
        watch = ClockWatch(store, keeper)
        news = await watch.begin()
        recalled = await asyncio.to_thread(recall, path)
        hub = Hub(config, store, run_dir=run_dir, clock=keeper, watch=watch)
        await hub.prepare(recalled)
        hub.offer_alarms(path, recalled)
        hub.hear(news)
        hub.offer_raw(path)
        hub.offer_reads(path)
        try:
            await hub.serve()
        finally:
            await hub.close()


class Hub:
    """Joins the parts around one open store."""

    def __init__(
        self,
        config: Config,
        store: BufferStore,
        *,
        run_dir: Path,
        clock: Clock,
        watch: ClockWatch,
    ) -> None:
        self._config = config
        self._watch = watch
        self._store = store
        self._run_dir = run_dir
        self._clock = clock
        self._latest = Latest()
        self._table = TagTable()
        self._server = LinkServer(
            run_dir / HUB_SOCKET, process="hub", role_of=role_resolver(config.roles)
        )
        self._recorder = EventRecorder(store, self._server.publish_event, clock=clock)
        self._reads: Reads | None = None
        self._callout: Callout | None = None
        self._sources = Sources(config.sources, clock=clock, hear=self._recorder.tell)
        self._summaries = (
            None if config.uplink is None else Summaries(config.uplink.summary_period_s)
        )

    async def prepare(self, recalled: Recalled) -> None:
        """Give every tag its number and put the parts together; nothing runs yet.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        config, clock = self._config, self._clock
        await self._add_tags((*config.measured_tags(), *config.derived_tags()))
        own = frozenset(self._table.numbers)
        self._resume = Resume(
            self._store, self._sources.by_name.values(), self._table.numbers
        )
        await self._resume.tell()
        self._alarms = AlarmEngine(
            config.alarms,
            places_of(config, self._sources.by_name, self._table.numbers),
            now_s=clock.now_s(),
            utc_ns=clock.utc_ns(),
            recalled=recalled.alarms,
            explain=Explaining(self._latest, self._table.numbers).of,
        )
        self._assets = assets = Assets(
            config.assets,
            self._table.numbers,
            self._latest,
            anomalies=recalled.anomalies,
        )
        self._demands = Demands(
            config.initiators,
            self._table.numbers,
            self._run_dir / SAFETY_SOCKET,
            clock=clock,
        )
        self._reports = self._make_reports(assets)
        self._pipeline = Pipeline(
            table=self._table,
            latest=self._latest,
            store=self._store,
            window=self._server,
            recorder=self._recorder,
            alarms=self._alarms,
            assets=assets,
            reports=self._reports,
            demands=self._demands,
            clock=clock,
        )
        self._gaps = GapRecorder(self._store, self._pipeline.hear, clock=clock)
        self._status = Status(
            store=self._store,
            sources=self._sources,
            pipeline=self._pipeline,
            latest=self._latest,
            recorder=self._recorder,
            gaps=self._gaps,
            server=self._server,
            watch=self._watch,
            processes=lambda: self._acts.processes,
        )
        self._acts = Acts(
            store=self._store,
            table=self._table,
            recorder=self._recorder,
            clock=clock,
            status=self._status.tell,
        )
        self._acts.offer(self._server)
        Upkeep(
            assets,
            self._recorder,
            self._pipeline.hear,
            clock=clock,
            recalled=recalled.upkeep,
        ).offer(self._server)
        offer_description(self._server, config)
        self._meet_inference()
        if config.initiators:
            self._meet_safety(own, recalled)
        self._tell_start(recalled)

    def offer_alarms(self, buffer: Path, recalled: Recalled) -> None:
        """Let people act on alarms; count from now on how good those are."""
        self._buffer = buffer
        metrics = Metrics(self._clock.utc_ns(), recalled.alarms)
        self._recorder.on_record = metrics.add
        AlarmActs(
            self._alarms,
            recorder=self._recorder,
            clock=self._clock,
            assets=self._assets,
            metrics=metrics,
            buffer=buffer,
        ).offer(self._server)
        self._callout = callout_of(
            self._config,
            alarms=self._alarms,
            recorder=self._recorder,
            latest=self._latest,
            numbers=self._table.numbers,
            clock=self._clock,
        )
        offer_callout(self._callout, self._server, buffer, recalled.alarms)

    def offer_raw(self, buffer: Path) -> None:
        """Let a person here send raw data of this buffer to the cloud."""
        if self._config.uplink is not None:
            offer_raw(
                self._server,
                buffer,
                self._store,
                uplink=self._config.uplink,
                hear=self._pipeline.hear,
                clock=self._clock,
            )

    def offer_reads(self, buffer: Path) -> None:
        """Tell of the machine, and of what is declared as missing."""
        self._reads = Reads(
            self._config, buffer, self._clock, usage=lambda: self._store.usage
        )
        self._reads.offer(self._server)

    def hear(self, events: Iterable[Event]) -> None:
        """Take what happened before the pipeline was there."""
        for event in events:
            self._pipeline.hear(event)

    async def serve(self) -> None:
        """Run everything until cancelled."""
        async with asyncio.TaskGroup() as group:

            def start(name: str, work: Coroutine[object, object, None]) -> None:
                group.create_task(work, name=f"hub.{name}")

            start("store", self._store.run())
            start("store.care", self._store.care())
            start("events", self._recorder.run())
            start("gaps", self._gaps.run())
            start("link", self._server.serve())
            start("alarms", self._tick())
            start("clock", self._watch.run(self._pipeline.hear))
            start("sources", self._ask_sources())
            start("resume", self._note_unfilled())
            start("reports", self._report())
            start("health", self._report_health())
            start("demands", self._demands.run())
            start("anchor", self._anchor())
            start("watchdog", self._watchdog())
            start("fill", self._note_fill())
            if self._callout is not None:
                start("callout", self._callout.run())
            if self._config.metrics is not None:
                listen = self._config.metrics.listen
                start("metrics", serve_metrics(listen, self._status.figures))
            for name, source in self._sources.by_name.items():
                work = self._sources.supervise(
                    source,
                    self._table.numbers,
                    self._pipeline.ingest,
                    declare=self._gaps.declare,
                )
                start(f"source.{name}", work)

    async def close(self) -> None:
        """After the end of all tasks: what was told is committed."""
        if self._reports is not None:
            self._reports.close()
        self._gaps.tell()
        await self._recorder.flush()

    def _make_reports(self, assets: Assets) -> Reports | None:
        if self._summaries is None:
            return None
        return Reports(
            self._store,
            table=self._table,
            assets=assets,
            summaries=self._summaries,
            clock=self._clock,
            uplink=self._config.uplink,
        )

    def _meet_inference(self) -> None:
        inference = Inference(
            self._config.assets,
            self._table.numbers,
            self._pipeline,
            clock=self._clock,
            on_change=self._sources.changed,
        )
        if self._config.assets:
            self._sources.expect(inference.name)
        self._server.on_batch = inference.take
        self._server.on_leave = inference.leave

    def _meet_safety(self, own: frozenset[TagId], recalled: Recalled) -> None:
        safety = Safety(
            own=own,
            add_tags=self._add_tags,
            origins=recalled.origins,
            hear=self._pipeline.hear,
            server=self._server,
        )
        self._sources.add(
            LinkSource(
                self._run_dir / SAFETY_SOCKET,
                name=SAFETY,
                register=safety.register,
                on_event=safety.hear,
                last_seen=safety.last_seen,
            )
        )

    def _tell_start(self, recalled: Recalled) -> None:
        now_ns = self._clock.utc_ns()
        uplink = self._config.uplink
        if uplink is not None:
            for gap in recalled.gaps_of_summaries(uplink.summary_period_s):
                self._gaps.note(gap)
        for event in recalled.events_of_gaps(now_ns):
            self._pipeline.hear(event)
        head = recalled.journal
        anchor: dict[str, str | int] = (
            {} if head is None else {JOURNAL_SEQ: head.seq, JOURNAL_HASH: head.hash}
        )
        self._pipeline.hear(
            Event(
                EventKind.SYSTEM,
                "started",
                now_ns,
                "the hub has started",
                details=anchor,
            )
        )

    async def _add_tags(self, tags: Sequence[Tag]) -> Mapping[TagId, int]:
        numbers = await self._store.register(tags)
        self._table.add(tags, numbers)
        self._latest.grow(self._table.size)
        if self._summaries is not None:
            self._summaries.grow(self._table.size)
        self._server.set_tags(self._store.epoch, self._table.entries())
        return numbers

    async def _tick(self) -> None:
        while True:
            await self._clock.sleep(TICK_S)
            self._pipeline.tick()
            self._recorder.tick()

    async def _ask_sources(self) -> None:
        while True:
            await self._clock.sleep(ASK_S)
            self._sources.tick()
            told = self._acts.processes
            said = words_of(told.get("sync", {}))
            said |= words_of(told.get("inference", {}), SENSORS)
            for event in self._store.take_news():
                self._pipeline.hear(event)
            own = SourceWord([Fault(each) for each in self._store.diagnostics])
            words = {**self._sources.words(), **said, BUFFER_NAME: own}
            if self._callout is not None:
                words[CALLOUT] = self._callout.word()
            self._pipeline.hear_sources(words)

    async def _note_unfilled(self) -> None:
        while True:
            await self._clock.sleep(NOTE_S)
            await self._resume.note()

    async def _note_fill(self) -> None:
        if self._reads is not None:
            await self._reads.run()

    async def _report(self) -> None:
        while self._reports is not None:
            await self._clock.sleep(REPORT_S)
            self._reports.summaries()

    async def _report_health(self) -> None:
        uplink = self._config.uplink
        while uplink is not None and self._reports is not None:
            await self._clock.sleep(uplink.health_period_s)
            status = self._acts.processes.get("inference", {})
            self._reports.health(status.get("models", {}))

    async def _anchor(self) -> None:
        hear = self._pipeline.hear
        await anchor_daily(self._buffer, hear, clock=self._clock)

    async def _watchdog(self) -> None:
        await self._server.wait_ready()
        log.info("the hub is ready")
        notify("READY=1")
        period_s = watchdog_period_s()
        while period_s is not None:
            notify("WATCHDOG=1")
            await self._clock.sleep(period_s)
