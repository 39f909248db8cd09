"""De-energise to stop: what is written, in which order, and what if it fails."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from appliance.safety import output as output_module
from appliance.safety.latch import Report
from appliance.safety.logic import Order
from appliance.safety.output import ATTEMPTS, PROOF_BEATS, REFRESH_S, ElementWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.unit.safety.bench import FakeClock, FakePlant, MakeElement

RUN = Order(may_run=True, beat=True)
STOP = Order(may_run=False, beat=True)
SILENT = Order(may_run=False, beat=False)


@asynccontextmanager
async def writing(writer: ElementWriter) -> AsyncIterator[ElementWriter]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(writer.run(), name="writer")
        try:
            yield writer
        finally:
            task.cancel()


@pytest.fixture
def writer(element: MakeElement, plant: FakePlant, clock: FakeClock) -> ElementWriter:
    return ElementWriter(element(), plant, clock=clock)


async def settled(rounds: int = 20) -> None:
    for _ in range(rounds):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0)


async def test_the_run_point_goes_before_the_heartbeat(
    writer: ElementWriter,
    plant: FakePlant,
) -> None:
    async with writing(writer):
        assert writer.report.point is None
        writer.order(RUN)
        await settled()
        assert plant.writes == [("permit", 1.0), ("beat", 1.0)]
        assert writer.report.point is True


async def test_a_proved_point_is_not_written_again_but_the_heart_beats(
    writer: ElementWriter,
    plant: FakePlant,
) -> None:
    async with writing(writer):
        for _ in range(3):
            writer.order(RUN)
            await settled()
        assert plant.writes == [
            ("permit", 1.0), ("beat", 1.0), ("beat", 2.0), ("beat", 3.0),
        ]  # fmt: skip
        assert writer.heartbeat == 3


async def test_the_heartbeat_starts_again_after_the_largest_number(
    writer: ElementWriter,
    plant: FakePlant,
) -> None:
    writer._beats = 65_535
    async with writing(writer):
        writer.order(RUN)
        await settled()
        assert plant.points["beat"] == 0.0


@pytest.mark.requirement("A12")
async def test_a_withheld_heartbeat_is_not_written(
    writer: ElementWriter,
    plant: FakePlant,
) -> None:
    async with writing(writer):
        writer.order(SILENT)
        await settled()
        assert plant.writes == [("permit", 0.0)]


@pytest.mark.requirement("A12")
async def test_only_beats_that_were_written_prove_to_the_plc_that_we_live(
    writer: ElementWriter,
    plant: FakePlant,
) -> None:
    async with writing(writer):
        writer.order(RUN)
        await settled()
        plant.refuse = True
        for _ in range(PROOF_BEATS):
            writer.order(RUN)
            await settled()
        assert not writer.has_beaten
        plant.refuse = False
        for _ in range(PROOF_BEATS):
            writer.order(RUN)
            await settled()
        assert writer.has_beaten


async def test_an_element_without_heartbeat_is_only_permitted(
    element: MakeElement,
    plant: FakePlant,
    clock: FakeClock,
) -> None:
    async with writing(ElementWriter(element(heartbeat=None), plant, clock=clock)) as w:
        w.order(RUN)
        await settled()
        assert plant.writes == [("permit", 1.0)]


async def test_a_standing_stop_is_written_again_a_permit_is_not(
    writer: ElementWriter,
    plant: FakePlant,
    clock: FakeClock,
) -> None:
    async with writing(writer):
        for order, writes in ((SILENT, 2), (Order(may_run=True, beat=False), 1)):
            plant.writes.clear()
            writer.order(order)
            await settled()
            clock.time_s += REFRESH_S
            writer.order(order)
            await settled()
            assert len(plant.writes) == writes


@pytest.mark.requirement("A11")
async def test_a_failing_stop_is_tried_a_bounded_number_of_times_per_scan(
    writer: ElementWriter,
    plant: FakePlant,
) -> None:
    plant.refuse = True
    async with writing(writer):
        writer.order(STOP)
        await settled()
        assert plant.writes == [("permit", 0.0)] * ATTEMPTS
        assert writer.report.point is None
        assert not writer.report.written
        plant.refuse = False
        writer.order(STOP)
        await settled()
        assert writer.report == Report(point=False, written=True)
        assert plant.writes[-1] == ("beat", 1.0)


async def test_a_stop_cuts_off_a_heartbeat_that_hangs(
    writer: ElementWriter,
    plant: FakePlant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output_module, "GRACE_S", 0.0)
    async with writing(writer):
        writer.order(RUN)
        await settled()
        plant.hang.clear()
        writer.order(RUN)
        await settled()
        writer.order(RUN)  # one is under way: this heartbeat is left out
        writer.order(STOP)
        plant.hang.set()
        await until(lambda: writer.report.point is False)
        assert plant.points["permit"] == 0.0


@pytest.mark.requirement("A11")
@pytest.mark.requirement("A13")
async def test_a_write_that_never_ends_is_given_up(
    element: MakeElement,
    plant: FakePlant,
    clock: FakeClock,
) -> None:
    quick = ElementWriter(element(confirm_within_s=0.004), plant, clock=clock)
    plant.hang.clear()
    async with writing(quick):
        quick.order(STOP)
        await until(lambda: not quick.report.written)
        assert quick.report.point is None


async def test_standing_down_writes_nothing_and_forgets(
    writer: ElementWriter,
    plant: FakePlant,
) -> None:
    async with writing(writer):
        writer.order(RUN)
        await settled()
        plant.writes.clear()
        writer.stand_down()
        writer._wake.set()
        await settled()
        assert plant.writes == []
        assert writer.report.point is None


async def test_an_order_changed_under_way_ends_in_the_new_one(
    writer: ElementWriter,
    plant: FakePlant,
) -> None:
    plant.hang.clear()
    async with writing(writer):
        writer.order(RUN)
        await settled()
        writer.order(STOP)
        plant.hang.set()
        await until(lambda: writer.report.point is False)
        assert plant.points["permit"] == 0.0
