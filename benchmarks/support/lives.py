"""Machines that wear out as theory says, and what our prognosis says of each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.inference.life import DegradationPath

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.domain.health import RemainingLife

LEVEL = 7.1
WAYS = ("from the first hour", "from an onset", "beside a base that stays")
_RESEMBLANCES = (0.0, 0.5)


class Told(NamedTuple):
    """One machine at one moment: how it wears, what part of its life is over."""

    way: str
    part: float
    left_h: float
    life: RemainingLife | None

    @property
    def covered(self) -> bool:
        """Whether the interval holds the truth."""
        life = self.life
        return life is not None and life.low_h <= self.left_h <= life.high_h


def machine(rng: np.random.Generator) -> Told:
    """Draw a machine and a moment; watch it until then."""
    number = int(rng.integers(len(WAYS)))
    base, fails_h = rng.uniform(0.8, 2.5), rng.uniform(100.0, 2000.0)
    onset = float(rng.uniform(0.0, 0.6))
    part = max(float(rng.uniform(0.3, 0.95)), onset + 0.15)
    rate = float(rng.uniform(2.0, 8.0))
    value = _path(WAYS[number], base, fails_h, onset=onset, rate=rate)
    life = watched(
        value,
        part * fails_h,
        rng,
        points=int(rng.integers(30, 300)),
        noise=float(rng.uniform(0.02, 0.12)),
    )
    return Told(WAYS[number], part, (1.0 - part) * fails_h, life)


def jumping(rng: np.random.Generator) -> RemainingLife | None:
    """Watch a machine that does not wear, but whose level jumps once."""
    at_h, jump = 500.0 * rng.uniform(0.3, 0.7), rng.uniform(0.3, 1.0)
    return watched(
        lambda hours: 1.2 * math.exp(jump if hours > at_h else 0.0),
        500.0,
        rng,
        points=int(rng.integers(40, 200)),
        noise=float(rng.uniform(0.02, 0.1)),
    )


def steady(rng: np.random.Generator) -> RemainingLife | None:
    """Watch a machine that does not wear."""
    points, noise = int(rng.integers(30, 300)), float(rng.uniform(0.02, 0.12))
    return watched(lambda _: 1.2, 500.0, rng, points=points, noise=noise)


def watched(
    value: Callable[[float], float],
    until_h: float,
    rng: np.random.Generator,
    *,
    points: int,
    noise: float,
) -> RemainingLife | None:
    """Return what is told of a path seen through noise, some of which lasts."""
    track, error = DegradationPath(LEVEL), 0.0
    likeness = float(rng.choice(_RESEMBLANCES))
    fresh = noise * math.sqrt(1.0 - likeness**2)
    for hours in np.linspace(0.0, until_h, points):
        error = likeness * error + fresh * rng.normal()
        track.add(float(hours), value(float(hours)) * math.exp(error))
    return track.remaining()


def _path(
    way: str, base: float, fails_h: float, *, onset: float, rate: float
) -> Callable[[float], float]:
    folds = math.log(LEVEL / base)
    if way == WAYS[0]:
        return lambda hours: base * math.exp(folds * hours / fails_h)
    if way == WAYS[1]:
        begin_h, grows_h = onset * fails_h, (1.0 - onset) * fails_h
        return lambda hours: (
            base * math.exp(folds * max(0.0, hours - begin_h) / grows_h)
        )
    energy = LEVEL**2 - base**2
    return lambda hours: math.sqrt(
        base**2 + energy * math.exp(2.0 * rate * (hours - fails_h) / fails_h)
    )
