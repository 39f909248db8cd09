"""The decision of a scan, told as stories: trips, latches, resets."""

from __future__ import annotations

import math
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from appliance.domain.event import EventKind
from appliance.safety.channel import Reading
from appliance.safety.latch import Report
from appliance.safety.logic import Commands, Readings, step

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.domain.sample import Sample
    from tests.unit.safety.bench import MakeBench, MakeElement, MakeRow


@pytest.mark.requirement("A4")
def test_power_up_is_tripped_and_says_so(bench: MakeBench) -> None:
    pump = bench()
    turn = pump.scan()
    assert pump.tripped()
    assert pump.first_out == "power-up"
    assert turn.orders["motor"].may_run is False


@pytest.mark.requirement("A4")
@pytest.mark.requirement("A9")
def test_a_restored_first_out_stays_first(bench: MakeBench) -> None:
    pump = bench(causes={"motor": ("high",), "gone": ("x",)})
    assert pump.first_out == "high"


@pytest.mark.requirement("A6")
def test_a_reset_lets_it_run_when_all_is_proved(bench: MakeBench) -> None:
    pump = bench().ready()
    assert not pump.tripped()
    turn = pump.scan()
    assert turn.orders["motor"].may_run
    assert turn.orders["motor"].beat


@pytest.mark.parametrize("value", [7.5, math.nan, math.inf, "bad"])
@pytest.mark.requirement("A8")
def test_a_demand_stops_in_the_same_scan(bench: MakeBench, value: float | str) -> None:
    pump = bench().ready()
    pump.values["P/a"] = value
    turn = pump.scan()
    assert turn.orders["motor"].may_run is False
    assert pump.first_out == "high"


def test_trips_only_after_the_demand_has_lasted_for_the_on_delay(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(row(on_delay_s=0.5)).ready()
    pump.values["P/a"] = 8.0
    pump.scans(0.5)
    assert not pump.tripped()
    pump.scan()
    assert pump.tripped()


def test_a_short_excursion_restarts_the_on_delay(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(row(on_delay_s=0.5)).ready()
    for value in (8.0, 1.0, 8.0):
        pump.values["P/a"] = value
        pump.scans(0.5)
        assert not pump.tripped()
    pump.scan()
    assert pump.tripped()


@pytest.mark.requirement("A5")
def test_stays_tripped_when_the_demand_goes_away(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.values["P/a"] = 8.0
    pump.scan()
    pump.values["P/a"] = 1.0
    pump.scans(100.0)
    assert pump.tripped()
    assert pump.names[:4] == ["demand", "first_out", "demand_cleared", "stop_confirmed"]


@pytest.mark.requirement("A5")
def test_reset_is_refused_while_the_demand_lasts(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.values["P/a"] = 8.0
    pump.scan()
    pump.scan()
    assert pump.reset().refusals == ("the demand of high lasts",)
    assert pump.tripped()
    assert pump.names[-1] == "reset_refused"


def test_reset_is_refused_while_an_excursion_waits_for_its_on_delay(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(row(on_delay_s=5.0)).ready()
    pump.scan(stop="tea")
    pump.values["P/a"] = 8.0
    pump.scan()
    assert pump.reset().refusals == ("the demand of high lasts",)


@pytest.mark.requirement("A5")
def test_reset_is_refused_while_an_input_is_late(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.scan(stop="tea")
    pump.values["P/a"] = "late"
    pump.scans(0.75)
    assert pump.reset().refusals == ("P/a is late",)


def test_reset_is_refused_with_a_bad_input_that_the_vote_excludes(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(row(channels=("P/a", "P/b"), vote="1oo2", bad_is="exclude")).ready()
    pump.values["P/b"] = "bad"
    pump.scan()
    assert not pump.tripped()
    pump.scan(stop="tea")
    pump.scan()
    assert pump.reset().refusals == ("P/b is bad",)


@pytest.mark.parametrize("running", [1.0, "bad", None], ids=["1", "bad", "silent"])
@pytest.mark.requirement("A5")
def test_reset_is_refused_until_the_stop_has_finished(
    bench: MakeBench, running: float | str | None
) -> None:
    pump = bench().ready()
    pump.scan(stop="tea")
    pump.running = running
    pump.scans(1.5)
    assert pump.reset().refusals == ("the stop of motor is not confirmed",)


def test_reset_is_refused_while_the_point_is_not_read_back(bench: MakeBench) -> None:
    pump = bench().ready()
    pump.scan(stop="tea")
    pump.reports["motor"] = Report(point=None, written=False)
    assert pump.reset().refusals == ("the stop of motor is not confirmed",)


def test_without_feedback_the_read_back_point_confirms_the_stop(
    bench: MakeBench, element: MakeElement
) -> None:
    pump = bench(elements=(element(feedback=None),)).ready()
    pump.scan(stop="tea")
    pump.scan()
    assert pump.reset().refusals == ()


@pytest.mark.requirement("A5")
def test_a_held_reset_resets_once_only(bench: MakeBench) -> None:
    pump = bench().ready()
    held = frozenset({"motor"})
    pump.scan(stop="tea", reset=held)
    for _ in range(5):
        assert pump.scan(reset=held).refusals == ()
        assert pump.tripped()
    pump.scan()
    pump.scan(reset=held)
    assert not pump.tripped()
    pump.scan(reset=held, stop="tea")
    pump.scan(reset=held)
    assert pump.tripped()


def test_reset_is_refused_when_nothing_is_tripped_or_a_stop_is_pressed(
    bench: MakeBench,
) -> None:
    pump = bench().ready()
    assert pump.reset().refusals == ("nothing is tripped",)
    pump.scan()
    pump.scan(stop="tea")
    pump.scan()
    turn = pump.scan(stop="tea", reset=frozenset({"motor"}))
    assert turn.refusals == ("the stop is being requested",)


def test_anybody_may_stop_and_it_latches(bench: MakeBench) -> None:
    pump = bench().ready()
    turn = pump.scan(stop="smoke", actor="kim")
    assert turn.orders["motor"].may_run is False
    assert pump.first_out == "operator's stop"
    audit = [event for event in turn.events if event.kind is EventKind.AUDIT]
    assert [(event.name, event.actor) for event in audit] == [("stop_requested", "kim")]
    assert "stop_requested" not in [event.name for event in pump.scan(stop="x").events]


@pytest.mark.parametrize("order", list(permutations(("P/a", "P/b", "P/c"))))
@pytest.mark.requirement("A9")
def test_first_out_of_one_scan_follows_the_matrix_whatever_arrived_first(
    bench: MakeBench, row: MakeRow, order: tuple[str, ...]
) -> None:
    rows = [row(id=f"row {n}", channels=(f"P/{n}",)) for n in "abc"]
    pump = bench(*rows).ready()
    pump.values = dict.fromkeys(order, 9.0)
    pump.scan(stop="tea")
    causes = pump.state.latches["motor"].causes
    assert causes == ("row a", "row b", "row c", "operator's stop")


@pytest.mark.requirement("A9")
def test_later_causes_are_kept_in_their_order(bench: MakeBench, row: MakeRow) -> None:
    rows = [row(id=f"row {n}", channels=(f"P/{n}",)) for n in "ab"]
    pump = bench(*rows).ready()
    pump.values["P/b"] = 9.0
    pump.scan()
    pump.values["P/a"] = 9.0
    pump.scan()
    assert pump.state.latches["motor"].causes == ("row b", "row a")
    assert pump.names.count("first_out") == 1
    assert pump.names.count("trip") == 1


@pytest.mark.requirement("A15")
def test_a_row_stops_only_the_elements_of_its_columns(
    bench: MakeBench, row: MakeRow, element: MakeElement
) -> None:
    rows = [row(id=f"row {n}", channels=(f"P/{n}",)) for n in "ab"]
    columns = (element(), element(id="valve", feedback=None))
    stops = {"row a": ("motor",), "row b": ("motor", "valve")}
    pump = bench(*rows, elements=columns, stops=stops).ready()
    pump.values["P/a"] = 9.0
    turn = pump.scan()
    assert not turn.orders["motor"].may_run
    assert turn.orders["valve"].may_run
    pump.values["P/b"] = 9.0
    assert not pump.scan().orders["valve"].may_run


def test_a_reset_of_one_element_leaves_the_other_tripped(
    bench: MakeBench, element: MakeElement
) -> None:
    pump = bench(elements=(element(), element(id="valve", feedback=None)))
    pump.values["P/a"] = 1.0
    pump.scan()
    pump.scan()
    assert pump.reset("valve").refusals == ()
    assert pump.state.latches["motor"].tripped
    assert not pump.state.latches["valve"].tripped


@pytest.mark.requirement("A1")
def test_the_same_scan_twice_is_the_same(
    bench: MakeBench, sample: Callable[[str, float], Sample]
) -> None:
    pump = bench().ready()
    readings = Readings({"P/a": Reading(sample("P/a", 9.0), pump.now_s + 0.1)})
    before = pump.state
    turns = [
        step(pump.matrix, before, readings, Commands(), pump.now_s + 0.1)
        for _ in range(2)
    ]
    assert turns[0] == turns[1]
    assert pump.state is before


def test_without_a_field_row_no_pause_is_too_long(
    bench: MakeBench, row: MakeRow
) -> None:
    pump = bench(row(id="model", source="model", channels=())).ready()
    pump.models["model"] = 0.0
    pump.scan(dt_s=1e6)
    assert not pump.tripped()
