"""On-delay and off-delay, to the tick."""

from __future__ import annotations

import pytest

from appliance.alarms.delay import Condition, Delay, Lasting, elapse, observe

ON, OFF, UNKNOWN = Condition.ON, Condition.OFF, Condition.UNKNOWN
DELAY = Delay(on_s=5.0, off_s=3.0)
TICK_S = 0.001


def after(*seen: tuple[float, Condition], delay: Delay = DELAY) -> Lasting:
    state = Lasting()
    for at_s, condition in seen:
        state = observe(delay, elapse(delay, state, at_s), condition, at_s)
    return state


@pytest.mark.parametrize(
    ("later_s", "active"), [(5.0 - TICK_S, False), (5.0, True), (5.0 + TICK_S, True)]
)
def test_a_condition_counts_from_the_end_of_its_on_delay(
    later_s: float, active: bool
) -> None:
    assert elapse(DELAY, after((0.0, ON)), later_s).active is active


@pytest.mark.parametrize(
    ("later_s", "active"), [(3.0 - TICK_S, True), (3.0, False), (3.0 + TICK_S, False)]
)
def test_a_condition_is_gone_from_the_end_of_its_off_delay(
    later_s: float, active: bool
) -> None:
    state = after((0.0, ON), (5.0, ON), (10.0, OFF))
    assert state.active
    assert elapse(DELAY, state, 10.0 + later_s).active is active


def test_without_delays_a_condition_counts_at_once() -> None:
    none = Delay()
    assert after((0.0, ON), delay=none).active
    assert not after((0.0, ON), (0.0, OFF), delay=none).active


def test_a_short_excursion_begins_the_on_delay_anew() -> None:
    state = after((0.0, ON), (4.0, OFF), (4.5, ON))
    assert not elapse(DELAY, state, 9.4).active
    assert elapse(DELAY, state, 9.5).active


def test_a_short_return_begins_the_off_delay_anew() -> None:
    state = after((0.0, ON), (5.0, ON), (6.0, OFF), (8.0, ON), (8.5, OFF))
    assert elapse(DELAY, state, 11.4).active
    assert not elapse(DELAY, state, 11.5).active


def test_what_is_not_known_neither_completes_nor_clears_an_on_delay() -> None:
    state = after((0.0, ON), (1.0, UNKNOWN))
    assert elapse(DELAY, state, 60.0).pending
    assert observe(DELAY, state, ON, 60.0).active
    assert not observe(DELAY, state, OFF, 60.0).pending


def test_what_is_not_known_begins_an_off_delay_anew() -> None:
    state = after((0.0, ON), (5.0, ON), (6.0, OFF), (8.0, UNKNOWN))
    assert elapse(DELAY, state, 60.0).active
    state = observe(DELAY, state, OFF, 60.0)
    assert elapse(DELAY, state, 62.9).active
    assert not elapse(DELAY, state, 63.0).active


def test_a_delay_that_was_over_before_the_opposite_came_has_had_its_effect() -> None:
    state = elapse(DELAY, after((0.0, ON)), 7.0)
    assert observe(DELAY, state, OFF, 7.0).active


def test_a_deadband_leans_on_what_was_last_proved() -> None:
    assert after((0.0, ON)).leans_on
    assert not after((0.0, ON), (1.0, OFF)).leans_on
    assert after((0.0, ON), (1.0, UNKNOWN)).leans_on
    assert after((0.0, ON), (5.0, ON), (6.0, UNKNOWN)).leans_on
    assert not after((0.0, OFF), (1.0, UNKNOWN)).leans_on


COUNTING = Delay(on_s=60.0, count=3, within_s=30.0)


@pytest.mark.parametrize(
    ("third_s", "active"), [(30.0 - TICK_S, True), (30.0, True), (30.0 + TICK_S, False)]
)
def test_so_many_onsets_within_the_window_count_however_short(
    third_s: float, active: bool
) -> None:
    seen = ((0.0, ON), (1.0, OFF), (10.0, ON), (11.0, OFF), (third_s, ON))
    assert after(*seen, delay=COUNTING).active is active


def test_an_onset_that_lasts_for_the_on_delay_counts_by_itself() -> None:
    state = after((0.0, ON), delay=COUNTING)
    assert not elapse(COUNTING, state, 60.0 - TICK_S).active
    assert elapse(COUNTING, state, 60.0).active


def test_samples_of_one_onset_are_not_onsets() -> None:
    seen = [(float(at_s), ON) for at_s in range(20)]
    assert not after(*seen, delay=COUNTING).active


def test_what_is_not_known_in_between_makes_no_new_onset() -> None:
    seen = ((0.0, ON), (1.0, UNKNOWN), (2.0, ON), (3.0, UNKNOWN), (4.0, ON))
    assert not after(*seen, delay=COUNTING).active


def test_after_it_counted_the_onsets_are_counted_anew() -> None:
    seen = ((0.0, ON), (1.0, OFF), (2.0, ON), (3.0, OFF), (4.0, ON), (5.0, OFF))
    assert not after(*seen, delay=COUNTING).active
    assert not after(*seen, (6.0, ON), delay=COUNTING).active
