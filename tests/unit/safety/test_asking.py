"""The point by which the PLC is asked: written once proved, tried once a scan."""

from __future__ import annotations

import asyncio

import pytest

from appliance.config import MaintenanceSettings
from appliance.safety.asking import WITHIN_S, RequestWriter
from tests.unit.safety.bench import FakePlant

pytestmark = pytest.mark.requirement("A4")
RULES = MaintenanceSettings(
    output="plc", request="ask", granted="P/granted", longest_s=60
)


async def test_a_request_is_tried_once_a_scan_until_it_is_proved() -> None:
    plc = FakePlant()
    writer = RequestWriter(RULES, plc)
    plc.refuse = True
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run(), name="asking")
        for expected in (1, 2):
            writer.order(request=True)
            while len(plc.writes) < expected:
                await asyncio.sleep(0)
        plc.refuse = False
        writer.order(request=True)
        while plc.points.get("ask") != 1.0:
            await asyncio.sleep(0)
        writer.order(request=True)
        await asyncio.sleep(0)
        assert len(plc.writes) == 3
        writer.order(request=None)
        writer.order(request=True)
        while len(plc.writes) < 4:
            await asyncio.sleep(0)
        writer.order(request=False)
        writer.order(request=None)
        await asyncio.sleep(0)
        assert len(plc.writes) == 4, "taken back before it was written"
        running.cancel()


async def test_a_request_that_hangs_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("appliance.safety.asking.WITHIN_S", WITHIN_S / 50)
    plc = FakePlant()
    plc.hang.clear()
    writer = RequestWriter(RULES, plc)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run(), name="asking")
        writer.order(request=True)
        await asyncio.sleep(WITHIN_S / 10)
        plc.hang.set()
        writer.order(request=True)
        while plc.points.get("ask") != 1.0:
            await asyncio.sleep(0)
        running.cancel()


async def test_what_is_ordered_again_while_it_is_written_is_written_once() -> None:
    plc = FakePlant()
    plc.hang.clear()
    writer = RequestWriter(RULES, plc)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run(), name="asking")
        writer.order(request=True)
        await asyncio.sleep(0)
        writer.order(request=True)
        plc.hang.set()
        for _ in range(10):
            await asyncio.sleep(0)
        running.cancel()
    assert plc.writes == [("ask", 1.0)]


async def test_a_loss_is_logged_once_until_it_is_written_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plc = FakePlant()
    writer = RequestWriter(RULES, plc)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run(), name="asking")
        for count, refuse in enumerate((True, True, False, True), start=1):
            plc.refuse = refuse
            writer.order(request=None)
            writer.order(request=True)
            while len(plc.writes) < count:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
        running.cancel()
    said = [each.getMessage() for each in caplog.records]
    assert said == ["ask cannot be written: refused"] * 2


async def test_a_write_may_take_a_quarter_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So long may a stop on the same connection wait for it."""
    given: list[float] = []
    patience = asyncio.timeout

    def noted(delay: float) -> asyncio.Timeout:
        given.append(delay)
        return patience(delay)

    class Deadline(FakePlant):
        async def write(self, point: str, value: float, *, deadline_s: float) -> None:
            given.append(deadline_s)
            await super().write(point, value, deadline_s=deadline_s)

    plc = Deadline()
    writer = RequestWriter(RULES, plc)
    monkeypatch.setattr(asyncio, "timeout", noted)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run(), name="asking")
        writer.order(request=True)
        while not plc.writes:
            await asyncio.sleep(0)
        running.cancel()
    assert given == [0.25, 0.25]
