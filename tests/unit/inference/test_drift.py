"""Drift: found where it is, not where there is none, and told once."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inference.adwin import BUCKETS_PER_SIZE, Adwin
from appliance.inference.detector import Verdict
from appliance.inference.drift import BLOCK_S, FEWEST, MEMORY, DriftWatch
from appliance.inference.kolmogorov import independent, ks_chance, ks_distance
from appliance.inference.level import DELTA
from models.features import FeatureVector

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY = MEMORY
"""Blocks in a day and a night."""
TAGS = tuple(f"P-1/t{i}" for i in range(6))
NAMES = tuple(f"{tag}:mean" for tag in TAGS)


def wandering(
    rng: np.random.Generator, blocks: int, memory: float
) -> NDArray[np.float64]:
    """Return columns of spread 1 that remember for so many blocks."""
    keep = math.exp(-1.0 / memory)
    found = np.empty((blocks, len(NAMES)))
    now = rng.normal(size=len(NAMES))
    for block in range(blocks):
        now = keep * now + math.sqrt(1.0 - keep * keep) * rng.normal(size=len(NAMES))
        found[block] = now
    return found


def watch_of(rng: np.random.Generator, *, memory: float = 2.0) -> DriftWatch:
    return DriftWatch(NAMES, {"running": wandering(rng, 48, memory)})


def see(
    watch: DriftWatch,
    rows: NDArray[np.float64],
    *,
    first: int = 0,
    score: float = 0.5,
    mode: str = "running",
) -> None:
    for block, row in enumerate(rows, start=first):
        vector = FeatureVector(NAMES, row, np.ones(len(row)))
        verdict = Verdict(score, 1.0, mode=mode)
        watch.see(round(block * BLOCK_S * 1e9), vector, verdict)


@pytest.mark.parametrize("memory", [0.5, 4.0])
def test_a_stationary_machine_is_hardly_ever_said_to_drift(memory: float) -> None:
    advised = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        watch = watch_of(rng, memory=memory)
        see(watch, wandering(rng, 7 * DAY, memory))
        advised += watch.drift is not None
    assert advised == 0  # of six machine-weeks


def test_day_and_night_are_no_drift_where_both_were_learned() -> None:
    rng = np.random.default_rng(3)
    blocks = np.arange(8 * DAY)
    swing = 2.0 * np.sin(2.0 * np.pi * blocks / DAY)[:, np.newaxis]
    rows = wandering(rng, 8 * DAY, 2.0) + swing
    learned = rows[np.linspace(0, DAY - 1, 48).astype(int)]
    watch = DriftWatch(NAMES, {"running": learned})
    see(watch, rows[DAY:], first=DAY)
    assert watch.drift is None


def test_a_shift_is_found_with_its_tag_and_its_beginning() -> None:
    rng = np.random.default_rng(1)
    watch, rows = watch_of(rng, memory=0.5), wandering(rng, 6 * DAY, 0.5)
    rows[2 * DAY :, 3] += 3.0
    see(watch, rows)
    assert watch.drift is not None
    assert watch.drift.tags == (TAGS[3],)
    assert watch.drift.since_ns / 1e9 / BLOCK_S == pytest.approx(2 * DAY, abs=8)
    said = watch.drift.diagnostic("P-1")
    assert said["key"] == "drift P-1"
    assert said["priority"] == "low"
    assert TAGS[3] in said["message"]
    assert "wheeltapper learn P-1" in said["remedy"]


def test_the_advice_stands_while_the_shift_does_and_goes_with_it() -> None:
    rng = np.random.default_rng(2)
    watch, rows = watch_of(rng, memory=0.5), wandering(rng, 8 * DAY, 0.5)
    rows[DAY : 4 * DAY, 0] += 3.0
    told = []
    for block in range(len(rows)):
        see(watch, rows[block : block + 1], first=block)
        told.append(None if watch.drift is None else watch.drift.since_ns)
    changes = [b for a, b in pairwise(told) if a != b]
    assert len(changes) == 2  # it began once, with one beginning, and ended once
    assert changes[-1] is None


def test_a_score_that_rose_within_its_limit_is_drift() -> None:
    rng = np.random.default_rng(4)
    watch, rows = watch_of(rng), wandering(rng, 4 * DAY, 2.0)
    see(watch, rows[: 2 * DAY], score=0.4)
    see(watch, rows[2 * DAY :], first=2 * DAY, score=0.8)
    assert watch.drift is not None
    assert watch.drift.tags == ()
    assert watch.drift.score == pytest.approx(0.8, abs=0.02)
    assert watch.drift.since_ns / 1e9 / BLOCK_S == pytest.approx(2 * DAY, abs=2)
    assert "80% of its limit" in watch.drift.sentence


def test_a_watch_that_was_killed_goes_on_as_if_it_had_not_been() -> None:
    rng = np.random.default_rng(1)
    reference = {"running": wandering(rng, 48, 0.5)}
    whole = DriftWatch(NAMES, reference, model="v1")
    rows = wandering(rng, 4 * DAY, 0.5)
    rows[DAY:, 3] += 3.0
    cut = 2 * DAY + 11
    see(whole, rows[:cut])
    again = DriftWatch(NAMES, reference, model="v1")
    again.recall(whole.memory())
    assert again.drift == whole.drift
    for watch in (whole, again):
        see(watch, rows[cut:], first=cut, score=0.9)
    assert again.drift == whole.drift
    assert again.drift is not None
    assert again.memory() == whole.memory()


def test_a_score_that_falls_is_none() -> None:
    rng = np.random.default_rng(4)
    watch, rows = watch_of(rng), wandering(rng, 4 * DAY, 2.0)
    see(watch, rows[: 2 * DAY], score=0.8)
    see(watch, rows[2 * DAY :], first=2 * DAY, score=0.4)
    assert watch.drift is None


def test_much_time_in_unknown_modes_is_drift() -> None:
    rng = np.random.default_rng(5)
    watch, rows = watch_of(rng), wandering(rng, 3 * DAY, 2.0)
    see(watch, rows[:DAY])
    see(watch, rows[DAY:], first=DAY, score=math.nan, mode="unknown")
    assert watch.drift is not None
    assert watch.drift.unknown == pytest.approx(1.0)
    assert "modes it does not know" in watch.drift.sentence


def test_what_is_beyond_its_limit_is_judged_already_and_no_drift() -> None:
    rng = np.random.default_rng(6)
    watch, rows = watch_of(rng), wandering(rng, 4 * DAY, 2.0)
    see(watch, rows[:DAY])
    see(watch, rows[DAY:] + 5.0, first=DAY, score=3.0)
    assert watch.drift is None


def test_little_is_not_judged_and_gaps_are_passed_over() -> None:
    rng = np.random.default_rng(7)
    watch = watch_of(rng)
    see(watch, wandering(rng, FEWEST - 1, 2.0) + 5.0)
    gaps = wandering(rng, 4 * DAY, 2.0) + 5.0
    gaps[:, 0] = np.nan
    see(watch, gaps, first=FEWEST)
    assert watch.drift is None


def test_a_reference_that_wanders_as_slowly_proves_nothing() -> None:
    rng = np.random.default_rng(8)
    ramp = np.linspace(0.0, 1.0, 48)[:, np.newaxis] + np.zeros(len(NAMES))
    watch = DriftWatch(NAMES, {"running": ramp})
    see(watch, wandering(rng, 3 * DAY, 200.0))
    assert watch.drift is None or watch.drift.tags == ()


def test_many_tags_are_named_shortly() -> None:
    rng = np.random.default_rng(9)
    watch, rows = watch_of(rng, memory=0.5), wandering(rng, 4 * DAY, 0.5)
    see(watch, rows + 4.0)
    assert watch.drift is not None
    assert len(watch.drift.tags) == len(TAGS)
    assert "and 3 more" in watch.drift.sentence


# ------------------------------------------------------------------- the tools


def test_two_samples_are_compared_as_scipy_does() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for ours_n, theirs_n, shift in ((20, 30, 0.0), (64, 48, 0.5), (200, 100, 1.0)):
        ours, theirs = rng.normal(size=ours_n), rng.normal(size=theirs_n) + shift
        wanted = stats.ks_2samp(ours, theirs, method="asymp")
        distance = ks_distance(ours, theirs)
        assert distance == pytest.approx(wanted.statistic, abs=1e-12)
        chance = ks_chance(distance, ours_n, theirs_n)
        assert chance == pytest.approx(wanted.pvalue, abs=0.02)


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=20),
    st.lists(st.integers(-3, 3), min_size=1, max_size=20),
)
def test_the_distance_is_symmetric_and_within_its_bounds(
    ours: list[int], theirs: list[int]
) -> None:
    one, other = np.array(ours, float), np.array(theirs, float)
    distance = ks_distance(one, other)
    assert distance == pytest.approx(ks_distance(other, one))
    assert 0.0 <= distance <= 1.0
    assert 0.0 <= ks_chance(distance, len(ours), len(theirs)) <= 1.0
    assert ks_distance(one, one) == 0.0


def test_a_series_counts_as_many_values_as_are_independent() -> None:
    rng = np.random.default_rng(0)
    assert independent(rng.normal(size=400)) > 200
    assert independent(np.repeat(rng.normal(size=20), 20)) < 60
    assert independent(np.zeros(50)) == 1.0


def test_adwin_finds_a_step_and_keeps_what_came_after() -> None:
    rng, adwin = np.random.default_rng(0), Adwin(0.002)
    changes = [adwin.update(each) for each in rng.uniform(0.1, 0.3, size=300)]
    assert not any(changes)
    after = [adwin.update(each) for each in rng.uniform(0.6, 0.8, size=100)]
    found = next(each for each in after if each is not None)
    assert found.before == pytest.approx(0.2, abs=0.02)
    assert found.after == pytest.approx(0.7, abs=0.1)
    assert adwin.whole.size <= 110
    assert adwin.whole.mean == pytest.approx(0.7, abs=0.05)


def test_adwin_is_hardly_ever_wrong_on_what_is_stationary() -> None:
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(10):
        adwin = Adwin(DELTA)
        wrong += any(adwin.update(each) for each in rng.beta(2, 5, size=640))
    assert wrong == 0  # ten machines, ten days each


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=300))
def test_adwin_forgets_only_from_the_old_end_and_its_memory_is_bounded(
    values: list[float],
) -> None:
    adwin = Adwin()
    for value in values:
        adwin.update(value)
    kept = values[-int(adwin.whole.size) :]
    assert adwin.whole.mean == pytest.approx(np.mean(kept), abs=1e-9)
    assert adwin.whole.variance == pytest.approx(np.var(kept), abs=1e-9)
    assert adwin.buckets <= (BUCKETS_PER_SIZE + 1) * (1 + math.log2(len(values)))


def test_adwin_changes_where_that_of_river_does() -> None:
    drift = pytest.importorskip("river.drift", reason="river is not installed")
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.uniform(0.0, 0.4, 500), rng.uniform(0.5, 0.9, 500)])
    theirs, ours = drift.ADWIN(delta=0.002), Adwin(0.002)
    found: dict[str, list[int]] = {"theirs": [], "ours": []}
    for place, value in enumerate(values.tolist()):
        theirs.update(value)
        if theirs.drift_detected:
            found["theirs"].append(place)
        if ours.update(value) is not None:
            found["ours"].append(place)
    assert abs(found["ours"][0] - found["theirs"][0]) <= 32
