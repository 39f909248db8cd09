"""What becomes of a vote when channels are lost, for whoever arms it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.safety.row import vote_of
from appliance.safety.spread import Comparison, compared
from appliance.safety.vote import Verdict, Vote, degraded

if TYPE_CHECKING:
    from appliance.config import InitiatorSettings

_NUMBERS = ("none", "one", "two", "three", "four")


def degradation(row: InitiatorSettings) -> str:
    """Return what bad and bypassed channels leave: `one bad: 1oo2; …`.

    It is computed by the very functions that the scan uses.
    """
    if row.source == "model":
        return "absent, stale or bad: no demand"
    of = len(row.channels)
    cases = [(Verdict.BAD, count) for count in range(1, of + 1)]
    cases += [(Verdict.BYPASSED, 1)]
    return "; ".join(
        f"{_number(count)} {what}: {after(row, [what] * count)}"
        for what, count in cases
    )


def after(row: InitiatorSettings, lost: list[Verdict]) -> Vote | Comparison:
    """Return the vote when some channels are lost and the others are safe."""
    verdicts = lost + [Verdict.SAFE] * (len(row.channels) - len(lost))
    vote = vote_of(row)
    if isinstance(vote, Comparison):
        return compared(verdicts, bad_is=row.bad_is)
    return degraded(vote, verdicts, bad_is=row.bad_is, bypass_leaves=row.bypass_leaves)


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
