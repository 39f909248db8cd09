"""The leaderboards' figures on cases that can be counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.quality.scores import Alarms, Changes, States, runs

S = 1_000_000_000


def flags(text: str) -> np.ndarray:
    return np.array([each == "1" for each in text])


def times(count: int) -> np.ndarray:
    return S * np.arange(count)


def test_runs_are_begin_and_end() -> None:
    assert runs(flags("0110011")) == [(1, 3), (5, 7)]
    assert runs(flags("000")) == []


def test_states_are_pooled_and_events_counted() -> None:
    states = States()
    states.add(flags("0011100110"), flags("0100100000"), times(10))
    states.add(flags("0000"), flags("1000"), times(4))
    counts = (states.hits, states.false, states.missed, states.quiet)
    assert counts == (1, 2, 4, 7)
    assert states.f1 == pytest.approx(2 / (2 + 2 + 4))
    assert states.false_alarm_pct == pytest.approx(100 * 2 / 9)
    assert states.missed_alarm_pct == pytest.approx(80.0)
    assert (states.events, states.events_hit) == (2, 1)
    assert states.median_delay_s == 2.0


def test_nothing_at_all_has_no_delay() -> None:
    assert math.isnan(States().median_delay_s)
    assert States().f1 == 0.0
    assert math.isnan(Changes().score())
    assert math.isnan(Alarms().score())


def test_changes_told_at_once_are_a_hundred_and_silence_is_nothing() -> None:
    labels = np.zeros(300, dtype=bool)
    labels[[50, 200]] = True
    silent, perfect, late = Changes(), Changes(), Changes()
    silent.add(labels, np.zeros(300, dtype=bool), times(300))
    perfect.add(labels, labels, times(300))
    late.add(labels, np.roll(labels, 40), times(300))
    assert silent.score() == pytest.approx(0.0)
    assert perfect.score() == pytest.approx(100.0)
    assert 0.0 < late.score() < 80.0


def test_a_change_where_there_is_none_costs() -> None:
    labels, said = np.zeros(300, dtype=bool), np.zeros(300, dtype=bool)
    labels[50] = said[50] = said[200] = True
    changes = Changes()
    changes.add(labels, said, times(300))
    assert changes.false == 1
    assert changes.score() == pytest.approx(100.0 - 100.0 * 0.11 / 2)


def test_an_alarm_at_a_windows_begin_is_worth_most() -> None:
    said = np.zeros(1000, dtype=bool)
    said[400] = True
    early, late, silent = Alarms(), Alarms(), Alarms()
    early.add(said, [(400, 499)])
    late.add(said, [(301, 400)])
    silent.add(~said & said, [(400, 499)])
    assert early.score() == pytest.approx(100.0)
    assert 50.0 < late.score() < 60.0
    assert silent.score() == pytest.approx(0.0)


def test_alarms_outside_cost_less_right_behind_a_window() -> None:
    def scored(row: int) -> float:
        said = np.zeros(1000, dtype=bool)
        said[row] = said[400] = True
        alarms = Alarms()
        alarms.add(said, [(400, 499)])
        assert alarms.false == 1
        return alarms.score()

    assert scored(300) == pytest.approx(100.0 - 100.0 * 0.11 / 2)
    assert scored(505) > scored(900) == pytest.approx(scored(300), abs=0.1)


def test_the_rows_learned_from_are_not_scored() -> None:
    said = np.zeros(1000, dtype=bool)
    said[10] = True
    alarms = Alarms()
    alarms.add(said, [(5, 60)])
    assert (alarms.windows, alarms.false, alarms.missed) == (0, 0, 0)
