from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inference.detector import Verdict
from appliance.inference.health import FAILURE_RATIO, HealthTrack, index_of

S = 1_000_000_000
positive = st.floats(1e-3, 1e6)


def verdict(score: float) -> Verdict:
    return Verdict(score, limit=1.0, cause="P-1/DE/acceleration", share=0.7)


def followed(*scores: float, track: HealthTrack | None = None) -> list[bool]:
    """Anomaly after each of the scores, one a second."""
    track = track or HealthTrack("P-1", limit=1.0, on_delay_s=3.0)
    return [
        track.observe(i * S, verdict(score), life_h=float(i)).anomaly
        for i, score in enumerate(scores)
    ]


def test_the_index_is_one_within_and_zero_at_failure() -> None:
    assert index_of(0.5, sound=1.0, failed=100.0) == 1.0
    assert index_of(1.0, sound=1.0, failed=100.0) == 1.0
    assert index_of(10.0, sound=1.0, failed=100.0) == pytest.approx(0.5)
    assert index_of(100.0, sound=1.0, failed=100.0) == 0.0
    assert index_of(1e9, sound=1.0, failed=100.0) == 0.0


@given(positive, positive, positive, st.floats(1.1, 1e3))
def test_the_index_never_rises_with_the_score(
    one: float, other: float, sound: float, ratio: float
) -> None:
    low, high = sorted((one, other))
    better = index_of(low, sound=sound, failed=sound * ratio)
    worse = index_of(high, sound=sound, failed=sound * ratio)
    assert 1.0 >= better >= worse >= 0.0


def test_an_anomaly_needs_the_score_to_stay_beyond_the_limit() -> None:
    assert followed(0.5, 2, 2, 2, 2) == [False, False, False, False, True]
    assert followed(2, 2, 0.5, 2, 2, 2, 2)[-2:] == [False, True]


def test_a_single_wild_score_is_no_anomaly() -> None:
    assert not any(followed(0.5, 1e6, 0.5, 0.5, 0.5))


def test_an_anomaly_is_withdrawn_after_as_long_within_the_limit() -> None:
    states = followed(2, 2, 2, 2, 0.5, 0.5, 2, 0.5, 0.5, 0.5, 0.5)
    assert states[3:] == [True] * 7 + [False]


def test_an_unknown_score_changes_nothing_and_is_no_number() -> None:
    track = HealthTrack("P-1", limit=1.0, on_delay_s=0.0)
    assert followed(2.0, track=track) == [True]
    health = track.observe(5 * S, Verdict(math.nan, 1.0), life_h=5.0)
    assert health.anomaly
    assert math.isnan(health.index)
    assert math.isnan(health.score)
    assert health.life is None
    assert health.cause == ""


def test_the_cause_is_named_only_beyond_the_limit() -> None:
    track = HealthTrack("P-1", limit=1.0)
    assert track.observe(0, verdict(0.9), life_h=0.0).cause == ""
    assert track.observe(S, verdict(1.1), life_h=0.0).cause == "P-1/DE/acceleration"


def test_health_names_asset_time_and_limit() -> None:
    health = HealthTrack("P-1", limit=1.0).observe(7 * S, verdict(0.4), life_h=1.0)
    assert (health.asset, health.time_ns, health.limit) == ("P-1", 7 * S, 1.0)
    assert (health.score, health.index, health.life) == (0.4, 1.0, None)


def test_the_index_falls_with_the_smoothed_score() -> None:
    track = HealthTrack("P-1", limit=1.0)
    track.observe(0, verdict(1.0), life_h=0.0)
    indexes = [
        track.observe(i * S, verdict(FAILURE_RATIO), life_h=float(i)).index
        for i in range(1, 30)
    ]
    assert indexes == sorted(indexes, reverse=True)
    assert 0.6 < indexes[0] < 0.8
    assert indexes[-1] == pytest.approx(0.0, abs=1e-3)


def test_a_known_failure_level_is_index_zero() -> None:
    track = HealthTrack("P-1", limit=1.0, failure_level=7.1)
    indexes = []
    for i in range(60):
        score, indicator = (0.5, 1.2) if i < 10 else (1.5, 1.2 * 1.04 ** (i - 10))
        health = track.observe(
            i * S, verdict(score), life_h=float(i), indicator=indicator
        )
        indexes.append(health.index)
    assert indexes[:10] == [1.0] * 10
    assert indexes[11:] == sorted(indexes[11:], reverse=True)
    assert indexes[-1] == 0.0
    middle = 1.2 * (7.1 / 1.2) ** 0.5
    at_middle = min(range(60), key=lambda i: abs(1.2 * 1.04 ** (i - 10) - middle))
    assert indexes[at_middle] == pytest.approx(0.5, abs=0.05)


def test_an_unknown_indicator_leaves_the_index_to_the_score() -> None:
    track = HealthTrack("P-1", limit=1.0, failure_level=7.1)
    health = track.observe(0, verdict(FAILURE_RATIO**0.5), life_h=0.0)
    assert health.index == pytest.approx(0.5)


def test_remaining_life_is_told_in_an_anomaly_alone() -> None:
    track = HealthTrack("P-1", limit=1.0, failure_level=7.1, on_delay_s=0.0)
    lives = []
    for i in range(60):
        score = 0.5 if i < 40 else 2.0
        lives.append(
            track.observe(
                i * S, verdict(score), life_h=10.0 * i, indicator=1.2 * 1.02**i
            ).life
        )
    assert lives[:40] == [None] * 40
    last = lives[-1]
    assert last is not None
    truth_h = 10.0 * (math.log(7.1 / 1.2) / math.log(1.02) - 59)
    assert last.expected_h == pytest.approx(truth_h, rel=0.05)
    assert last.low_h <= last.expected_h <= last.high_h


def test_without_a_failure_level_the_score_itself_is_followed() -> None:
    track = HealthTrack("P-1", limit=1.0, on_delay_s=0.0)
    life = None
    for i in range(60):
        life = track.observe(i * S, verdict(1.5 * 1.02**i), life_h=float(i)).life
    assert life is not None
    truth_h = math.log(FAILURE_RATIO / 1.5) / math.log(1.02) - 59
    assert life.expected_h == pytest.approx(truth_h, rel=0.05)


def test_after_maintenance_all_begins_again() -> None:
    track = HealthTrack("P-1", limit=1.0, failure_level=7.1, on_delay_s=0.0)
    for i in range(60):
        track.observe(i * S, verdict(5.0), life_h=float(i), indicator=1.2 * 1.02**i)
    track.reset()
    health = track.observe(60 * S, verdict(0.3), life_h=60.0, indicator=1.2)
    assert (health.index, health.anomaly, health.life) == (1.0, False, None)


def test_a_clock_that_steps_back_restarts_the_delay() -> None:
    track = HealthTrack("P-1", limit=1.0, on_delay_s=3.0)
    track.observe(100 * S, verdict(2.0), life_h=0.0)
    assert not track.observe(50 * S, verdict(2.0), life_h=0.1).anomaly
    assert not track.observe(52 * S, verdict(2.0), life_h=0.2).anomaly
    assert track.observe(53 * S, verdict(2.0), life_h=0.3).anomaly


def test_a_score_that_stays_a_little_too_high_is_an_anomaly_in_the_end() -> None:
    eager = Verdict(0.9, limit=1.0, anomaly_limit=0.6, evidence_limit=2.0)
    usual = Verdict(0.3, limit=1.0, anomaly_limit=0.6, evidence_limit=2.0)
    track = HealthTrack("P-1", limit=1.0, on_delay_s=3.0, window_s=2.0)

    def states(*verdicts: Verdict, since: int) -> list[bool]:
        return [
            track.observe((since + i) * S, each, life_h=0.0).anomaly
            for i, each in enumerate(verdicts)
        ]

    assert states(*[eager] * 6, since=0) == [False] * 4 + [True] * 2
    assert states(*[usual] * 4, since=6) == [True] * 3 + [False]
    assert states(*[eager, usual, usual] * 10, since=10) == [False] * 30


def test_without_a_limit_for_evidence_none_counts() -> None:
    track = HealthTrack("P-1", limit=1.0, window_s=2.0)
    eager = Verdict(0.9, limit=1.0, anomaly_limit=0.6)
    assert not any(track.observe(i * S, eager, life_h=0.0).anomaly for i in range(100))
