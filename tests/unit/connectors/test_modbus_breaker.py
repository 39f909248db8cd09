from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from appliance.runtime.backoff import Backoff
from connectors.modbus.breaker import (
    ANSWERS_TO_TRUST,
    FAILURES_TO_OPEN,
    Breaker,
    BreakerState,
    LineWatch,
)

FIRST_S, LONGEST_S, JITTER = 1.0, 60.0, 0.2


def breaker_with(spread: float = 0.0) -> Breaker:
    return Breaker(Backoff(FIRST_S, LONGEST_S, jitter=JITTER, spread=lambda: spread))


def opened(now_s: float = 0.0) -> Breaker:
    breaker = breaker_with()
    for _ in range(FAILURES_TO_OPEN):
        breaker.note_failure(now_s=now_s)
    return breaker


def test_one_failure_gives_nobody_up() -> None:
    breaker = breaker_with()
    assert not breaker.note_failure(now_s=0.0)
    assert breaker.state is BreakerState.CLOSED


def test_failures_in_a_row_give_a_device_up_once() -> None:
    breaker = breaker_with()
    told = [breaker.note_failure(now_s=float(at)) for at in range(FAILURES_TO_OPEN + 3)]
    assert told.count(True) == 1
    assert breaker.state is BreakerState.OPEN


def test_an_answer_between_failures_keeps_it_closed() -> None:
    breaker = breaker_with()
    for _ in range(20):
        breaker.note_failure(now_s=0.0)
        breaker.note_answer()
    assert breaker.state is BreakerState.CLOSED


def test_no_probe_is_allowed_before_its_time_and_then_only_one() -> None:
    breaker = opened()
    assert not breaker.begin_probe(now_s=0.99)
    assert breaker.begin_probe(now_s=1.0)
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.begin_probe(now_s=100.0)


def test_an_answered_probe_closes_it() -> None:
    breaker = opened()
    breaker.begin_probe(now_s=1.0)
    assert breaker.note_answer()
    assert breaker.state is BreakerState.CLOSED
    assert not breaker.note_answer()


def test_each_probe_without_answer_doubles_the_wait_up_to_the_longest() -> None:
    breaker, now_s, waits = opened(), 0.0, []
    for _ in range(9):
        waits.append(breaker.probe_s - now_s)
        now_s = breaker.probe_s
        breaker.begin_probe(now_s=now_s)
        assert not breaker.note_failure(now_s=now_s)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_device_that_comes_and_goes_is_asked_less_and_less() -> None:
    breaker, waits = breaker_with(), []
    for _ in range(4):
        for _ in range(FAILURES_TO_OPEN):
            breaker.note_failure(now_s=0.0)
        waits.append(breaker.probe_s)
        breaker.begin_probe(now_s=breaker.probe_s)
        breaker.note_answer()
    assert waits == [1, 2, 4, 8]


def test_a_device_that_answers_for_long_is_trusted_again() -> None:
    breaker = opened()
    breaker.begin_probe(now_s=1.0)
    for _ in range(ANSWERS_TO_TRUST):
        breaker.note_answer()
    for _ in range(FAILURES_TO_OPEN):
        breaker.note_failure(now_s=10.0)
    assert breaker.probe_s == 10.0 + FIRST_S


def test_a_new_connection_allows_a_probe_at_once() -> None:
    breaker = opened()
    breaker.hurry(now_s=0.25)
    assert breaker.begin_probe(now_s=0.25)


def test_a_probe_without_verdict_may_be_taken_again() -> None:
    breaker = opened()
    breaker.begin_probe(now_s=1.0)
    breaker.forget_probe(now_s=1.5)
    assert breaker.begin_probe(now_s=1.5)


def test_a_probe_that_was_not_begun_is_not_forgotten() -> None:
    breaker = breaker_with()
    breaker.forget_probe(now_s=1.5)
    assert breaker.state is BreakerState.CLOSED


@given(st.floats(0, 1, exclude_max=True))
def test_jitter_only_shortens_the_wait(spread: float) -> None:
    breaker = breaker_with(spread)
    for _ in range(FAILURES_TO_OPEN):
        breaker.note_failure(now_s=0.0)
    assert FIRST_S * (1 - JITTER) <= breaker.probe_s <= FIRST_S


def test_the_line_is_lost_only_when_every_device_is_given_up() -> None:
    watch = LineWatch(3)
    assert not watch.note_given_up("a")
    assert not watch.note_given_up("a")
    assert not watch.note_given_up("b")
    watch.note_answer("a")
    assert not watch.note_given_up("c")
    assert watch.note_given_up("a")


class Life(RuleBasedStateMachine):
    """A device that answers or not, asked whenever its breaker lets us."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = breaker_with()
        self.now_s = 0.0
        self.in_a_row = 0

    @rule(seconds=st.floats(0.0, 100.0))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @precondition(lambda self: self.breaker.state is BreakerState.CLOSED)
    @rule(answers=st.booleans())
    def it_is_polled(self, *, answers: bool) -> None:
        self._asked(answers=answers)

    @rule(answers=st.booleans())
    def it_is_probed(self, *, answers: bool) -> None:
        was = self.breaker.state
        due = self.now_s >= self.breaker.probe_s
        begun = self.breaker.begin_probe(now_s=self.now_s)
        assert begun == (was is BreakerState.OPEN and due)
        if begun:
            self._asked(answers=answers)

    @rule()
    def the_connection_is_new(self) -> None:
        self.breaker.forget_probe(now_s=self.now_s)
        self.breaker.hurry(now_s=self.now_s)

    def _asked(self, *, answers: bool) -> None:
        if answers:
            self.in_a_row = 0
            self.breaker.note_answer()
        else:
            self.in_a_row += 1
            self.breaker.note_failure(now_s=self.now_s)

    @invariant()
    def it_is_given_up_exactly_after_failures_in_a_row(self) -> None:
        given_up = self.breaker.state is not BreakerState.CLOSED
        assert given_up == (self.in_a_row >= FAILURES_TO_OPEN)

    @invariant()
    def a_probe_is_never_farther_away_than_the_longest_wait(self) -> None:
        assert self.breaker.probe_s <= self.now_s + LONGEST_S


TestLife = Life.TestCase
