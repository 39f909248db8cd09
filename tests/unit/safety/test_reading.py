"""How the scan gets its readings and its commands."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from appliance.safety.desk import Answer, Desk
from appliance.safety.intake import Intake
from appliance.safety.logic import Commands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.safety.bench import FakeClock, FakePlant


@asynccontextmanager
async def reading(plant: FakePlant, clock: FakeClock) -> AsyncIterator[Intake]:
    intake = Intake(plant, deadline_s=0.5, clock=clock)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(intake.run(), name="intake")
        try:
            yield intake
        finally:
            task.cancel()


async def test_what_is_asked_for_arrives_once(
    plant: FakePlant, clock: FakeClock
) -> None:
    async with reading(plant, clock) as intake:
        assert intake.name == "plc"
        intake.ask()
        await intake.wait()
        arrived = intake.take()
        assert arrived["P/a"].sample.value == 1.0
        assert arrived["P/a"].at_s == 1000.0
        assert intake.take() == {}
    assert plant.opened == 0


async def test_a_slow_read_is_not_asked_again_and_is_as_old_as_its_question(
    plant: FakePlant,
    clock: FakeClock,
) -> None:
    plant.reading.clear()
    async with reading(plant, clock) as intake:
        intake.ask()
        await asyncio.sleep(0)
        clock.time_s += 0.3
        intake.ask()
        assert intake.take() == {}
        plant.reading.set()
        await intake.wait()
        assert plant.reads == 1
        assert intake.take()["P/a"].at_s == 1000.0


async def asked(desk: Desk, commands: Commands) -> asyncio.Task[Answer]:
    task = asyncio.get_running_loop().create_task(desk.ask(commands))
    await asyncio.sleep(0)
    return task


async def test_commands_are_taken_one_by_one_and_answered() -> None:
    desk = Desk()
    assert desk.take() == (Commands(), None)
    task = await asked(desk, Commands(arm=True))
    commands, ticket = desk.take()
    assert commands.arm
    assert ticket is not None
    ticket.set_result(Answer((), 7))
    assert (await task).seq == 7


async def test_between_two_resets_lies_a_scan_without_one() -> None:
    desk = Desk()
    reset = Commands(reset=frozenset({"motor"}))
    tasks = [await asked(desk, reset) for _ in range(2)]
    taken = [desk.take()[0].reset for _ in range(4)]
    assert taken == [reset.reset, frozenset(), reset.reset, frozenset()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_stop_overtakes_everything() -> None:
    desk = Desk()
    reset = Commands(reset=frozenset({"motor"}))
    tasks = [await asked(desk, each) for each in (reset, reset, Commands(stop="x"))]
    assert desk.take()[0].stop == "x"
    assert desk.take()[0].reset
    tasks.append(await asked(desk, Commands(stop="y")))
    assert desk.take()[0].stop == "y"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_has_gone_is_not_served() -> None:
    desk = Desk()
    task = await asked(desk, Commands(arm=True))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert desk.take() == (Commands(), None)
