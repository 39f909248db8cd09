"""What stood while it was learned: how far it may go."""

from __future__ import annotations

import numpy as np
import pytest

from models.train.still import allowed_move, never_moved, seldom_move


@pytest.mark.parametrize(
    ("place", "span", "allowed"),
    [
        (1480.0, 3000.0, 30.0),  # 1 % of the range
        (1480.0, 0.0, 74.0),  # 5 % of its size
        (0.0, 0.0, 0.05),  # of 1, where nothing is known
        (1.0, 0.0, 0.05),  # a state that turns is a move
        (3.0, 0.0, 4.0),  # whole numbers: four of them
        (0.25, 0.0, 0.05),
        (6.1, 0.0, 0.4),  # four tenths, for one that tells tenths
    ],
)
def test_what_stood_may_move_by_its_range_its_size_and_steps(
    place: float, span: float, allowed: float
) -> None:
    assert allowed_move(place, span) == pytest.approx(allowed)


def test_one_step_of_a_declared_instrument_is_far_within() -> None:
    span = 16.0
    assert span / 4096 < 0.03 * allowed_move(6.0, span)


def test_last_bits_are_no_move() -> None:
    column = np.full(10, 6.1) + np.linspace(0.0, 9e-15, 10)
    assert never_moved(column)
    column[3] = 6.2
    assert not never_moved(column)


def test_what_a_tag_did_once_it_may_do_again() -> None:
    column = np.zeros(100)
    column[40] = 7.0
    assert seldom_move(column) == 7.0
    assert seldom_move(np.arange(100.0)) == 0.0
    assert seldom_move(np.zeros(100)) == 0.0
