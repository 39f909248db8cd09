"""The parts of the hub, put together from the configuration; nothing runs yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.alarms.engine import AlarmEngine
from appliance.hub.acts import Acts
from appliance.hub.assets import Assets
from appliance.hub.calls import callout_of
from appliance.hub.demands import Demands
from appliance.hub.explaining import Explaining
from appliance.hub.gaps import GapRecorder
from appliance.hub.pipeline import Pipeline
from appliance.hub.places import places_of
from appliance.hub.reads import Reads
from appliance.hub.reports import Reports
from appliance.hub.resume import Resume
from appliance.hub.status import Status

if TYPE_CHECKING:
    from appliance.hub.callout import Callout
    from appliance.hub.groundwork import Groundwork
    from appliance.hub.recall import Recalled


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """All of them. `reports` and `callout` are there where they are configured."""

    ground: Groundwork
    pipeline: Pipeline
    alarms: AlarmEngine
    assets: Assets
    demands: Demands
    gaps: GapRecorder
    resume: Resume
    status: Status
    acts: Acts
    reads: Reads
    reports: Reports | None
    callout: Callout | None


def parts_of(ground: Groundwork, recalled: Recalled) -> Parts:
    """Build everything on ground whose tags have their numbers. No side effects."""
    alarms, assets = _alarms_of(ground, recalled), _assets_of(ground, recalled)
    demands, reports = _demands_of(ground), _reports_of(ground, assets)
    pipeline = Pipeline(
        table=ground.table,
        latest=ground.latest,
        store=ground.store,
        window=ground.server,
        recorder=ground.recorder,
        alarms=alarms,
        assets=assets,
        reports=reports,
        demands=demands,
        clock=ground.clock,
    )
    gaps = GapRecorder(ground.store, pipeline.hear, clock=ground.clock)
    status, acts = _told_of(ground, pipeline, gaps)
    return Parts(
        ground=ground,
        pipeline=pipeline,
        alarms=alarms,
        assets=assets,
        demands=demands,
        gaps=gaps,
        resume=_resume_of(ground),
        status=status,
        acts=acts,
        reads=_reads_of(ground),
        reports=reports,
        callout=_callout_of(ground, alarms),
    )


def _alarms_of(ground: Groundwork, recalled: Recalled) -> AlarmEngine:
    numbers, sources = ground.table.numbers, ground.sources.by_name
    return AlarmEngine(
        ground.config.alarms,
        places_of(ground.config, sources, numbers),
        now_s=ground.clock.now_s(),
        utc_ns=ground.clock.utc_ns(),
        recalled=recalled.alarms,
        lately=recalled.lately,
        explain=Explaining(ground.latest, numbers).of,
    )


def _assets_of(ground: Groundwork, recalled: Recalled) -> Assets:
    return Assets(
        ground.config.assets,
        ground.table.numbers,
        ground.latest,
        anomalies=recalled.anomalies,
    )


def _demands_of(ground: Groundwork) -> Demands:
    return Demands(
        ground.config.initiators,
        ground.table.numbers,
        ground.safety_socket,
        clock=ground.clock,
    )


def _reports_of(ground: Groundwork, assets: Assets) -> Reports | None:
    if ground.summaries is None:
        return None
    return Reports(
        ground.store,
        table=ground.table,
        assets=assets,
        summaries=ground.summaries,
        clock=ground.clock,
        uplink=ground.config.uplink,
    )


def _told_of(
    ground: Groundwork, pipeline: Pipeline, gaps: GapRecorder
) -> tuple[Status, Acts]:
    status = Status(
        store=ground.store,
        sources=ground.sources,
        pipeline=pipeline,
        latest=ground.latest,
        recorder=ground.recorder,
        gaps=gaps,
        server=ground.server,
        watch=ground.watch,
        processes=lambda: acts.processes,
    )
    acts = Acts(
        store=ground.store,
        table=ground.table,
        recorder=ground.recorder,
        clock=ground.clock,
        status=status.tell,
    )
    return status, acts


def _resume_of(ground: Groundwork) -> Resume:
    sources, numbers = ground.sources.by_name, ground.table.numbers
    return Resume(ground.store, sources.values(), numbers)


def _reads_of(ground: Groundwork) -> Reads:
    store = ground.store
    return Reads(ground.config, ground.buffer, ground.clock, usage=lambda: store.usage)


def _callout_of(ground: Groundwork, alarms: AlarmEngine) -> Callout | None:
    return callout_of(
        ground.config,
        alarms=alarms,
        recorder=ground.recorder,
        latest=ground.latest,
        numbers=ground.table.numbers,
        clock=ground.clock,
    )
