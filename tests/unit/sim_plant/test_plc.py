"""PLC-1, exhaustively over its boolean inputs, and as a state machine."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sim_plant import plc
from sim_plant.memory import OutOfRangeError, PlcMemory
from sim_plant.plc import PlcInputs, PlcState, StopCause

ARMED = PlcState(
    run_permit=True,
    watchdog_tripped=False,
    request_before=True,
    heartbeat_before=7,
    heartbeat_at_s=99.5,
)
BOOLEANS = (False, True)
NOW_S = 100.0


def _every_input() -> list[PlcInputs]:
    return [
        PlcInputs(request, start, stop, key, heartbeat=heartbeat)
        for request, start, stop, key in itertools.product(BOOLEANS, repeat=4)
        for heartbeat in (7, 8)
    ]


def _every_state() -> list[PlcState]:
    return [
        PlcState(
            running=running and (permit or disarmed),
            run_permit=permit or disarmed,
            watchdog_tripped=tripped,
            disarmed=disarmed,
            request_before=request,
            key_before=disarmed,
            heartbeat_before=7,
            heartbeat_at_s=beat_at_s,
            disarmed_at_s=50.0 if disarmed else None,
        )
        for running, permit, tripped, disarmed, request in itertools.product(
            BOOLEANS, repeat=5
        )
        for beat_at_s in (None, 99.5, 90.0)
    ]


def test_the_machine_never_runs_without_a_permit() -> None:
    for state, inputs in itertools.product(_every_state(), _every_input()):
        after = plc.step(state, inputs, NOW_S)
        assert after.run_permit or not after.running, (state, inputs)
        proven = inputs.run_permit_request and not after.watchdog_tripped
        assert after.run_permit == (after.disarmed or proven), (state, inputs)


def test_nothing_but_a_start_pulse_starts_the_machine() -> None:
    for state, inputs in itertools.product(_every_state(), _every_input()):
        after = plc.step(replace(state, running=False), inputs, NOW_S)
        started = inputs.start and not inputs.stop
        assert not after.running or started, (state, inputs)


def test_a_stop_pulse_always_stops() -> None:
    for state, inputs in itertools.product(_every_state(), _every_input()):
        after = plc.step(state, replace(inputs, stop=True), NOW_S)
        assert not after.running, (state, inputs)


def test_every_stop_has_a_cause_and_nothing_else_has() -> None:
    for state, inputs in itertools.product(_every_state(), _every_input()):
        after = plc.step(state, inputs, NOW_S)
        cause = plc.stop_cause(state, after, inputs)
        stopped = state.running and not after.running
        assert (cause is not None) == stopped, (state, inputs)


def test_power_up_is_tripped_and_stopped() -> None:
    after = plc.step(PlcState(), PlcInputs(run_permit_request=True, start=True), 0.02)
    assert after.watchdog_tripped
    assert not after.run_permit
    assert not after.running


def test_the_value_found_at_power_up_is_no_heartbeat() -> None:
    state = plc.step(PlcState(), PlcInputs(heartbeat=41), 0.02)
    state = plc.step(state, PlcInputs(heartbeat=41, run_permit_request=True), 0.04)
    assert state.watchdog_tripped


@pytest.mark.parametrize("value", [0, 1, 65_535])
def test_the_watchdog_trips_when_the_heartbeat_sticks(value: int) -> None:
    stuck = PlcInputs(run_permit_request=True, heartbeat=value)
    state = replace(ARMED, running=True)
    state = plc.step(state, stuck, 100.0)
    assert state.running
    state = plc.step(state, stuck, 100.98)
    assert state.running
    after = plc.step(state, stuck, 101.02)
    assert after.watchdog_tripped
    assert not after.running
    assert plc.stop_cause(state, after, stuck) is StopCause.WATCHDOG


def test_the_watchdog_stays_tripped_when_the_heartbeat_returns() -> None:
    state = replace(ARMED, watchdog_tripped=True, run_permit=False)
    for beat in range(20):
        inputs = PlcInputs(run_permit_request=True, start=True, heartbeat=beat)
        state = plc.step(state, inputs, NOW_S + 0.02 * beat)
    assert state.watchdog_tripped
    assert not state.running


def test_a_rising_request_with_a_live_heartbeat_clears_the_trip() -> None:
    tripped = replace(ARMED, watchdog_tripped=True, run_permit=False)
    low = plc.step(tripped, PlcInputs(heartbeat=8), NOW_S)
    high = plc.step(low, PlcInputs(heartbeat=9, run_permit_request=True), NOW_S + 0.1)
    assert high.run_permit
    assert not high.running


def test_a_rising_request_without_a_heartbeat_clears_nothing() -> None:
    dead = replace(ARMED, watchdog_tripped=True, request_before=False)
    after = plc.step(
        dead, PlcInputs(heartbeat=7, run_permit_request=True), NOW_S + 10.0
    )
    assert after.watchdog_tripped


def test_the_watchdog_time_is_the_one_in_the_register() -> None:
    quick = PlcInputs(run_permit_request=True, heartbeat=7, watchdog_ms=50)
    assert not plc.step(ARMED, quick, 99.54).watchdog_tripped
    assert plc.step(ARMED, quick, 99.56).watchdog_tripped


def test_a_dropped_request_stops_the_machine_in_the_same_scan() -> None:
    running = replace(ARMED, running=True)
    dropped = PlcInputs(run_permit_request=False, heartbeat=8)
    after = plc.step(running, dropped, NOW_S)
    assert not after.running
    assert plc.stop_cause(running, after, dropped) is StopCause.RUN_PERMIT


def test_the_key_makes_the_plc_ignore_request_and_watchdog_but_not_the_panel() -> None:
    state = plc.powered_up_disarmed(0.0)
    key = PlcInputs(maintenance_disarm=True)
    state = plc.step(state, key, 599.9)
    assert state.running
    assert state.watchdog_tripped
    stopped = plc.step(state, replace(key, stop=True), 599.92)
    assert not stopped.running
    assert plc.stop_cause(state, stopped, replace(key, stop=True)) is StopCause.PANEL


def test_the_key_expires_by_itself() -> None:
    key = PlcInputs(maintenance_disarm=True)
    state = plc.step(plc.powered_up_disarmed(0.0), key, 300.0)
    after = plc.step(state, key, 600.0)
    assert not after.disarmed
    assert not after.running
    assert after.key_expired
    assert plc.stop_cause(state, after, key) is StopCause.DISARM_ENDED
    assert not plc.step(after, key, 700.0).disarmed


def test_turning_the_key_again_gives_a_new_ten_minutes() -> None:
    off = plc.step(plc.powered_up_disarmed(0.0), PlcInputs(), 500.0)
    assert not off.disarmed
    on = plc.step(off, PlcInputs(maintenance_disarm=True), 550.0)
    assert on.disarmed
    later = plc.step(on, PlcInputs(maintenance_disarm=True), 1_149.0)
    assert later.disarmed


ASKED = PlcInputs(run_permit_request=True, heartbeat=8, maintenance_request=True)


def handed_over() -> PlcState:
    """A running machine whose watchdog is suspended since `NOW_S`."""
    state = plc.step(replace(ARMED, running=True), ASKED, NOW_S)
    assert state.maintenance_granted
    return state


def test_a_machine_handed_over_runs_without_the_heartbeat_for_a_while() -> None:
    state = plc.step(handed_over(), ASKED, NOW_S + 599.9)
    assert state.running
    assert not state.watchdog_tripped
    after = plc.step(state, ASKED, NOW_S + 600.0)
    assert not after.running
    assert plc.stop_cause(state, after, ASKED) is StopCause.WATCHDOG
    assert not plc.step(after, ASKED, NOW_S + 601.0).maintenance_granted


@pytest.mark.parametrize(
    "changes",
    [
        {"maintenance_request": False},
        {"maintenance_inhibit": True},
        {"run_permit_request": False},
        {"stop": True},
    ],
)
def test_the_hand_over_ends_and_what_is_not_watched_stops(
    changes: dict[str, bool],
) -> None:
    state = plc.step(handed_over(), ASKED, NOW_S + 30.0)
    after = plc.step(state, replace(ASKED, **changes), NOW_S + 30.02)
    assert not after.maintenance_granted
    assert not after.running
    assert not after.flush_valve_open


def test_a_gateway_that_beats_again_may_give_the_hand_over_back() -> None:
    state = plc.step(handed_over(), ASKED, NOW_S + 30.0)
    state = plc.step(state, replace(ASKED, heartbeat=1), NOW_S + 30.1)
    back = PlcInputs(run_permit_request=True, heartbeat=2)
    assert plc.step(state, back, NOW_S + 30.2).running


def test_nothing_is_granted_to_a_machine_at_rest_or_a_gateway_that_is_silent() -> None:
    assert not plc.step(ARMED, ASKED, NOW_S).maintenance_granted
    silent = replace(ARMED, running=True, heartbeat_at_s=NOW_S - 1.1)
    mute = replace(ASKED, heartbeat=7)
    assert not plc.step(silent, mute, NOW_S).maintenance_granted
    long_asked = replace(ARMED, running=True, asked_before=True)
    assert not plc.step(long_asked, ASKED, NOW_S).maintenance_granted


def test_the_flush_valve_has_a_permit_of_its_own() -> None:
    inputs = PlcInputs(flush_valve_permit=True, heartbeat=8)
    assert plc.step(ARMED, inputs, NOW_S).flush_valve_open
    assert not plc.step(ARMED, PlcInputs(heartbeat=8), NOW_S).flush_valve_open
    assert not plc.step(PlcState(), inputs, NOW_S).flush_valve_open


def test_turning_the_key_off_under_a_good_permit_keeps_running() -> None:
    state = replace(
        ARMED, running=True, disarmed=True, key_before=True, disarmed_at_s=90.0
    )
    after = plc.step(state, PlcInputs(run_permit_request=True, heartbeat=8), NOW_S)
    assert after.running


def test_the_scan_count_wraps_at_sixteen_bits() -> None:
    state = plc.step(PlcState(scan_count=65_535), PlcInputs(), 1.0)
    assert state.scan_count == 0


def test_the_memory_clears_pulses_it_has_shown_to_a_scan_and_only_those() -> None:
    memory = PlcMemory(start=True)
    seen = memory.inputs()
    memory.stop = True
    memory.clear(seen, PlcState())
    assert not memory.start
    assert memory.stop


def test_the_memory_turns_back_an_expired_key() -> None:
    memory = PlcMemory(maintenance_disarm=True)
    memory.clear(memory.inputs(), PlcState(key_before=True, disarmed=True))
    assert memory.maintenance_disarm
    memory.clear(memory.inputs(), PlcState(key_before=True, disarmed=False))
    assert not memory.maintenance_disarm


@pytest.mark.parametrize("watchdog_ms", [0, 49, 60_001])
def test_a_watchdog_time_out_of_range_is_refused(watchdog_ms: int) -> None:
    memory = PlcMemory()
    with pytest.raises(OutOfRangeError, match=str(watchdog_ms)):
        memory.write("watchdog_ms", watchdog_ms)
    assert memory.read("watchdog_ms") == plc.WATCHDOG_MS_DEFAULT


class PlcMachine(RuleBasedStateMachine):
    """Any gateway, any operator, any timing: the promises hold."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = PlcMemory()
        self.state = PlcState()
        self.before = PlcState()
        self.seen = PlcInputs()
        self.now_s = 0.0
        self.beat_s = -1e9

    @rule(request=st.booleans())
    def gateway_asks(self, request: bool) -> None:
        self.memory.run_permit_request = request

    @rule()
    def gateway_beats(self) -> None:
        self.memory.heartbeat = (self.memory.heartbeat + 1) % 65_536

    @rule(button=st.sampled_from(["start", "stop"]))
    def operator_presses(self, button: str) -> None:
        self.memory.write(button, 1)

    @rule(on=st.booleans())
    def operator_turns_the_key(self, on: bool) -> None:
        self.memory.maintenance_disarm = on

    @rule(dt_s=st.sampled_from([0.02, 0.5, 1.1, 30.0, 601.0]))
    def plc_scans(self, dt_s: float) -> None:
        self.now_s += dt_s
        self.seen = self.memory.inputs()
        if self.seen.heartbeat != (self.state.heartbeat_before or 0):
            self.beat_s = self.now_s
        self.before, self.state = (
            self.state,
            plc.step(self.state, self.seen, self.now_s),
        )
        self.memory.clear(self.seen, self.state)

    @invariant()
    def a_running_machine_has_a_live_permit_or_the_key(self) -> None:
        if self.state.running and not self.state.disarmed:
            assert self.seen.run_permit_request
            assert self.now_s - self.beat_s <= 1.0

    @invariant()
    def it_was_started_by_the_panel(self) -> None:
        if self.state.running and not self.before.running:
            assert self.seen.start

    @invariant()
    def the_key_is_on_no_longer_than_its_time(self) -> None:
        since_s = self.state.disarmed_at_s
        if self.state.disarmed:
            assert since_s is not None
            assert self.now_s - since_s < plc.DISARM_LIMIT_S


PlcMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)
TestPlcMachine = PlcMachine.TestCase
