"""What the hub knows of its sources: states, faults, and events that do not flood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.acquisition.supervisor import SourceState
from appliance.alarms.engine import AlarmEngine
from appliance.domain.diagnostic import Diagnostic
from appliance.domain.tag import TagId
from appliance.hub.flapping import PERIOD_S, TOLD_AT_ONCE
from appliance.hub.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.domain.event import Event
    from tests.unit.hub.conftest import ManualClock, Road

FLOW = TagId("P-101/flow")
CLOCK = Diagnostic("clock", "its clock is at 2000", "set it", "high", (FLOW,))
LOST, BACK = SourceState.LOST, SourceState.CONNECTED


class Outspoken:
    """A source that knows what is wrong with itself."""

    name = "plc"
    groups: Mapping[str, Sequence[TagId]] = {"plc.fast": (FLOW,)}

    def __init__(self, *diagnostics: Diagnostic) -> None:
        self.said = diagnostics
        self.broken = False

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        if self.broken:
            raise ZeroDivisionError
        return self.said

    def open(self, numbers: object) -> None:
        raise NotImplementedError


class Bench:
    def __init__(self, clock: ManualClock, source: Outspoken) -> None:
        self.clock = clock
        self.heard: list[Event] = []
        self.sources = Sources([], clock=clock, hear=self.heard.append)
        self.sources.add(source)  # type: ignore[arg-type] # it is never opened

    def faults(self, name: str = "plc") -> list[str]:
        word = self.sources.words()[name]
        return [fault.diagnostic.key for fault in word.faults]

    def change(self, state: SourceState, reason: str = "") -> None:
        self.sources.changed("plc", state, reason)


@pytest.fixture
def bench(manual_clock: ManualClock) -> Bench:
    return Bench(manual_clock, Outspoken())


def test_a_source_that_is_away_has_a_fault_with_a_remedy(bench: Bench) -> None:
    (loss,) = bench.sources.words()["plc"].faults
    assert loss.diagnostic.message == "it is lost: it has not answered yet"
    assert loss.diagnostic.tags == (FLOW,)
    assert loss.diagnostic.priority == "medium"
    assert "check power" in loss.diagnostic.remedy
    assert loss.delay.on_s > 0
    bench.change(BACK)
    assert bench.faults() == []
    bench.change(SourceState.FAULTY, "ZeroDivisionError()")
    (loss,) = bench.sources.words()["plc"].faults
    assert "support-bundle" in loss.diagnostic.remedy
    bench.change(SourceState.ENDED)
    assert bench.faults() == []


def test_a_source_that_explains_its_own_loss_is_believed(
    manual_clock: ManualClock,
) -> None:
    own = Diagnostic("connection", "our certificate is not trusted there", "trust it")
    bench = Bench(manual_clock, Outspoken(own, CLOCK))
    assert bench.faults() == ["connection", "clock"]
    (first, _) = bench.sources.words()["plc"].faults
    assert first.diagnostic is own


def test_what_a_source_lists_is_not_all_before_it_was_connected(bench: Bench) -> None:
    assert not bench.sources.words()["plc"].settled
    bench.change(BACK)
    bench.change(LOST, "gone")
    assert bench.sources.words()["plc"].settled


def test_a_process_that_comes_by_itself_is_missed_only_once_it_was_here(
    bench: Bench,
) -> None:
    bench.sources.expect("inference")
    assert bench.faults("inference") == []
    bench.sources.changed("inference", BACK, "")
    bench.sources.changed("inference", LOST, "the process has left")
    assert bench.faults("inference") == ["connection"]


def test_a_source_that_fails_to_speak_stops_nobody(
    manual_clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = Outspoken(CLOCK)
    bench = Bench(manual_clock, source)
    bench.change(BACK)
    source.broken = True
    assert bench.faults() == []
    assert bench.faults() == []
    assert len(caplog.records) == 1
    source.broken = False
    assert bench.faults() == ["clock"]


def test_state_error_and_diagnostics_are_told_to_doctor(
    manual_clock: ManualClock,
) -> None:
    bench = Bench(manual_clock, Outspoken(CLOCK))
    bench.change(LOST, "no route")
    assert bench.sources.details()["plc"] == {
        "state": "lost",
        "error": "no route",
        "diagnostics": [
            {
                "key": "clock",
                "message": "its clock is at 2000",
                "remedy": "set it",
                "priority": "high",
                "tags": (FLOW,),
            }
        ],
    }


def test_a_flapping_source_is_told_a_few_times_and_then_once_a_minute(
    bench: Bench,
) -> None:
    for minute in range(3):
        for _ in range(60):
            bench.clock.at_s += 1.0
            bench.sources.tick()
            bench.change(BACK)
            bench.change(LOST, "gone")
        assert len(bench.heard) <= TOLD_AT_ONCE + minute
    bench.clock.at_s += PERIOD_S
    bench.sources.tick()
    told = [event.details.get("changes", 1) for event in bench.heard]
    assert sum(int(count or 0) for count in told) == 360
    assert bench.heard[-1].message.startswith("source plc is lost after ")
    assert bench.heard[-1].message.endswith(" more changes: gone")
    bench.clock.at_s += PERIOD_S
    bench.sources.tick()
    before = len(bench.heard)
    bench.change(BACK)
    assert len(bench.heard) == before + 1
    assert bench.sources.coalesced == 360 - TOLD_AT_ONCE


async def test_a_fault_becomes_an_alarm_on_the_road_and_is_committed(
    road: Road,
) -> None:
    source = Outspoken(CLOCK)
    bench = Bench(road.clock, source)
    bench.change(BACK)
    road.pipeline.hear_sources(bench.sources.words())
    source.said = ()
    road.pipeline.hear_sources(bench.sources.words())
    assert await road.commit() == ["active", "returned"]
    assert road.store.events[0].message == "source plc: its clock is at 2000"


async def test_a_loss_is_an_alarm_after_five_seconds_and_survives_a_restart(
    road: Road,
) -> None:
    bench = Bench(road.clock, Outspoken())
    for _ in range(7):
        road.pipeline.hear_sources(bench.sources.words())
        road.clock.at_s += 1.0
    assert await road.commit() == ["active"]
    (event,) = road.store.events
    again = AlarmEngine(
        [],
        {},
        now_s=0.0,
        utc_ns=road.clock.utc_ns(),
        recalled={str(event.details["id"]): event},
    )
    (row,) = again.table(now_s=0.0, utc_ns=0)
    assert (row["id"], row["state"]) == ("source plc:connection", "active_unack")
    assert row["action"].startswith("check power")
