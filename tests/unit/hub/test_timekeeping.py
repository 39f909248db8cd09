"""The hub keeps the record of the clock; the uplink's faults become alarms."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance.domain.era import ClockOffset, Era, era_of
from appliance.hub.timekeeping import ClockWatch
from appliance.hub.uplink import SENSORS, words_of
from appliance.runtime.clock import ClockReading, SystemClock
from appliance.runtime.tasks import companions
from appliance.runtime.timekeeping import Timekeeper
from appliance.storage.connection import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.domain.event import Event

S = 1_000_000_000


class Store:
    """A record in memory, on a disk that may refuse."""

    def __init__(self) -> None:
        self.eras: list[Era] = []
        self.offsets: list[ClockOffset] = []
        self.refuses = False

    async def clock_record(self) -> tuple[Sequence[Era], Sequence[ClockOffset]]:
        return self.eras, self.offsets

    async def note_clock(self, era: Era | None, offsets: Sequence[ClockOffset]) -> None:
        if self.refuses:
            raise StoreUnavailableError("full")
        self.eras += [] if era is None else [era]
        self.offsets += offsets


class Machine:
    """Clocks that a test sets; sleeping takes no time."""

    def __init__(self) -> None:
        self.up_ns, self.wall_ns, self.synchronised = S, 50 * S, True

    def monotonic_ns(self) -> int:
        return self.up_ns

    def read(self) -> ClockReading:
        return ClockReading(self.up_ns, self.wall_ns, self.synchronised, "boot")


class Quick(SystemClock):
    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 1000)


async def test_a_disk_that_refuses_keeps_the_old_era_until_it_allows() -> None:
    store, machine = Store(), Machine()
    keeper = Timekeeper(Quick(), machine)
    watch = ClockWatch(store, keeper)
    (first,) = await watch.begin()
    assert (first.name, era_of(first.time_ns)) == ("clock_offset", 1)
    store.refuses = True
    machine.wall_ns += 3600 * S
    assert await watch.look() == ()
    assert era_of(keeper.utc_ns()) == 1
    store.refuses = False
    told = await watch.look()
    assert [each.name for each in told] == ["clock_step", "clock_offset"]
    assert era_of(keeper.utc_ns()) == 2
    assert watch.status()["steps"] == 1


async def test_the_loss_of_the_time_service_is_told_once_and_its_return() -> None:
    machine = Machine()
    watch = ClockWatch(Store(), Timekeeper(Quick(), machine))
    await watch.begin()
    told: list[Event] = []
    enough = asyncio.Event()

    def hear(event: Event) -> None:
        told.append(event)
        machine.synchronised = event.name == "clock_unsynchronised"
        if len(told) == 2:
            enough.set()

    machine.synchronised = False
    async with companions() as tasks:
        tasks.start(watch.run(hear), name="test.clock")
        async with asyncio.timeout(60):
            await enough.wait()
    names = [each.name for each in told[:2]]
    assert names == ["clock_unsynchronised", "clock_synchronised"]


def test_what_the_uplink_says_of_itself_is_the_word_of_a_source() -> None:
    told = {"key": "refused", "message": "why", "remedy": "what", "priority": "high"}
    word = words_of({"diagnostics": [told, "nonsense"]})["uplink"]
    (fault,) = word.faults
    assert (fault.diagnostic.key, fault.diagnostic.priority) == ("refused", "high")
    assert (
        words_of({"diagnostics": [{**told, "priority": "odd"}]})["uplink"]
        .faults[0]
        .diagnostic.priority
        == "medium"
    )
    assert words_of({}) == {}
    assert words_of({"diagnostics": "odd"}) == {}


def test_what_inference_says_of_instruments_is_the_word_of_the_sensors() -> None:
    told = {"key": "stuck P-1/flow", "message": "why", "priority": "low"}
    status = {"diagnostics": [{**told, "tags": ["P-1/flow"]}, {**told, "tags": 7}]}
    word = words_of(status, SENSORS)[SENSORS]
    first, second = (fault.diagnostic for fault in word.faults)
    assert (first.priority, first.tags) == ("low", ("P-1/flow",))
    assert second.tags == ()
