from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.schedule import (
    PATIENCE_S,
    PROBE_SHARE,
    ProbeAllowance,
    Schedule,
    next_due_s,
)


@pytest.mark.parametrize(
    ("now_s", "due_s"), [(10.0, 11.0), (10.4, 11.0), (9.9, 11.0), (13.2, 14.0)]
)
def test_missed_polls_are_skipped_not_made_up_for(now_s: float, due_s: float) -> None:
    assert next_due_s(10.0, 1.0, now_s=now_s) == pytest.approx(due_s)


def test_every_turn_is_due_at_once_and_the_most_urgent_first() -> None:
    schedule = Schedule({"slow": 0.8, "fast": 0.1}, now_s=5.0)
    assert schedule.due_s == 5.0
    assert schedule.take(now_s=5.0) == "fast"
    assert schedule.take(now_s=5.0) == "slow"
    assert schedule.take(now_s=5.0) is None


def test_turns_come_again_on_the_grid_of_their_period() -> None:
    schedule = Schedule({"a": 1.0}, now_s=0.0)
    schedule.take(now_s=0.0)
    assert schedule.has_taken
    assert schedule.due_s == math.inf
    schedule.done("a", now_s=0.3)
    assert schedule.due_s == 1.0
    assert schedule.take(now_s=0.9) is None
    assert schedule.take(now_s=1.4) == "a"
    schedule.done("a", now_s=1.5)
    assert schedule.due_s == 2.0


def test_a_parked_turn_rests_until_it_is_resumed() -> None:
    schedule = Schedule({"a": 1.0, "b": 1.0}, now_s=0.0)
    schedule.park(["a"])
    assert schedule.take(now_s=9.0) == "b"
    assert schedule.take(now_s=9.0) is None
    schedule.resume(["a"], now_s=9.5)
    assert schedule.due_s == 9.5
    assert schedule.take(now_s=9.5) == "a"


def test_a_turn_parked_while_it_was_taken_does_not_come_back_by_itself() -> None:
    schedule = Schedule({"a": 1.0}, now_s=0.0)
    schedule.take(now_s=0.0)
    schedule.park(["a"])
    schedule.done("a", now_s=0.5)
    assert schedule.due_s == math.inf


def test_a_turn_that_is_taken_is_not_given_twice_by_a_resumption() -> None:
    schedule = Schedule({"a": 1.0}, now_s=0.0)
    schedule.take(now_s=0.0)
    schedule.resume(["a"], now_s=0.1)
    assert schedule.take(now_s=9.0) is None


periods = st.dictionaries(
    st.integers(0, 40), st.floats(0.01, 600.0), min_size=1, max_size=30
)


@given(periods, st.floats(0.001, 0.5))
def test_nobody_starves_on_a_bus_that_cannot_keep_up(
    periods_s: dict[int, float], service_s: float
) -> None:
    """A due turn waits at most for its deadline and one turn of each other."""
    schedule = Schedule(periods_s, now_s=0.0)
    now_s = 0.0
    longest_s = PATIENCE_S + (len(periods_s) + 1) * service_s
    due_s = dict.fromkeys(periods_s, 0.0)
    for _ in range(20 * len(periods_s)):
        turn = schedule.take(now_s=now_s)
        if turn is None:
            now_s = schedule.due_s
            continue
        assert now_s - due_s[turn] <= longest_s
        now_s += service_s
        schedule.done(turn, now_s=now_s)
        due_s[turn] = next_due_s(due_s[turn], periods_s[turn], now_s=now_s)


@given(st.integers(2, 30))
def test_equals_share_a_bus_that_cannot_keep_up_equally(turns: int) -> None:
    schedule = Schedule(dict.fromkeys(range(turns), 0.01), now_s=0.0)
    served: Counter[int] = Counter()
    for step in range(turns * 10):
        turn = schedule.take(now_s=step * 0.1)
        assert turn is not None
        served[turn] += 1
        schedule.done(turn, now_s=(step + 1) * 0.1)
    assert max(served.values()) - min(served.values()) <= 1


@given(st.floats(0.01, 0.2), st.integers(1, 10))
def test_a_bus_that_can_keep_up_serves_everybody_at_its_rate(
    period_s: float, turns: int
) -> None:
    service_s = period_s / turns * 0.9
    schedule = Schedule(dict.fromkeys(range(turns), period_s), now_s=0.0)
    served: Counter[int] = Counter()
    now_s = 0.0
    while now_s < 10 * period_s:
        turn = schedule.take(now_s=now_s)
        if turn is None:
            now_s = schedule.due_s
            continue
        served[turn] += 1
        now_s += service_s
        schedule.done(turn, now_s=now_s)
    assert min(served.values()) >= 9


def test_a_probe_that_delays_nobody_is_free() -> None:
    allowance = ProbeAllowance()
    allowance.note_spent(1.0, now_s=0.0)
    assert allowance.moment_s(2.0, due_s=3.0, cost_s=1.0) == 2.0
    assert allowance.moment_s(2.0, due_s=math.inf, cost_s=1.0) == 2.0


def test_probes_that_delay_others_take_their_share_and_no_more() -> None:
    allowance = ProbeAllowance()
    now_s, spent_s = 0.0, 0.0
    while now_s < 1000.0:
        now_s = allowance.moment_s(now_s, due_s=now_s, cost_s=1.0) + 1.0
        spent_s += 1.0
        allowance.note_spent(1.0, now_s=now_s)
    assert spent_s <= now_s * PROBE_SHARE + 1.0


def test_a_probe_is_not_early_because_it_is_allowed() -> None:
    assert ProbeAllowance().moment_s(7.0, due_s=7.1, cost_s=1.0) == 7.0
