"""A hub's parts around a store in memory and a clock that is set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from appliance.alarms.engine import AlarmEngine
from appliance.alarms.watch import Place
from appliance.config import AlarmSettings, AssetSettings, InitiatorSettings
from appliance.domain.health import derived_group, derived_tags
from appliance.domain.tag import Tag, TagId
from appliance.hub.assets import Assets
from appliance.hub.demands import Demands
from appliance.hub.latest import Latest
from appliance.hub.pipeline import Pipeline
from appliance.hub.recorder import EventRecorder
from appliance.hub.reports import Reports
from appliance.hub.summaries import Summaries
from appliance.hub.tagtable import TagTable
from appliance.storage.connection import StoreUnavailableError
from appliance.wire.outbox import decode_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appliance.domain.batch import Batch
    from appliance.domain.event import Event
    from appliance.wire.messages import BatchMessage, EventMessage
    from appliance.wire.outbox import Row, Stream

S = 1_000_000_000
START_NS = 1_700_000_000 * S

FLOW, SPEED = TagId("P-101/flow"), TagId("P-101/motor/speed")
BURST = TagId("P-101/DE/acceleration")
MEASURED = (
    Tag(FLOW, "m3/h", 0.0, 120.0),
    Tag(SPEED, "rpm", 0.0, 1800.0),
    Tag(BURST, "m/s2"),
)
GROUP = "plc.poll"


class ManualClock:
    """Time stands still unless a test moves it."""

    def __init__(self) -> None:
        self.at_s = 100.0

    def utc_ns(self) -> int:
        return START_NS + round(self.at_s * S)

    def now_s(self) -> float:
        return self.at_s

    async def sleep(self, seconds: float) -> None:
        self.at_s += seconds


@dataclass
class MemoryStore:
    """Keeps everything; refuses events while `refuses`."""

    epoch: str = "epoch-1"
    batches: list[Batch] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    rows: list[tuple[Stream, Row]] = field(default_factory=list)
    refuses: bool = False

    def append(self, batch: Batch) -> None:
        self.batches.append(batch)

    async def append_event(self, event: Event) -> int:
        if self.refuses:
            raise StoreUnavailableError("disk full")
        self.events.append(event)
        return len(self.events)

    def enqueue(self, stream: Stream, contents: Sequence[bytes], time_ns: int) -> None:
        assert time_ns >= START_NS
        self.rows += [(stream, decode_row(stream, each)) for each in contents]


@dataclass
class Shown:
    """What subscribers of the link would see."""

    batches: list[BatchMessage] = field(default_factory=list)
    events: list[EventMessage] = field(default_factory=list)

    def publish_batch(self, message: BatchMessage) -> None:
        self.batches.append(message)


@dataclass
class Road:
    """A pipeline and all it touches."""

    clock: ManualClock
    store: MemoryStore
    shown: Shown
    table: TagTable
    latest: Latest
    recorder: EventRecorder
    alarms: AlarmEngine
    assets: Assets
    summaries: Summaries
    reports: Reports
    demands: Demands
    pipeline: Pipeline

    def number(self, name: str) -> int:
        return self.table.numbers[TagId(name)]

    async def commit(self) -> list[str]:
        """Commit what was told; return the names of all events so far."""
        await self.recorder.flush()
        return [event.name for event in self.store.events]


ASSET = AssetSettings.model_validate(
    {
        "id": "P-101",
        "waveform_tag": BURST,
        "detection": {"window_s": 4, "hop_s": 1, "on_delay_s": 3},
    }
)
ALARM = AlarmSettings.model_validate(
    {"tag": FLOW, "rule": "high", "setpoint": 100.0, "priority": "high"}
)
MODEL_ROW = InitiatorSettings.model_validate(
    {"id": "model", "source": "model", "tag": "P-101/anomaly_score", "setpoint": 5.0}
)


@pytest.fixture
def manual_clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def road(tmp_path: Path) -> Road:
    clock, store, shown = ManualClock(), MemoryStore(), Shown()
    table, latest, summaries = TagTable(), Latest(), Summaries(10.0)
    tags = (*MEASURED, *derived_tags("P-101"))
    table.add(tags, {tag.id: n for n, tag in enumerate(tags, start=1)})
    latest.grow(table.size)
    summaries.grow(table.size)
    recorder = EventRecorder(store, shown.events.append, clock=clock)
    places = {tag.id: Place(table.numbers[tag.id], GROUP, 5.0) for tag in MEASURED}
    places |= {
        tag.id: Place(table.numbers[tag.id], derived_group("P-101"), 5.0)
        for tag in derived_tags("P-101")
    }
    alarms = AlarmEngine([ALARM], places, now_s=clock.at_s, utc_ns=clock.utc_ns())
    assets = Assets([ASSET], table.numbers, latest, anomalies={})
    reports = Reports(
        store, table=table, assets=assets, summaries=summaries, clock=clock
    )
    demands = Demands([MODEL_ROW], table.numbers, tmp_path / "safety.sock", clock=clock)
    pipeline = Pipeline(
        table=table,
        latest=latest,
        store=store,
        window=shown,
        recorder=recorder,
        alarms=alarms,
        assets=assets,
        reports=reports,
        demands=demands,
        clock=clock,
    )
    return Road(
        clock, store, shown, table, latest, recorder, alarms, assets, summaries,
        reports, demands, pipeline,
    )  # fmt: skip
