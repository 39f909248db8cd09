"""Late is not bad: what a scan does with silence, of inputs and of outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appliance.safety.latch import Report

if TYPE_CHECKING:
    from tests.unit.safety.bench import MakeBench


@pytest.mark.requirement("A12")
def test_a_lost_packet_stops_nothing_but_the_heartbeat(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.values["P/a"] = None
    turn = pump.scans(0.5)
    assert not pump.tripped()
    assert not turn.orders["motor"].beat
    pump.values["P/a"] = 1.0
    assert pump.scan().orders["motor"].beat


@pytest.mark.requirement("A8")
@pytest.mark.requirement("A13")
def test_a_channel_late_beyond_its_budget_is_a_demand(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.values["P/a"] = None
    pump.scans(1.0)
    assert not pump.tripped()
    pump.scan()
    assert pump.tripped()
    assert pump.first_out == "high"
    assert pump.names[:3] == ["channel_late", "channel_bad", "demand"]


def test_a_channel_that_comes_back_is_told(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.values["P/a"] = "bad"
    pump.scan()
    pump.values["P/a"] = 1.0
    pump.scan()
    assert "channel_good" in pump.names


def test_the_heart_beats_on_when_a_bad_channel_is_in_the_vote_as_bad(
    bench: MakeBench,
) -> None:
    pump = bench().ready()
    pump.values["P/a"] = "late"
    pump.scans(2.0)
    turn = pump.scan()
    assert turn.orders["motor"].beat
    assert not turn.orders["motor"].may_run


@pytest.mark.requirement("A11")
def test_an_unconfirmed_stop_is_told_and_withholds_the_heartbeat(
    bench: MakeBench,
) -> None:
    pump = bench().ready()
    pump.running = 1.0
    pump.scan(stop="tea")
    assert pump.scans(1.75).orders["motor"].beat
    turn = pump.scans(0.25)
    assert not turn.orders["motor"].beat
    assert pump.names[-1] == "stop_failed"
    pump.scans(5.0)
    assert pump.names.count("stop_failed") == 1
    pump.running = 0.0
    assert pump.scan().orders["motor"].beat
    assert pump.names[-1] == "stop_confirmed"


@pytest.mark.requirement("A13")
def test_an_output_that_cannot_be_written_becomes_a_trip(bench: MakeBench) -> None:
    pump = bench().ready()
    for _ in range(17):
        assert not pump.tripped()
        pump.reports["motor"] = Report(point=None, written=False)
        pump.scan()
    assert pump.first_out == "output lost"


def test_an_output_written_again_in_time_is_no_trip(bench: MakeBench) -> None:
    pump = bench().ready()
    for _ in range(3):
        for _ in range(15):
            pump.reports["motor"] = Report(point=None, written=False)
            pump.scan()
        pump.scan()
        pump.scan()
    assert not pump.tripped()


@pytest.mark.requirement("A13")
def test_a_pause_longer_than_the_budget_of_a_row_is_a_trip(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.scan(dt_s=1.0)
    assert not pump.tripped()
    pump.scan(dt_s=1.125)
    assert pump.first_out == "scan overrun"


def test_old_feedback_proves_no_stop(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.scan(stop="tea")
    pump.running = None
    pump.scans(1.0)
    assert pump.state.latches["motor"].stopped
    pump.scan()
    assert not pump.state.latches["motor"].stopped
