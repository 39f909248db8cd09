"""How long a score that is a little too high must stay there to be worth a person.

A one-sided cumulative sum (Page, Continuous inspection schemes, Biometrika 1954) of the
score's square over the limit of the moment. Used by training, for its limit, and at the
edge, for the decision: one definition.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_PER_WINDOW = 3.0
"""What a window can tell at most: twice the limit of the moment, squared, less one."""

PER_EVIDENCE = 2.0
"""Every 1 of evidence makes a healthy machine less likely by a factor of e to this.

Were windows independent it would be e to some nine, by the tail of held-out scores; a
healthy machine wanders, and stays away for several windows.
"""


def evidence_after(
    evidence: float, score: float, limit: float, windows: float
) -> float:
    """Return the evidence after a score, which stands for so many `windows`.

    Beyond the `limit` of the moment it grows, within it falls, to 0. A score that is
    NaN changes nothing.
    """
    if not (math.isfinite(score) and 0.0 < limit < math.inf):
        return evidence
    told = min((score / limit) ** 2 - 1.0, MOST_PER_WINDOW)
    return max(0.0, evidence + told * min(max(windows, 0.0), 1.0))


def most_evidence(scores: Iterable[float], limit: float, windows: float) -> float:
    """Return the largest evidence of successive scores."""
    evidence = most = 0.0
    for score in scores:
        evidence = evidence_after(evidence, score, limit, windows)
        most = max(most, evidence)
    return most


def evidence_limit(chances: float, *, seen: float, safety_factor: float) -> float:
    """Return the evidence that is worth a person.

    `chances`: healthy windows side by side for every false alarm that is borne; `seen`
    is the most evidence of healthy rows.
    """
    return safety_factor * max(math.log(max(chances, math.e)) / PER_EVIDENCE, seen)
