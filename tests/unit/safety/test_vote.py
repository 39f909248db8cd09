"""The vote against STANDARDS A.2, and against an oracle that knows no formula."""

from __future__ import annotations

from itertools import product
from typing import Literal

import pytest

from appliance.safety.vote import (
    OUT,
    TRIP,
    Verdict,
    Vote,
    degraded,
    may_run,
    parse_vote,
)

Policy = Literal["trip", "exclude"]
SAFE, HIGH, BAD, OUT_OF_IT = (
    Verdict.SAFE,
    Verdict.DEMANDING,
    Verdict.BAD,
    Verdict.BYPASSED,
)

AFTER_ONE_BAD = {
    ("1oo1", "trip"): "trip",
    ("1oo1", "exclude"): "trip",
    ("1oo2", "trip"): "trip",
    ("1oo2", "exclude"): "1oo1",
    ("2oo2", "trip"): "1oo1",
    ("2oo2", "exclude"): "1oo1",
    ("2oo3", "trip"): "1oo2",
    ("2oo3", "exclude"): "2oo2",
}
AFTER_TWO_BAD = {
    ("1oo2", "trip"): "trip",
    ("1oo2", "exclude"): "trip",
    ("2oo2", "trip"): "trip",
    ("2oo2", "exclude"): "trip",
    ("2oo3", "trip"): "trip",
    ("2oo3", "exclude"): "1oo1",
}
AFTER_ONE_BYPASSED = {
    ("1oo1", "trip"): "bypassed",
    ("1oo1", "exclude"): "bypassed",
    ("1oo2", "trip"): "1oo1",
    ("1oo2", "exclude"): "1oo1",
    ("2oo2", "trip"): "1oo1",
    ("2oo2", "exclude"): "1oo1",
    ("2oo3", "trip"): "1oo2",
    ("2oo3", "exclude"): "2oo2",
}
WORDS = {"1oo1": 1, "1oo2": 1, "2oo2": 2}


def oracle(vote: str, verdicts: tuple[Verdict, ...], policy: Policy) -> bool:
    """Say whether it demands: by looking up what the vote has become, then counting."""
    bad, bypassed = verdicts.count(BAD), verdicts.count(OUT_OF_IT)
    word = vote
    for _ in range(bypassed):
        word = AFTER_ONE_BYPASSED[word, policy] if word != "bypassed" else word
    if word == "bypassed":
        return False
    if bad == 2:
        word = AFTER_TWO_BAD[word, policy]
    elif bad == 3:
        word = "trip"
    elif bad == 1:
        word = AFTER_ONE_BAD[word, policy]
    if word == "trip":
        return True
    return verdicts.count(HIGH) >= {**WORDS, "2oo3": 2}[word]


POLICIES: tuple[Policy, ...] = ("trip", "exclude")
CASES = [
    (vote, policy, verdicts)
    for vote in ("1oo1", "1oo2", "2oo2", "2oo3")
    for policy in POLICIES
    for verdicts in product(Verdict, repeat=int(vote[-1]))
]


@pytest.mark.requirement("A7")
def test_every_vote_policy_and_verdict_agrees_with_the_oracle() -> None:
    assert len(CASES) == 2 * (4 + 16 + 16 + 64)
    wrong = [
        (vote, policy, verdicts)
        for vote, policy, verdicts in CASES
        if may_run(
            degraded(parse_vote(vote), verdicts, bad_is=policy),
            verdicts,
        )
        == oracle(vote, verdicts, policy)
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("table", "count", "what"),
    [
        (AFTER_ONE_BAD, 1, BAD),
        (AFTER_TWO_BAD, 2, BAD),
        (AFTER_ONE_BYPASSED, 1, OUT_OF_IT),
    ],
)
@pytest.mark.requirement("A7")
def test_degradation_is_the_one_of_the_table(
    table: dict[tuple[str, Policy], str], count: int, what: Verdict
) -> None:
    for (vote, policy), expected in table.items():
        verdicts = [what] * count + [SAFE] * (int(vote[-1]) - count)
        assert str(degraded(parse_vote(vote), verdicts, bad_is=policy)) == expected


def test_one_bad_and_one_demanding_of_two_out_of_three_stop_by_policy() -> None:
    verdicts = [BAD, HIGH, SAFE]
    vote = Vote(2, 3)
    assert not may_run(degraded(vote, verdicts, bad_is="trip"), verdicts)
    assert may_run(degraded(vote, verdicts, bad_is="exclude"), verdicts)


def test_nothing_proves_a_vote_in_which_nobody_is_left() -> None:
    assert not may_run(TRIP, [])
    assert may_run(OUT, [])
