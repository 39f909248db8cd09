"""Decisions at their edges: what mutation testing found no other test to notice."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from appliance.config import MaintenanceSettings, PermissiveSettings
from appliance.domain.statuses import status_name
from appliance.safety import handover
from appliance.safety.channel import NO_NEWS, ChannelState, Reading, Trust, margin
from appliance.safety.latch import (
    Latch,
    Report,
    has_stopped,
    tripped_by,
    unwatched,
    watch_stop,
)
from appliance.safety.maintenance import Handover, Life, Phase, Token, redeemed
from appliance.safety.permissive import missing
from appliance.safety.rate import RESOLUTION, extended, slope
from appliance.safety.row import (
    BYPASS_HARD_S,
    Bypass,
    RowState,
    is_read,
    judge_row,
    margin_of,
    not_good,
    powered_up,
)
from appliance.safety.turn import Matrix, State
from appliance.safety.vote import OUT, TRIP, Vote
from tests.unit.safety.bench import a_bench, a_row, a_sample, an_element

if TYPE_CHECKING:
    from appliance.config import ElementSettings
    from appliance.safety.rate import History

RULES = MaintenanceSettings(output="plc", request="ask", granted="P/granted")
LIFE = Life("boot", "rules")


def good(value: float, **changes: object) -> ChannelState:
    """A channel that was read in this scan."""
    given = {"trust": Trust.GOOD, "value": value, "measure": value, "good_at_s": 1.0}
    return ChannelState(**{**given, "missed": False, **changes})  # type: ignore[arg-type]


# ---------------------------------------------------------------- votes and rows
def test_a_standing_demand_and_no_vote_are_what_they_are() -> None:
    assert Vote(0, 0) == TRIP
    assert Vote(1, 0) == OUT
    assert (str(TRIP), str(OUT)) == ("trip", "bypassed")


@pytest.mark.requirement("A10")
def test_no_bypass_lasts_longer_than_a_day() -> None:
    assert BYPASS_HARD_S == 86_400.0


def test_the_margin_of_a_band_is_to_its_nearer_end() -> None:
    row = a_row(condition="outside", setpoint=10.0, setpoint_low=2.0)
    assert [margin(row, good(value)) for value in (9.0, 3.0, 12.0)] == [1.0, 1.0, -2.0]


def test_the_margin_of_a_vote_is_that_of_the_channel_that_decides() -> None:
    row = a_row(channels=("P/a", "P/b", "P/c"), vote="2oo3")
    channels = (good(6.0), good(2.0), good(5.0))
    assert margin_of(row, RowState(channels)) == 2.0
    bad = ChannelState(trust=Trust.BAD)
    assert margin_of(row, RowState((good(6.0), bad, bad))) == 1.0
    assert not margin_of(row, RowState((bad, bad, bad))) <= 0.0


@pytest.mark.requirement("A12")
def test_a_row_is_read_when_all_its_channels_are() -> None:
    row = a_row(channels=("P/a", "P/b"), vote="1oo2")
    missed = good(1.0, missed=True)
    assert is_read(row, RowState((good(1.0), good(1.0))))
    assert not is_read(row, RowState((good(1.0), missed)))
    known_bad = ChannelState(trust=Trust.BAD)
    assert is_read(row, RowState((good(1.0), known_bad)))


def test_two_that_were_apart_must_come_closer_than_the_deadband() -> None:
    row = a_row(
        condition="deviation", channels=("P/a", "P/b"), setpoint=3.0, deadband=1.0
    )
    bench = a_bench(row)
    seen = []
    for gap in (2.5, 3.0, 3.5, 2.5, 2.0, 3.0):
        bench.values |= {"P/a": 1.0, "P/b": 1.0 + gap}
        bench.scan()
        seen.append(bench.state.rows["high"].demand)
    assert seen == [False, False, True, True, False, False]


@pytest.mark.requirement("A2")
def test_a_channel_without_a_state_is_an_error_and_not_one_channel_less() -> None:
    row = a_row(channels=("P/a", "P/b"), vote="1oo2")
    short = RowState((good(1.0),))
    with pytest.raises(ValueError, match="shorter"):
        judge_row(row, short, {}, 10.0)
    with pytest.raises(ValueError, match="shorter"):
        not_good(row, short)
    standing = Handover("kim", "upgrade", 99.0, Phase.RETURNING)
    matrix = Matrix((row,), (an_element(),), {"high": ("motor",)}, RULES)
    state = a_state(rows={"high": short}, handover=standing)
    with pytest.raises(ValueError, match="shorter"):
        handover.doubts(matrix, state, 10.0)


# ---------------------------------------------------------------- power-up
def test_what_a_reader_could_not_ask_for_is_late_by_the_numbers_of_opc_ua() -> None:
    timeout, no_communication, waiting = 0x800A_0000, 0x8031_0000, 0x8032_0000
    assert {timeout, no_communication, waiting} == NO_NEWS
    assert status_name(timeout) == "BadTimeout"


@pytest.mark.requirement("A12")
def test_before_the_first_scan_nothing_is_read_and_nothing_demands() -> None:
    state = powered_up(a_row())
    assert not is_read(a_row(), state)
    assert not state.demand


def test_the_first_scan_of_a_machine_that_is_well_tells_of_no_demand() -> None:
    bench = a_bench()
    bench.values["P/a"] = 1.0
    bench.scan()
    assert not [name for name in bench.names if "demand" in name]


def test_two_that_were_never_apart_need_no_deadband_though_a_third_is_bypassed() -> (
    None
):
    three = ("P/a", "P/b", "P/c")
    row = a_row(condition="deviation", channels=three, setpoint=3.0, deadband=1.0)
    bench = a_bench(row)
    bench.values |= {"P/a": 1.0, "P/b": 3.5, "P/c": 9.0}
    bypass = Bypass("high", "P/c", bench.now_s + 60.0, "kim", "broken wire")
    bench.scan(bypasses=(bypass,))
    assert not bench.state.rows["high"].demand


@pytest.mark.requirement("A13")
@pytest.mark.parametrize(
    ("pause_s", "reasons"), [(1.0, ()), (1.125, ("scan overrun",))]
)
def test_a_pause_is_too_long_when_it_is_for_the_row_with_the_least_time(
    pause_s: float, reasons: tuple[str, ...]
) -> None:
    slow = a_row(id="slow", channels=("P/b",), max_age_s=1.0, comms_loss_delay_s=1.5)
    bench = a_bench(slow, a_row(max_age_s=0.5, comms_loss_delay_s=0.5)).ready()
    bench.scan(pause_s)
    assert bench.state.latches["motor"].causes == reasons


def test_who_says_nothing_of_the_mode_observes() -> None:
    assert not State({}, {}).armed


# ---------------------------------------------------------------- rates
def plain_extended(
    history: History, at_s: float, value: float, *, window_s: float
) -> History:
    """The rule in other words: one reading at least a window old, then the younger."""
    old = [point for point in history if at_s - point[0] >= window_s]
    young = [point for point in history if at_s - point[0] < window_s]
    # The first is kept in any case: there is no older one.
    first = old[-1:] or young[:1]
    kept = (*first, *(young if old else young[1:]))
    if kept and at_s - kept[-1][0] < window_s / 16:
        return kept
    return (*kept, (at_s, value))


@pytest.mark.parametrize("window_s", [2.0, 4.0, 16.0])
def test_the_history_is_what_the_rule_says_whatever_the_times(window_s: float) -> None:
    random = Random(int(window_s))
    history: History = ()
    at_s = 0.0
    for _ in range(2000):
        at_s += random.choice((0.125, 0.125, 0.25, 0.5, 1.0, 0.9375, 3.0))
        value = random.random()
        expected = plain_extended(history, at_s, value, window_s=window_s)
        history = extended(history, (at_s, value), window_s=window_s)
        assert history == expected
        assert len(history) <= RESOLUTION + 2


def test_a_window_is_kept_to_one_part_in_sixteen() -> None:
    assert len(extended(((0.0, 1.0),), (0.95, 1.0), window_s=16.0)) == 1
    assert len(extended(((0.0, 1.0),), (1.0, 1.0), window_s=16.0)) == 2


def test_a_slope_is_proved_over_two_windows_and_not_more() -> None:
    assert slope(((0.0, 1.0),), (2.0, 5.0), window_s=1.0) == 2.0
    assert slope(((0.0, 1.0),), (2.125, 5.0), window_s=1.0) is None


# ---------------------------------------------------------------- latches
WORN = Latch(
    tripped=True,
    causes=("x",),
    stopped=True,
    unstopped_since_s=1.0,
    stop_failed=True,
    unwritten_since_s=2.0,
)


@pytest.mark.requirement("A11")
def test_a_new_trip_has_not_stopped_yet() -> None:
    latch = tripped_by(Latch(tripped=False, stopped=True), ["high"], 7.0)
    assert latch == Latch(
        tripped=True, causes=("high",), stopped=False, unstopped_since_s=7.0
    )


def test_observe_forgets_what_was_written_and_proved() -> None:
    assert unwatched(WORN) == Latch(tripped=True, causes=("x",))


@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize("was", [True, False])
@pytest.mark.parametrize("since_s", [None, 1.0])
@pytest.mark.parametrize("failed", [True, False])
def test_what_runs_or_has_stopped_waits_for_nothing(
    stopped: bool, was: bool, since_s: float | None, failed: bool
) -> None:
    before = Latch(
        tripped=stopped, stopped=was, unstopped_since_s=since_s, stop_failed=failed
    )
    after = watch_stop(before, an_element(), stopped=stopped, now_s=50.0)
    assert after == Latch(tripped=stopped, stopped=stopped)


@pytest.mark.requirement("A11")
def test_a_stop_that_never_came_fails_after_its_time_from_power_up_too() -> None:
    element = an_element(confirm_within_s=2.0)
    latch, failed = Latch(tripped=True), []
    for now_s in (10.0, 11.0, 11.875, 12.0, 13.0):
        latch = watch_stop(latch, element, stopped=False, now_s=now_s)
        failed.append(latch.stop_failed)
    assert failed == [False, False, False, True, True]


def test_a_feedback_of_one_half_is_still_a_stop() -> None:
    element = an_element()
    for value, expected in ((0.5, True), (0.5625, False), (-0.5, True)):
        feedback = Reading(a_sample("P/running", value), 10.0)
        assert has_stopped(element, Report(point=False), feedback, 10.0) is expected


def test_a_permissive_holds_to_the_end_of_its_age() -> None:
    permissive = PermissiveSettings(tag="P/oil", above=1.0, max_age_s=2.0)
    element = an_element(permissives=(permissive,))
    heard = {"P/oil": Reading(a_sample("P/oil", 1.0), 10.0)}
    assert list(missing(element, heard, 12.0)) == []
    assert list(missing(element, heard, 12.125)) == [
        "permissive P/oil is not known now"
    ]


# ---------------------------------------------------------------- hand-overs
def a_state(**changes: object) -> State:
    given = {"rows": {}, "latches": {"motor": Latch(tripped=False)}, "armed": True}
    return State(**{**given, **changes})  # type: ignore[arg-type]


def a_matrix() -> Matrix:
    return Matrix((), (an_element(),), {}, RULES)


@pytest.mark.parametrize(
    ("length_s", "refused"),
    [(0.0, True), (0.125, False), (600.0, False), (600.5, True)],
)
def test_a_hand_over_lasts_for_some_time_and_at_most_its_longest(
    length_s: float, refused: bool
) -> None:
    wanted = Handover("kim", "upgrade", 10.0 + length_s)
    assert bool(handover.refusals(a_matrix(), a_state(), wanted, 10.0)) is refused


@pytest.mark.requirement("A4")
def test_on_return_the_last_moment_is_too_late() -> None:
    standing = Handover("kim", "upgrade", 20.0, Phase.RETURNING)
    late = "the time of the hand-over is over"
    for now_s, expected in ((19.875, False), (20.0, True)):
        found = handover.doubts(a_matrix(), a_state(handover=standing), now_s)
        assert (late in found.against) is expected


@pytest.mark.requirement("A4")
@pytest.mark.parametrize(
    ("value", "age_s", "waits", "against"),
    [
        (1.0, 0.0, False, False),
        (1.0, 1.0, False, False),
        (1.0, 1.125, True, False),
        (0.5, 0.0, False, True),
        (0.0, 0.0, False, True),
    ],
)
def test_on_return_the_machine_must_be_seen_to_run(
    value: float, age_s: float, waits: bool, against: bool
) -> None:
    standing = Handover("kim", "upgrade", 99.0, Phase.RETURNING)
    heard = {
        "P/running": Reading(a_sample("P/running", value), 10.0 - age_s),
        "P/granted": Reading(a_sample("P/granted", 1.0), 10.0),
    }
    state = a_state(handover=standing, heard=heard)
    found = handover.doubts(a_matrix(), state, 10.0)
    assert (bool(found.waiting), bool(found.against)) == (waits, against)


@pytest.mark.requirement("A4")
@pytest.mark.parametrize(
    ("now_s", "is_good"), [(4.875, False), (5.0, True), (8.875, True), (9.0, False)]
)
def test_a_token_is_good_from_the_grant_until_before_its_end(
    now_s: float, is_good: bool
) -> None:
    token = Token("boot", "rules", 5.0, 9.0, "kim", "upgrade")
    assert (redeemed(token, LIFE, {}, now_s) is not None) is is_good


@pytest.mark.requirement("A4")
def test_while_a_return_is_undecided_nothing_is_ordered_and_no_heart_beats() -> None:
    standing = Handover("kim", "upgrade", 999.0, Phase.RETURNING)
    bench = a_bench(a_row())
    bench.matrix = Matrix(
        bench.matrix.rows, bench.matrix.elements, bench.matrix.stops, RULES
    )
    latches = {"motor": Latch(tripped=True)}
    bench.state = a_state(rows=bench.state.rows, latches=latches, handover=standing)
    bench.running = None
    order = bench.scan().orders["motor"]
    assert (order.hold, order.may_run, order.beat) == (True, False, False)


# ---------------------------------------------------------------- two elements
def a_pair() -> tuple[ElementSettings, ...]:
    return (
        an_element(),
        an_element(id="valve", point="flush", heartbeat=None, feedback=None),
    )


def test_arming_stops_what_runs_though_another_is_tripped() -> None:
    rows = (a_row(), a_row(id="other", channels=("P/b",)))
    stops = {"high": ("motor",), "other": ("valve",)}
    bench = a_bench(*rows, elements=a_pair(), stops=stops, armed=False).ready()
    bench.values["P/b"] = 9.0
    bench.scan()
    assert not bench.state.latches["motor"].tripped
    bench.scan(arm=True)
    assert bench.state.latches["motor"].first_out == "arming"


@pytest.mark.requirement("A5")
def test_a_reset_is_of_what_is_tripped_among_what_is_named() -> None:
    rows = (a_row(), a_row(id="other", channels=("P/b",)))
    stops = {"high": ("motor",), "other": ("valve",)}
    bench = a_bench(*rows, elements=a_pair(), stops=stops).ready()
    bench.values["P/b"] = 9.0
    bench.scan()
    bench.values["P/b"] = 1.0
    bench.scans(0.5)
    assert bench.reset("motor").refusals == ("nothing is tripped",)
    bench.scan()
    assert bench.reset("motor", "valve").refusals == ()
    assert not bench.tripped()


@pytest.mark.requirement("A12")
def test_the_heart_of_an_element_beats_only_when_all_its_rows_are_read() -> None:
    bench = a_bench(a_row(), a_row(id="other", channels=("P/b",))).ready()
    assert bench.scan().orders["motor"].beat
    bench.values["P/b"] = None
    assert not bench.scan().orders["motor"].beat
    bench.values |= {"P/b": 1.0, "P/a": "late"}
    assert not bench.scan().orders["motor"].beat
