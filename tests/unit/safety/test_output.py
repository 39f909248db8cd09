"""De-energise to stop: what is written, in which order, and what if it fails."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from appliance.safety import output as output_module
from appliance.safety.latch import Report
from appliance.safety.logic import Order
from appliance.safety.output import ElementWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.unit.safety.bench import FakeClock, FakePlant, MakeElement

RUN = Order(may_run=True, beat=True)
STOP = Order(may_run=False, beat=True)
SILENT, PERMIT = Order(may_run=False, beat=False), Order(may_run=True, beat=False)


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
        for _ in range(3):
            writer.order(RUN)
            await settled()
        plant.refuse = False
        for beaten in (1, 2, 3, 4):
            assert writer.has_beaten is (beaten >= 3)
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
        assert w.has_beaten, "there is nothing that the PLC could watch"


async def test_a_standing_stop_is_written_again_a_permit_is_not(
    writer: ElementWriter,
    plant: FakePlant,
    clock: FakeClock,
) -> None:
    async with writing(writer):
        for order, writes in ((SILENT, [1, 1, 2, 2]), (PERMIT, [1, 1, 1, 1])):
            plant.writes.clear()
            found = []
            for passes_s in (0.0, 0.75, 0.25, 0.0):
                clock.time_s += passes_s
                writer.order(order)
                await settled()
                found.append(len(plant.writes))
            assert found == writes


@pytest.mark.requirement("A11")
async def test_a_failing_stop_is_tried_a_bounded_number_of_times_per_scan(
    writer: ElementWriter,
    plant: FakePlant,
) -> None:
    plant.refuse = True
    async with writing(writer):
        writer.order(STOP)
        await settled()
        assert plant.writes == [("permit", 0.0)] * 3
        assert writer.report.point is None
        assert not writer.report.written
        plant.refuse = False
        writer.order(STOP)
        await settled()
        assert writer.report == Report(point=False, written=True)
        assert plant.writes[-1] == ("beat", 1.0)


@pytest.mark.requirement("A11")
async def test_a_stop_waits_no_longer_than_its_grace_for_a_write_under_way(
    writer: ElementWriter, plant: FakePlant
) -> None:
    async with writing(writer):
        writer.order(RUN)
        await settled()
        plant.hang.clear()
        writer.order(RUN)
        await settled()
        assert ends_in_s(writer) > 0.1, "a heartbeat has its time"
        writer.order(RUN)
        assert ends_in_s(writer) > 0.1
        writer.order(STOP)
        assert 0.0 < ends_in_s(writer) <= 0.02
        plant.hang.set()
        await until(lambda: writer.report.point is False)


@pytest.mark.requirement("A11")
async def test_a_stop_under_way_is_not_cut_off_by_the_next_scan_that_wants_it_too(
    writer: ElementWriter, plant: FakePlant
) -> None:
    plant.hang.clear()
    async with writing(writer):
        writer.order(STOP)
        await settled()
        writer.order(STOP)
        assert ends_in_s(writer) > 0.1
        writer.order(RUN)
        assert ends_in_s(writer) > 0.1, "a permit is in no hurry"
        plant.hang.set()
        await until(lambda: writer.report.point is True)


def ends_in_s(writer: ElementWriter) -> float:
    """Return how long the write under way may still take."""
    assert writer._patience is not None
    when = writer._patience.when()
    assert when is not None
    return when - asyncio.get_running_loop().time()


async def test_a_loss_is_logged_once_and_so_is_its_end(
    writer: ElementWriter, plant: FakePlant, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert writer.report == Report(point=None, written=True)
    async with writing(writer):
        for refuse in (False, True, True, False, False, True, False):
            plant.refuse = refuse
            writer.order(PERMIT)
            writer._point = None  # so that it is written
            await settled()
    assert [each.getMessage() for each in caplog.records] == [
        "element motor cannot be written: permit: refused",
        "element motor can be written again",
    ] * 2


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
        assert writer.report == Report(point=None, written=True)


async def test_standing_down_forgets_that_something_could_not_be_written(
    writer: ElementWriter, plant: FakePlant
) -> None:
    plant.refuse = True
    async with writing(writer):
        writer.order(RUN)
        await settled()
        assert not writer.report.written
        writer.stand_down()
        assert writer.report == Report(point=None, written=True)


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
