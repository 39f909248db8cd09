"""A wrong clock, from the buffer to the lake: nothing is changed, all is corrected."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from appliance.config.model import StorageSettings
from appliance.domain.batch import batch_of
from appliance.domain.era import era_of
from appliance.domain.event import Event, EventKind
from appliance.domain.tag import Tag, parse_tag_id
from appliance.hub.summaries import Summaries, row_of_summary
from appliance.hub.timekeeping import ClockWatch
from appliance.runtime.clock import ClockReading, SystemClock
from appliance.runtime.timekeeping import Timekeeper
from appliance.storage.reader import open_reader
from appliance.storage.store import open_store
from appliance.wire.outbox import Stream, encode_payload, encode_row, topic
from fleet.analysis import trends_of
from fleet.ingest import Ingest
from fleet.lake import open_lake
from fleet.writer import open_writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appliance.storage.store import BufferStore

pytestmark = pytest.mark.system

S = 1_000_000_000
HOUR = 3600 * S
TRUE_START = 1_790_000_040 * S
OURS = parse_tag_id("P-101/flow")
PLC = parse_tag_id("P-101/pressure")


class Machine:
    """Clocks that a test sets."""

    boot_id = "boot-1"

    def __init__(self, wrong_by_ns: int, *, synchronised: bool = False) -> None:
        self.up_ns = 0
        self.wrong_by_ns = wrong_by_ns
        self.synchronised = synchronised

    @property
    def true_ns(self) -> int:
        return TRUE_START + self.up_ns

    def monotonic_ns(self) -> int:
        return self.up_ns

    def read(self) -> ClockReading:
        wall_ns = self.true_ns + self.wrong_by_ns
        return ClockReading(self.up_ns, wall_ns, self.synchronised, self.boot_id)


class Gateway:
    """A buffer whose samples come every 10 s: one tag on our clock, one on a PLC's."""

    def __init__(self, store: BufferStore, machine: Machine) -> None:
        self.store = store
        self.machine = machine
        self.keeper = Timekeeper(SystemClock(), machine)
        self.watch = ClockWatch(store, self.keeper)
        self.truth: list[int] = []
        self.summaries = Summaries(60.0)
        self.summaries.grow(3)

    async def begin(self) -> None:
        numbers = await self.store.register(
            [Tag(OURS, "m3/h", 0, 1e9), Tag(PLC, "bar", 0, 1e9)]
        )
        assert sorted(numbers.values()) == [1, 2]
        await self.tell(await self.watch.begin())

    async def tell(self, events: tuple[Event, ...]) -> None:
        for event in events:
            await self.store.append_event(event)

    async def live(self, samples: int) -> None:
        for _ in range(samples):
            self.machine.up_ns += 10 * S
            now_ns = self.keeper.utc_ns()
            value = float(len(self.truth))
            self.truth.append(self.machine.true_ns)
            plc_ns = 946_684_800 * S + self.machine.up_ns  # it thinks it is 2000
            batch = batch_of(
                [1, 2],
                [value, value],
                source_time_ns=[now_ns, plc_ns],
                receive_time_ns=now_ns,
            )
            self.store.append(batch)
            self.report(now_ns)
            self.summaries.add(batch)
        await self.store.flush()

    def report(self, now_ns: int) -> None:
        found = self.summaries.due(now_ns, {1: OURS, 2: PLC})
        rows = [encode_row(row_of_summary(each)) for each in found]
        if rows:
            self.store.enqueue(Stream.SUMMARY, rows, now_ns)

    async def set_clock(self, wrong_by_ns: int, *, synchronised: bool) -> None:
        self.machine.wrong_by_ns = wrong_by_ns
        self.machine.synchronised = synchronised
        await self.tell(await self.watch.look())


@asynccontextmanager
async def gateway(path: Path, machine: Machine) -> AsyncIterator[Gateway]:
    settings = StorageSettings()
    async with open_store(path, settings, SystemClock()) as store:
        made = Gateway(store, machine)
        await made.begin()
        yield made


async def send(store: BufferStore, lake: Path) -> None:
    """Take the whole outbox to the lake."""
    with open_writer(lake) as writer:
        ingest = Ingest(writer)
        for stream in (Stream.EVENT, Stream.SUMMARY):
            rows = await store.outbox_read(stream, 0, 10_000)
            payload = encode_payload(
                epoch=store.epoch,
                stream=stream,
                first_seq=rows[0][0],
                rows=[content for _, content in rows],
            )
            ingest.take(topic("plant-1", "gw-1", stream), payload)
        assert ingest.counters["payloads_broken"] == 0
        ingest.commit()


def stored_times(path: Path, span: tuple[int, int] | None = None) -> list[int]:
    with open_reader(path) as reader:
        if span is None:
            return list(map(int, reader.columns(OURS).source_time_ns))
        kept = reader.history(OURS, *span, points=10_000)
        return list(map(int, kept.source_time_ns))


def near(found: list[int], truth: list[int]) -> bool:
    pairs = zip(found, truth, strict=True)
    return all(abs(one - other) < 1000 for one, other in pairs)


async def test_a_boot_at_1970_is_corrected_here_and_in_the_lake(tmp_path: Path) -> None:
    path = tmp_path / "buffer.db"
    async with gateway(path, Machine(-TRUE_START)) as ours:
        await ours.live(60)
        before = stored_times(path)
        assert max(before) < HOUR
        await ours.set_clock(0, synchronised=True)
        await ours.live(60)
        assert near(stored_times(path), ours.truth)
        start, end = ours.truth[0] - S, ours.truth[-1] + S
        assert near(stored_times(path, (start, end)), ours.truth)
        kept = await ours.store.history(1, start, end, points=1000)
        assert near(kept.source_time_ns.tolist(), ours.truth)
        assert stored_times(path, (0, HOUR)) == []
        await ours.store.fold()
        assert near(stored_times(path), ours.truth)
        with open_reader(path) as reader:
            plc = reader.columns(PLC).source_time_ns
            assert plc[0] == 946_684_800 * S + 10 * S
            names = [event.name for event in reader.events()]
        assert names == [
            "clock_unsynchronised", "clock_step", "clock_synchronised",
            "clock_offset", "clock_offset",
        ]  # fmt: skip
        await send(ours.store, tmp_path / "lake")
    with open_lake(tmp_path / "lake") as lake:
        stamped = lake.rows(Stream.SUMMARY)
        meant = lake.rows(Stream.SUMMARY, meant=True)
        assert min(row["start_ns"] for row in stamped) < HOUR
        starts = [row["start_ns"] for row in meant]
        assert starts == sorted(starts)
        assert abs(starts[0] - TRUE_START) <= 60 * S
        (trend,) = trends_of(lake, "P-101")
        # 1 a 10 s is 8 640 a day; with 1970 in it there would be no slope at all.
        drift = {each.tag: each.slope_per_day for each in trend.drifts}
        assert drift[OURS] == pytest.approx(8640, rel=0.01)


@pytest.mark.parametrize("step_ns", [HOUR, -HOUR])
async def test_a_step_of_an_hour_leaves_order_and_truth(
    tmp_path: Path, step_ns: int
) -> None:
    path = tmp_path / "buffer.db"
    async with gateway(path, Machine(0, synchronised=True)) as ours:
        await ours.live(400)
        await ours.set_clock(step_ns, synchronised=False)
        await ours.live(30)
        await ours.set_clock(0, synchronised=True)
        await ours.live(400)
        await ours.store.fold()
        assert near(stored_times(path), ours.truth)
        with open_reader(path) as reader:
            values = reader.columns(OURS).value.tolist()
        assert values == sorted(values)
        await send(ours.store, tmp_path / "lake")
    with open_lake(tmp_path / "lake") as lake:
        meant = lake.rows(Stream.SUMMARY, meant=True)
        starts = [row["start_ns"] for row in meant if row["tag"] == OURS]
        assert starts == sorted(starts)
        assert max(starts) < ours.truth[-1]
        total = sum(row["count"] for row in meant if row["tag"] == OURS)
        assert total > 800


async def test_the_record_outlives_a_restart_and_the_era_goes_on(
    tmp_path: Path,
) -> None:
    path, machine = tmp_path / "buffer.db", Machine(-TRUE_START)
    async with gateway(path, machine) as ours:
        await ours.live(10)
        truth = ours.truth
        era = ours.keeper.era
    async with gateway(path, machine) as ours:
        assert ours.keeper.era == era
        await ours.live(10)
        await ours.set_clock(0, synchronised=True)
        assert ours.watch.status() == {
            "synchronised": True, "era": 2, "boot_id": "boot-1", "steps": 1,
            "offsets": 1,
        }  # fmt: skip
        assert near(stored_times(path), truth + ours.truth)


async def test_an_event_bears_the_era_of_its_clock(tmp_path: Path) -> None:
    path, machine = tmp_path / "buffer.db", Machine(-HOUR)
    async with gateway(path, machine) as ours:
        event = Event(EventKind.AUDIT, "test", ours.keeper.utc_ns(), "said")
        assert era_of(event.time_ns) == 1
        await ours.store.append_event(event)
        await ours.set_clock(0, synchronised=True)
        with open_reader(path) as reader:
            (found,) = (each for each in reader.events() if each.name == "test")
            assert abs(found.time_ns - machine.true_ns) < 1000
