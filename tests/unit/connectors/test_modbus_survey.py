from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import pytest

from connectors.modbus.source import next_due_s
from connectors.modbus.station import RefusedError, Station
from connectors.modbus.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.modbus.config import ModbusSettings
    from connectors.modbus.planner import Block
    from tests.unit.connectors.fakes import SetClock

    Build = Callable[..., ModbusSettings]

BUSY = 6


class Device:
    """Answers with the addresses themselves, refuses what is `absent` or when busy."""

    def __init__(self, absent: set[int]) -> None:
        self.absent = absent
        self.busy = False
        self.asked: list[Block] = []

    async def read(self, block: Block) -> list[int]:
        self.asked.append(block)
        wanted = range(block.address, block.address + block.count)
        if self.busy:
            raise RefusedError(BUSY)
        if self.absent & set(wanted):
            raise RefusedError(2)
        return list(wanted)


def survey_of(modbus: Build, addresses: range) -> Survey:
    tags = [{"id": f"a/{n}", "table": "input", "address": n} for n in addresses]
    settings = modbus(tags=tags)
    return Survey("plc", settings.tags, settings.limits)


async def read_all(
    survey: Survey, device: Device, clock: SetClock
) -> dict[int, int | None]:
    """Return what was read of each tag; a status is negative."""
    found: dict[int, int | None] = {}
    async for answer in survey.read(cast("Station", device), clock):
        for row in answer.block.rows:
            bad = answer.words is None
            found[row] = -answer.status if bad else answer.block.address
    return found


async def test_one_illegal_address_costs_only_its_own_tag(
    modbus: Build, clock: SetClock
) -> None:
    survey, device = survey_of(modbus, range(16)), Device(absent={5})
    found = await read_all(survey, device, clock)
    assert sorted(found) == list(range(16))
    assert {row for row, value in found.items() if value == -0x8034_0000} == {5}


async def test_what_was_learnt_is_not_asked_again(
    modbus: Build, clock: SetClock
) -> None:
    survey, device = survey_of(modbus, range(16)), Device(absent={5})
    await read_all(survey, device, clock)
    first = len(device.asked)
    await read_all(survey, device, clock)
    assert len(device.asked) - first < first


async def test_a_busy_device_is_not_split(modbus: Build, clock: SetClock) -> None:
    survey, device = survey_of(modbus, range(16)), Device(absent=set())
    device.busy = True
    assert len(await read_all(survey, device, clock)) == 16
    assert len(device.asked) == 1


async def test_a_refusal_is_logged_once_and_its_end_once(
    modbus: Build, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    survey, device = survey_of(modbus, range(3)), Device(absent=set())
    device.busy = True
    for _ in range(3):
        await read_all(survey, device, clock)
    device.busy = False
    for _ in range(3):
        await read_all(survey, device, clock)
    assert [record.levelno for record in caplog.records] == [
        logging.WARNING,
        logging.INFO,
    ]
    assert "a/0 and 2 others" in caplog.text


@pytest.mark.parametrize("code", range(1, 12))
def test_every_refusal_is_bad(code: int) -> None:
    assert RefusedError(code).status >> 31 == 1


@pytest.mark.parametrize(
    ("now_s", "due_s"), [(10.0, 11.0), (10.4, 11.0), (9.9, 11.0), (13.2, 14.0)]
)
def test_missed_polls_are_skipped_not_made_up_for(now_s: float, due_s: float) -> None:
    assert next_due_s(10.0, 1.0, now_s=now_s) == pytest.approx(due_s)
