"""Which tasks the hub runs, and what the periodic ones do in each turn."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from appliance.alarms.calling import CALLOUT
from appliance.alarms.sources import Fault, SourceWord
from appliance.hub.anchor import anchor_daily
from appliance.hub.model_figures import LOOK_EACH_S
from appliance.hub.uplink import SENSORS, words_of
from appliance.runtime.metrics import serve_metrics
from appliance.runtime.notify import notify, watchdog_period_s

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from appliance.hub.parts import Parts
    from appliance.hub.reports import Reports

    Task = tuple[str, Coroutine[object, object, None]]

log = logging.getLogger(__name__)

BUFFER_NAME = "buffer"
"""Under which the buffer's own faults stand among those of the sources."""
TICK_S = 0.2
ASK_S = 1.0
NOTE_S = 5.0
REPORT_S = 1.0


async def serve(parts: Parts) -> None:
    """Run everything until cancelled."""
    async with asyncio.TaskGroup() as group:
        for name, work in _tasks_of(parts):
            group.create_task(work, name=f"hub.{name}")


async def close(parts: Parts) -> None:
    """After the end of all tasks: what was told is committed."""
    if parts.reports is not None:
        parts.reports.close()
    parts.gaps.tell()
    await parts.ground.recorder.flush()


def _tasks_of(parts: Parts) -> Iterator[Task]:
    ground, hear = parts.ground, parts.pipeline.hear
    yield "store", ground.store.run()
    yield "store.care", ground.store.care()
    yield "events", ground.recorder.run()
    yield "gaps", parts.gaps.run()
    yield "link", ground.server.serve()
    yield "alarms", _tick(parts)
    yield "clock", ground.watch.run(hear)
    yield "sources", _ask_sources(parts)
    yield "resume", _note_unfilled(parts)
    yield from _tasks_of_reports(parts)
    yield "demands", parts.demands.run()
    yield "anchor", anchor_daily(ground.buffer, hear, clock=ground.clock)
    yield "watchdog", _watchdog(parts)
    yield "fill", parts.reads.run()
    if parts.callout is not None:
        yield "callout", parts.callout.run()
    if ground.config.metrics is not None:
        listen = ground.config.metrics.listen
        yield "metrics", serve_metrics(listen, parts.status.figures)
    yield from _tasks_of_sources(parts)


def _tasks_of_reports(parts: Parts) -> Iterator[Task]:
    uplink, reports = parts.ground.config.uplink, parts.reports
    if uplink is not None and reports is not None:
        yield "reports", _report(parts, reports)
        yield "health", _report_health(parts, reports, uplink.health_period_s)
        yield "models", _report_models(parts, reports)


def _tasks_of_sources(parts: Parts) -> Iterator[Task]:
    ground = parts.ground
    for name, source in ground.sources.by_name.items():
        work = ground.sources.supervise(
            source,
            ground.table.numbers,
            parts.pipeline.ingest,
            declare=parts.gaps.declare,
        )
        yield f"source.{name}", work


async def _tick(parts: Parts) -> None:
    while True:
        await parts.ground.clock.sleep(TICK_S)
        parts.pipeline.tick()
        parts.ground.recorder.tick()


async def _ask_sources(parts: Parts) -> None:
    ground = parts.ground
    while True:
        await ground.clock.sleep(ASK_S)
        ground.sources.tick()
        said = _words_of_processes(parts)
        for event in ground.store.take_news():
            parts.pipeline.hear(event)
        own = SourceWord([Fault(each) for each in ground.store.diagnostics])
        words = {**ground.sources.words(), **said, BUFFER_NAME: own}
        if parts.callout is not None:
            words[CALLOUT] = parts.callout.word()
        parts.pipeline.hear_sources(words)


def _words_of_processes(parts: Parts) -> dict[str, SourceWord]:
    told = parts.acts.processes
    said = words_of(told.get("sync", {}))
    return said | words_of(told.get("inference", {}), SENSORS)


async def _note_unfilled(parts: Parts) -> None:
    while True:
        await parts.ground.clock.sleep(NOTE_S)
        await parts.resume.note()


async def _report(parts: Parts, reports: Reports) -> None:
    while True:
        await parts.ground.clock.sleep(REPORT_S)
        reports.summaries()


async def _report_health(parts: Parts, reports: Reports, period_s: float) -> None:
    while True:
        await parts.ground.clock.sleep(period_s)
        status = parts.acts.processes.get("inference", {})
        reports.health(status.get("models", {}))


async def _report_models(parts: Parts, reports: Reports) -> None:
    while True:
        await parts.ground.clock.sleep(LOOK_EACH_S)
        reports.models(parts.acts.processes.get("inference", {}))


async def _watchdog(parts: Parts) -> None:
    await parts.ground.server.wait_ready()
    log.info("the hub is ready")
    notify("READY=1")
    period_s = watchdog_period_s()
    while period_s is not None:
        notify("WATCHDOG=1")
        await parts.ground.clock.sleep(period_s)
