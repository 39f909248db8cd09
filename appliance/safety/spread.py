"""The spread among redundant channels: which may be compared, and how far apart. Pure.

Written as a proof: what may not run on one channel's word needs two that agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.safety.vote import OUT, TRIP, Verdict, Vote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from appliance.safety.vote import BadIs

FEWEST = 2
"""Channels that a comparison needs."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`of` channels are held against each other."""

    of: int

    def __str__(self) -> str:
        return f"spread of {self.of}"


def compared(verdicts: Sequence[Verdict], *, bad_is: BadIs) -> Vote | Comparison:
    """Return what is left to compare when bypassed and bad channels are out.

    `trip`: a bad channel is a demand. `exclude`: the others are compared, if two are
    left. A bypass that leaves fewer than two takes the whole comparison out.
    """
    bypassed, bad = (verdicts.count(each) for each in (Verdict.BYPASSED, Verdict.BAD))
    left = len(verdicts) - bypassed
    if left < FEWEST:
        return OUT
    if left - bad < FEWEST or (bad and bad_is == "trip"):
        return TRIP
    return Comparison(left - bad)


def spread(values: Iterable[float]) -> float:
    """Return how far the lowest and the highest are apart; NaN if one is."""
    ordered = tuple(values)
    return max(ordered) - min(ordered)
