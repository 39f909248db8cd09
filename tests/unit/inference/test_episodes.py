from __future__ import annotations

import pytest

from appliance.inference.episodes import (
    MEMORY,
    Episode,
    EpisodeMemory,
    fingerprint_of,
    similarity,
)

BEARING = {"vibration_z": 40.0, "kurtosis_z": 25.0, "temperature_z": 6.0}
BLOCKED = {"flow_z": -30.0, "discharge_pressure_z": 18.0}


def test_a_fingerprint_has_the_deviations_and_their_direction_alone() -> None:
    found = fingerprint_of(
        {"flow_z": -30.0, "level_z": 1.0, "flow_pct": -12.0, "speed_z": float("nan")}
    )
    assert set(found) == {"flow_z"}
    assert found["flow_z"] < 0.0


def test_the_same_fault_further_grown_is_still_the_same() -> None:
    early = fingerprint_of({name: z / 3.0 for name, z in BEARING.items()})
    late = fingerprint_of(BEARING)
    assert similarity(early, late) > 0.9
    assert similarity(late, late) == pytest.approx(1.0)


def test_another_fault_or_the_opposite_one_is_not_alike() -> None:
    bearing, blocked = fingerprint_of(BEARING), fingerprint_of(BLOCKED)
    opposite = {name: -value for name, value in blocked.items()}
    assert similarity(bearing, blocked) == 0.0
    assert similarity(blocked, opposite) == 0.0
    assert similarity(bearing, {}) == 0.0


def test_the_most_alike_is_told_first_with_what_it_turned_out_to_be() -> None:
    memory = EpisodeMemory()
    memory.add(Episode(10, 20, fingerprint_of(BEARING)))
    memory.tell_outcome(25, "bearing replaced")
    memory.add(Episode(30, 40, fingerprint_of(BLOCKED)))
    memory.add(Episode(50, 60, fingerprint_of(BEARING | {"current_z": 9.0})))
    found = memory.similar_to(fingerprint_of(BEARING))
    assert [each.since_ns for each in found] == [10, 50]
    assert [each.outcome for each in found] == ["bearing replaced", ""]


def test_an_outcome_from_before_the_first_episode_is_nobody_s() -> None:
    memory = EpisodeMemory((Episode(10, 20, {"flow_z": 1.0}),))
    memory.tell_outcome(5, "cleaned")
    assert memory.episodes[0].outcome == ""


def test_the_oldest_episodes_are_forgotten() -> None:
    memory = EpisodeMemory()
    for i in range(MEMORY + 5):
        memory.add(Episode(i, i + 1, {"flow_z": 1.0}))
    assert len(memory.episodes) == MEMORY
    assert memory.episodes[0].since_ns == 5


def test_an_episode_without_a_deviation_is_not_worth_remembering() -> None:
    memory = EpisodeMemory()
    memory.add(Episode(1, 2, {}))
    assert memory.episodes == ()
