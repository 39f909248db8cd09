"""A score that is a little too high, for long."""

from __future__ import annotations

import math

import pytest

from models.lasting import (
    MOST_PER_WINDOW,
    evidence_after,
    evidence_limit,
    most_evidence,
)


def test_evidence_grows_beyond_the_limit_and_falls_within() -> None:
    beyond = evidence_after(1.0, 0.9, 0.6, 0.5)
    assert beyond == pytest.approx(1.0 + 0.5 * (1.5**2 - 1.0))
    assert evidence_after(1.0, 0.3, 0.6, 0.5) == pytest.approx(1.0 - 0.5 * 0.75)
    assert evidence_after(0.1, 0.0, 0.6, 1.0) == 0.0
    assert evidence_after(1.0, 0.6, 0.6, 1.0) == pytest.approx(1.0)


def test_one_window_tells_no_more_than_most() -> None:
    assert evidence_after(0.0, 1e9, 0.6, 1.0) == MOST_PER_WINDOW
    assert evidence_after(0.0, 1e9, 0.6, 50.0) == MOST_PER_WINDOW  # a gap


def test_nothing_is_evidence_of_nothing() -> None:
    assert evidence_after(2.0, math.nan, 0.6, 1.0) == 2.0
    assert evidence_after(2.0, 0.9, math.inf, 1.0) == 2.0
    assert evidence_after(2.0, 0.9, 0.6, -1.0) == 2.0  # the clock was set back


def test_the_most_evidence_is_that_of_the_longest_run() -> None:
    runs = [0.9, 0.9, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.1]
    assert most_evidence(runs, 0.6, 0.1) == pytest.approx(0.375)
    assert most_evidence([0.1] * 5, 0.6, 0.1) == 0.0


def test_the_limit_is_the_budgets_or_what_healthy_rows_showed() -> None:
    week = 604_800 / 10.0
    assert evidence_limit(week, seen=0.0, safety_factor=1.0) == pytest.approx(
        math.log(week) / 2.0
    )
    assert evidence_limit(week, seen=40.0, safety_factor=1.5) == 60.0
    rarer = evidence_limit(10.0 * week, seen=0.0, safety_factor=1.0)
    assert rarer > evidence_limit(week, seen=0.0, safety_factor=1.0)
    assert evidence_limit(0.1, seen=0.0, safety_factor=1.0) == 0.5
