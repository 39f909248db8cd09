"""Votes of redundant channels, and how they degrade. Pure.

`MooN` demands when M of N channels do. Written as a proof it may run when at least
N - M + 1 channels prove the safe case.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence


BadIs: TypeAlias = Literal["trip", "exclude"]
"""What a bad channel counts as."""


class Verdict(StrEnum):
    """What one channel says in the vote."""

    SAFE = "safe"
    DEMANDING = "demanding"
    BAD = "bad"
    BYPASSED = "bypassed"


@dataclass(frozen=True, slots=True)
class Vote:
    """`needed` of `of` channels demand the stop; none needed is a standing demand."""

    needed: int
    of: int

    @property
    def proofs(self) -> int:
        """How many channels must prove the safe case."""
        return self.of - self.needed + 1

    def __str__(self) -> str:
        if self.needed == 0:
            return "trip"
        return f"{self.needed}oo{self.of}" if self.of else "bypassed"


TRIP = Vote(0, 0)
"""Nobody is left who could prove the safe case."""
OUT = Vote(1, 0)
"""Every channel is bypassed: no demand is possible."""


def parse_vote(text: str) -> Vote:
    """Return the vote of `1oo1`, `1oo2`, `2oo2` or `2oo3`."""
    return Vote(int(text[0]), int(text[-1]))


def degraded(
    vote: Vote,
    verdicts: Sequence[Verdict],
    *,
    bad_is: BadIs,
    bypass_leaves: str | None = None,
) -> Vote:
    """Return the vote on the channels that are neither bad nor bypassed.

    `trip`: a bad channel counts as demanding; 2oo3 becomes 1oo2. `exclude`: it has no
    voice; 2oo3 becomes 2oo2. All channels bad is a trip either way. A bypassed channel
    is taken out first, and never trips by being out: `bypass_leaves` says what one
    bypassed channel leaves of the vote, by default what the rule makes of it.
    """
    bypassed, bad = (verdicts.count(each) for each in (Verdict.BYPASSED, Verdict.BAD))
    of = vote.of - bypassed
    if of == 0:
        return OUT
    if bad == of:
        return TRIP
    if bypassed == 1 and bypass_leaves is not None:
        needed = parse_vote(bypass_leaves).needed
    elif bad_is == "exclude":
        needed = min(vote.needed, of)
    else:
        needed = max(1, vote.needed - bypassed)
    if bad_is == "exclude":
        return Vote(min(needed, of - bad), of - bad)
    return Vote(max(0, needed - bad), of - bad)


def may_run(vote: Vote, verdicts: Sequence[Verdict]) -> bool:
    """Say whether enough channels prove the safe case for a (degraded) vote."""
    return verdicts.count(Verdict.SAFE) >= vote.proofs
