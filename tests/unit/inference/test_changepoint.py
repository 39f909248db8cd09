"""Changes are told as they happen, once each, also those back to normal."""

from __future__ import annotations

import math

import numpy as np
import pytest

from appliance.inference.changepoint import ChangeWatch
from models.changes import BEFORE_ROWS, RECENT_ROWS, jumps

S = 1_000_000_000
WHOLE = RECENT_ROWS + BEFORE_ROWS


def noise(rows: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 4))


def test_a_jump_is_the_distance_of_two_means() -> None:
    shift = np.zeros((100, 2))
    shift[80:] = [3.0, 4.0]
    found = jumps(shift)
    assert np.isnan(found[: WHOLE - 1]).all()
    assert found[79] == 0.0
    assert found[80] == pytest.approx(5.0 / RECENT_ROWS)
    assert found[80 + RECENT_ROWS - 1] == pytest.approx(5.0)


def test_rows_that_are_missing_have_no_jump_and_hide_no_later_one() -> None:
    shift = noise(300)
    shift[100] = np.nan
    found = jumps(shift)
    assert np.isnan(found[100 : 100 + WHOLE]).all()
    assert np.isfinite(found[100 + WHOLE :]).all()
    np.testing.assert_allclose(found[200:], jumps(shift[101:])[99:])


def test_too_few_rows_have_no_jump() -> None:
    assert np.isnan(jumps(noise(WHOLE - 1))).all()
    assert len(jumps(np.empty((0, 3)))) == 0


def test_both_ends_of_an_episode_are_changes() -> None:
    shift = noise(400)
    limit = float(np.nanmax(jumps(shift)))
    shift[150:250] += 4.0
    watch = ChangeWatch(limit, cool_down_s=60.0)
    found = [i for i, row in enumerate(shift) if watch.push(i * S, row)]
    assert len(found) == 2
    assert 150 <= found[0] < 155
    assert 250 <= found[1] < 255


def test_one_at_a_time_and_all_at_once_agree() -> None:
    shift = np.cumsum(noise(300, seed=1), axis=0) / 5.0
    watch, other = (ChangeWatch(1.0, cool_down_s=20.0) for _ in range(2))
    live = [watch.push(i * S, row) for i, row in enumerate(shift)]
    past = [other.step(i * S, float(jump)) for i, jump in enumerate(jumps(shift))]
    assert live == past
    assert any(live)


def test_a_change_that_lasts_is_told_once() -> None:
    watch = ChangeWatch(1.0, cool_down_s=0.0)
    assert [watch.step(i * S, 2.0) for i in range(3)] == [True, False, False]
    assert not watch.step(3 * S, math.nan)
    assert not watch.step(4 * S, 2.0)
    assert not watch.step(5 * S, 0.5)
    assert watch.step(6 * S, 2.0)


def test_within_the_cool_down_nothing_more_is_told() -> None:
    watch = ChangeWatch(1.0, cool_down_s=10.0)
    told = [watch.step(i * S, 2.0 if i % 2 else 0.0) for i in range(14)]
    assert [i for i, each in enumerate(told) if each] == [1, 11]


def test_without_a_learned_limit_nothing_is_told() -> None:
    watch = ChangeWatch(None, cool_down_s=0.0)
    assert not any(watch.push(i * S, row) for i, row in enumerate(10.0 * noise(200)))
