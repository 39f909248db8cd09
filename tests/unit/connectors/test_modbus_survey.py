from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from appliance.runtime.backoff import Backoff
from connectors.modbus.config import ModbusSettings
from connectors.modbus.planner import Barrier, Limits, Place, plan
from connectors.modbus.registers import Table
from connectors.modbus.station import RefusedError, Station
from connectors.modbus.survey import ILLEGAL_VALUE, Survey, UnreachableError
from connectors.modbus.terrain import Terrain
from tests.unit.connectors.fakes import SetClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from connectors.modbus.planner import Block

    Build = Callable[..., ModbusSettings]

BUSY = 6
ABSENT_STATUS = 0x8034_0000
AGAIN_S = 10.0


class Device:
    """Answers with the addresses themselves.

    It refuses what is `absent`, more than `longest` at once, and what reaches over a
    `wall` (from below it to it or above).
    """

    def __init__(
        self,
        absent: Iterable[int] = (),
        longest: int = 125,
        walls: Iterable[int] = (),
        too_long: int = 2,
    ) -> None:
        self.absent = set(absent)
        self.longest = longest
        self.walls = set(walls)
        self.too_long = too_long
        self.code = 0
        self.asked: list[Block] = []

    async def read(self, block: Block) -> list[int]:
        self.asked.append(block)
        if self.code:
            raise RefusedError(self.code)
        if block.count > self.longest:
            raise RefusedError(self.too_long)
        if any(block.address < wall < block.end for wall in self.walls):
            raise RefusedError(2)
        if self.absent & set(range(block.address, block.end)):
            raise RefusedError(2)
        return list(range(block.address, block.end))

    async def read_words(self, block: Block) -> list[int]:
        return await self.read(block)

    def count(self) -> int:
        """Return how often it was asked since the last time."""
        asked, self.asked = len(self.asked), []
        return asked


def settings_of(addresses: Iterable[int], **more: object) -> ModbusSettings:
    tags = [{"id": f"a/{n}", "table": "input", "address": n} for n in addresses]
    plc = {"name": "plc", "connector": "modbus", "host": "192.0.2.1"}
    return ModbusSettings.model_validate(plc | {"tags": tags} | more)


def survey_of(
    addresses: Iterable[int], *, explores: bool = True, **more: object
) -> Survey:
    settings = settings_of(addresses, **more)
    return Survey("plc", settings.tags, terrain_of(settings.limits), explores=explores)


def terrain_of(limits: Limits) -> Terrain:
    return Terrain(
        limits, patience=lambda: Backoff(AGAIN_S, 80.0, jitter=0.0, spread=lambda: 0.0)
    )


async def read_all(
    survey: Survey, device: Device, clock: SetClock
) -> dict[int, int | None]:
    """Return by row the address that was read; a status is negative."""
    found: dict[int, int | None] = {}
    async for answer in survey.read(cast("Station", device), clock):
        for row in answer.block.rows:
            assert row not in found
            place = survey_places(survey)[row]
            words = answer.words
            at = place.address - answer.block.address
            found[row] = -answer.status if words is None else words[at]
    return found


def survey_places(survey: Survey) -> list[Place]:
    return survey._places


async def test_one_illegal_address_costs_only_its_own_tag(clock: SetClock) -> None:
    survey, device = survey_of(range(16)), Device(absent={5})
    found = await read_all(survey, device, clock)
    assert found == {n: -ABSENT_STATUS if n == 5 else n for n in range(16)}


async def test_what_was_learnt_is_not_asked_again(clock: SetClock) -> None:
    """Not even the refused tag, for a while: its neighbours take two requests."""
    survey, device = survey_of(range(16)), Device(absent={5})
    await read_all(survey, device, clock)
    assert device.count() <= 9
    for _ in range(5):
        found = await read_all(survey, device, clock)
        assert found[5] == -ABSENT_STATUS
        assert device.count() == 2


async def test_what_was_learnt_outlives_a_survey_of_the_same_device(
    clock: SetClock,
) -> None:
    settings = settings_of(range(100))
    terrain, device = terrain_of(settings.limits), Device(longest=32)
    for _ in range(3):
        survey = Survey("plc", settings.tags, terrain, explores=True)
        await read_all(survey, device, clock)
        device.count()
    other = settings_of(range(500, 596))
    await read_all(Survey("plc", other.tags, terrain), device, clock)
    assert device.count() == 3


async def test_a_refused_tag_is_asked_for_again_after_a_growing_while(
    clock: SetClock,
) -> None:
    survey, device = survey_of(range(16)), Device(absent={5})
    await read_all(survey, device, clock)
    device.count()
    extra = 0
    for _ in range(100):
        clock.pass_s(1.0)
        await read_all(survey, device, clock)
        extra += device.count() - 2
    assert extra == 3  # after 10, 20 and 40 s


async def test_a_tag_that_is_given_after_all_joins_the_others(clock: SetClock) -> None:
    survey, device = survey_of(range(16)), Device(absent={5, 9})
    await read_all(survey, device, clock)
    device.absent.clear()
    clock.pass_s(AGAIN_S)
    assert (await read_all(survey, device, clock))[5] == 5
    device.count()
    assert await read_all(survey, device, clock) == {n: n for n in range(16)}
    assert device.count() == 1


async def test_a_device_that_refused_everything_for_a_while_is_read_as_before(
    clock: SetClock,
) -> None:
    survey, device = survey_of(range(100)), Device()
    device.code = 2
    for _ in range(10):
        assert len(await read_all(survey, device, clock)) == 100
    device.code = 0
    clock.pass_s(AGAIN_S)
    for _ in range(2):
        await read_all(survey, device, clock)
    device.count()
    assert await read_all(survey, device, clock) == {n: n for n in range(100)}
    assert device.count() == 1


async def test_a_hunt_does_not_take_the_bus_for_itself(clock: SetClock) -> None:
    survey, device = survey_of(range(125)), Device(absent=range(125))
    await read_all(survey, device, clock)
    assert device.count() <= 70
    for _ in range(5):
        await read_all(survey, device, clock)
    device.count()
    await read_all(survey, device, clock)
    assert device.count() == 0


@pytest.mark.parametrize("code", [2, ILLEGAL_VALUE])
async def test_the_longest_request_is_learnt_once(clock: SetClock, code: int) -> None:
    survey, device = survey_of(range(500)), Device(longest=32, too_long=code)
    assert await read_all(survey, device, clock) == {n: n for n in range(500)}
    for _ in range(3):
        await read_all(survey, device, clock)
    device.count()
    assert await read_all(survey, device, clock) == {n: n for n in range(500)}
    assert device.count() == 16  # 500 / 32


async def test_a_barrier_is_learnt_once_and_nothing_else_is_cut(
    clock: SetClock,
) -> None:
    survey, device = survey_of(range(100)), Device(walls={61})
    for _ in range(3):
        await read_all(survey, device, clock)
    device.count()
    assert await read_all(survey, device, clock) == {n: n for n in range(100)}
    assert device.count() == 2


async def test_a_gap_that_does_not_exist_is_left_out(clock: SetClock) -> None:
    addresses = [*range(20), *range(25, 45)]
    survey, device = survey_of(addresses), Device(absent={22})
    for _ in range(3):
        await read_all(survey, device, clock)
    device.count()
    found = await read_all(survey, device, clock)
    assert list(found.values()) == addresses
    assert device.count() == 2


async def test_a_refusal_that_was_a_whim_teaches_nothing(clock: SetClock) -> None:
    survey, device = survey_of(range(64)), Device(longest=40)
    station = cast("Station", device)
    answers = survey.read(station, clock)
    async for _ in answers:
        device.longest = 125  # from the first half on
    assert survey.version == 0
    device.count()
    await read_all(survey, device, clock)
    assert device.count() == 2  # the halves, until the next connection


async def test_a_device_too_busy_to_be_explored_is_left_in_peace(
    clock: SetClock,
) -> None:
    survey, device = survey_of(range(64)), Device(longest=40)
    async for answer in survey.read(cast("Station", device), clock):
        if answer.block.address:
            device.code = BUSY
    device.code = 0
    assert await read_all(survey, device, clock) == {n: n for n in range(64)}


async def test_safety_does_not_explore(clock: SetClock) -> None:
    survey, device = survey_of(range(64), explores=False), Device(longest=40)
    await read_all(survey, device, clock)
    assert device.count() == 3
    await read_all(survey, device, clock)
    assert device.count() == 2


async def test_without_patience_a_refused_tag_is_asked_for_every_time(
    clock: SetClock,
) -> None:
    settings, device = settings_of(range(4)), Device(absent={1})
    survey = Survey("plc", settings.tags, Terrain(settings.limits))
    await read_all(survey, device, clock)
    device.count()
    await read_all(survey, device, clock)
    assert device.count() == 3
    device.absent.clear()
    assert (await read_all(survey, device, clock))[1] == 1


async def test_a_busy_device_is_not_split(clock: SetClock) -> None:
    survey, device = survey_of(range(16)), Device()
    device.code = BUSY
    assert len(await read_all(survey, device, clock)) == 16
    assert device.count() == 1


async def test_a_gateway_that_reaches_nobody_ends_the_poll(clock: SetClock) -> None:
    survey, device = survey_of((0, 500, 900)), Device()
    device.code = 11
    with pytest.raises(UnreachableError, match="exception 11"):
        await read_all(survey, device, clock)
    assert device.count() == 1


async def test_a_refusal_is_logged_once_and_its_end_once(
    clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    survey, device = survey_of(range(3)), Device()
    device.code = BUSY
    for _ in range(3):
        await read_all(survey, device, clock)
    device.code = 0
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


def test_of_two_lengths_learnt_the_shorter_holds() -> None:
    terrain = Terrain(Limits())
    terrain.learn_longest(Table.INPUT, 20)
    terrain.learn_longest(Table.HOLDING, 30)
    terrain.learn_longest(Table.COIL, 100)
    assert terrain.limits == Limits(max_registers=20, max_bits=100)


@how(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sets(st.integers(0, 300), min_size=1, max_size=120),
    st.sets(st.integers(0, 300), max_size=6),
    st.sets(st.integers(1, 300), max_size=3),
    st.integers(4, 125),
)
async def test_of_any_device_everything_is_read_that_it_has_in_few_requests(
    addresses: set[int], absent: set[int], walls: set[int], longest: int
) -> None:
    """Once learnt, in at most a tenth more requests than who knew it all would need."""
    wanted = sorted(addresses)
    clock = SetClock()
    survey = survey_of(wanted)
    device = Device(absent, longest, walls)
    for _ in range(60):
        found = await read_all(survey, device, clock)
        assert len(found) == len(wanted)
        assert all(
            value in (wanted[row], -ABSENT_STATUS) for row, value in found.items()
        )
    assert found == {
        row: -ABSENT_STATUS if address in absent else address
        for row, address in enumerate(wanted)
    }
    device.count()
    await read_all(survey, device, clock)
    known = plan(
        [Place(Table.INPUT, n, 1) for n in wanted if n not in absent],
        Limits(max_registers=longest),
        barriers=[
            *(Barrier(Table.INPUT, n, n + 1) for n in absent),
            *(Barrier(Table.INPUT, n - 1, n + 1) for n in walls),
        ],
    )
    assert device.count() <= 1.1 * len(known)
