from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.owed import Owed
from connectors.modbus.replies import Request, Verdict


def read(count: int, function: int = 3) -> Request:
    return Request(1, bytes((function, 0, 0, 0, count)))


def echo(nonce: int) -> Request:
    return Request(1, bytes((8, 0, 0, 0, nonce)))


def test_what_is_owed_hides_what_looks_alike() -> None:
    owed = Owed()
    owed.unanswered(read(2), until_s=9.0)
    assert owed.hides(read(2), now_s=0.0)
    assert owed.hides(read(3), now_s=0.0)
    assert not owed.hides(read(2, function=4), now_s=0.0)


def test_after_a_long_silence_nothing_is_owed() -> None:
    owed = Owed()
    owed.unanswered(read(2), until_s=9.0)
    assert not owed.hides(read(2), now_s=9.0)


@pytest.mark.parametrize("verdict", [Verdict.ANSWER, Verdict.REFUSED])
def test_an_answer_settles_what_was_asked_before_it(verdict: Verdict) -> None:
    owed = Owed()
    owed.unanswered(read(2), until_s=9.0)
    owed.answered(read(2, function=4), verdict)
    assert not owed.hides(read(2), now_s=0.0)


def test_an_echo_settles_everything() -> None:
    owed = Owed()
    owed.unanswered(read(2), until_s=9.0)
    owed.unanswered(echo(1), until_s=9.0)
    owed.answered(echo(2), Verdict.ANSWER)
    assert not owed.hides(read(2), now_s=0.0)
    assert not owed.hides(echo(3), now_s=0.0)


def test_a_refused_echo_settles_what_came_before_any_echo() -> None:
    owed = Owed()
    owed.unanswered(read(2), until_s=9.0)
    owed.unanswered(echo(1), until_s=9.0)
    owed.unanswered(read(2, function=4), until_s=9.0)
    owed.answered(echo(2), Verdict.REFUSED)
    assert not owed.hides(read(2), now_s=0.0)
    assert owed.hides(read(2, function=4), now_s=0.0)


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from([3, 4]), st.booleans()),
        max_size=30,
    ),
    st.booleans(),
)
def test_a_device_that_answers_in_order_is_never_misread(
    asked: list[tuple[int, int, bool]], knows_echo: bool
) -> None:
    """The device answers every request, in order; some answers come too late."""
    owed, queue = Owed(), list[tuple[int, Request]]()
    for turn, (count, function, in_time) in enumerate(asked):
        request = read(count, function)
        is_probe = owed.hides(request, now_s=0.0)
        if is_probe:
            request = echo(turn)
        queue.append((turn, request))
        if not in_time:
            owed.unanswered(request, until_s=9.0)
            continue
        # Everything late arrives now, and then the answer: the first that fits is it.
        refused = is_probe and not knows_echo
        while queue:
            answered, of = queue.pop(0)
            if of.function == request.function if refused else of.head == request.head:
                assert is_probe or answered == turn
                break
        owed.answered(request, Verdict.REFUSED if refused else Verdict.ANSWER)
