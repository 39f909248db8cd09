"""Past episodes: what an asset looked like when it was abnormal, and what it was.

Pure. A fingerprint says how far each feature was from usual and which way. Two are
alike by the angle between them, so the same fault further grown is still the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from appliance.domain.health import PastEpisode

if TYPE_CHECKING:
    from collections.abc import Mapping

Fingerprint: TypeAlias = "Mapping[str, float]"

MEMORY = 100
"""So many episodes of an asset are remembered; the oldest goes first."""
ALIKE = 0.7
"""Fingerprints of a lower similarity are not alike."""
MOST = 3

_FEATURES = 40  # of a fingerprint: the largest deviations
_NOISE_Z = 3.0  # a deviation within it is none


@dataclass(frozen=True, slots=True)
class Episode:
    """From when to when (UTC) an asset was abnormal, how, and what came of it."""

    since_ns: int
    until_ns: int
    fingerprint: dict[str, float] = field(default_factory=dict)
    outcome: str = ""


def fingerprint_of(changes: Mapping[str, float]) -> dict[str, float]:
    """Return the fingerprint of changes: of those in spreads, the largest, damped."""
    far = {
        name: math.copysign(math.log(abs(z) / _NOISE_Z), z)
        for name, z in changes.items()
        if name.endswith("_z") and math.isfinite(z) and abs(z) > _NOISE_Z
    }
    largest = sorted(far, key=lambda name: -abs(far[name]))[:_FEATURES]
    return {name: round(far[name], 3) for name in largest}


def similarity(one: Fingerprint, other: Fingerprint) -> float:
    """Return the cosine of two fingerprints, 0 for the empty one; below 0 as 0."""
    size = _size(one) * _size(other)
    if size == 0.0:
        return 0.0
    both = sum(value * other.get(name, 0.0) for name, value in one.items())
    return min(max(both / size, 0.0), 1.0)


class EpisodeMemory:
    """The episodes of one asset, in the order of time."""

    def __init__(self, episodes: tuple[Episode, ...] = ()) -> None:
        self._episodes = list(episodes[-MEMORY:])

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """All that are remembered."""
        return tuple(self._episodes)

    def add(self, episode: Episode) -> None:
        """Remember an episode that is over; one without a deviation is not worth it."""
        if episode.fingerprint:
            self._episodes.append(episode)
            del self._episodes[:-MEMORY]

    def tell_outcome(self, at_ns: int, outcome: str) -> None:
        """Say what the newest episode begun before `at_ns` turned out to be."""
        for place in reversed(range(len(self._episodes))):
            if self._episodes[place].since_ns <= at_ns:
                told = replace(self._episodes[place], outcome=outcome)
                self._episodes[place] = told
                return

    def similar_to(self, fingerprint: Fingerprint) -> tuple[PastEpisode, ...]:
        """Return the most alike, the most alike first."""
        found = [
            PastEpisode(
                each.since_ns, similarity(fingerprint, each.fingerprint), each.outcome
            )
            for each in self._episodes
        ]
        alike = [each for each in found if each.similarity >= ALIKE]
        alike.sort(key=lambda each: -each.similarity)
        return tuple(alike[:MOST])


def _size(fingerprint: Fingerprint) -> float:
    return math.sqrt(sum(value * value for value in fingerprint.values()))
