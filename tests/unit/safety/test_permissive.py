"""Permissives: they keep a reset from passing, and never trip."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from appliance.config import PermissiveSettings

if TYPE_CHECKING:
    from tests.unit.safety.bench import Given, MakeBench, MakeElement

LEVEL = PermissiveSettings(tag="P/level", above=0.5, below=3.0, max_age_s=1.0)


@pytest.mark.requirement("A5")
@pytest.mark.parametrize(
    ("given", "why"),
    [
        (0.25, "is 0.25, must be at least 0.5 and at most 3"),
        (4.0, "is 4, must be at least 0.5 and at most 3"),
        ("bad", "is bad"),
        (math.nan, "is bad"),
        (None, "is not known now"),
        ("late", "is not known now"),
    ],
)
def test_a_reset_waits_for_the_permissive_and_is_told_which(
    bench: MakeBench, element: MakeElement, given: Given, why: str
) -> None:
    pump = bench(elements=(element(permissives=(LEVEL,)),))
    pump.values |= {"P/a": 1.0, "P/level": given}
    pump.scan()
    pump.scan()
    assert pump.reset().refusals == (f"permissive P/level {why}",)
    pump.values["P/level"] = 0.5
    pump.scan()
    assert pump.reset().refusals == ()


def test_a_permissive_never_trips(bench: MakeBench, element: MakeElement) -> None:
    pump = bench(elements=(element(permissives=(LEVEL,)),))
    pump.values["P/level"] = 1.0
    pump.ready()
    for given in (9.0, "bad", None):
        pump.values["P/level"] = given
        pump.scans(2.0)
    assert not pump.tripped()


def test_an_old_permissive_is_not_known(bench: MakeBench, element: MakeElement) -> None:
    pump = bench(elements=(element(permissives=(LEVEL,)),))
    pump.values |= {"P/a": 1.0, "P/level": 1.0}
    pump.scan()
    pump.values["P/level"] = None
    pump.scans(1.25)
    assert pump.reset().refusals == ("permissive P/level is not known now",)


def test_one_limit_is_enough(bench: MakeBench, element: MakeElement) -> None:
    dry = PermissiveSettings(tag="P/leak", below=0.5)
    pump = bench(elements=(element(permissives=(dry,)),))
    pump.values |= {"P/a": 1.0, "P/leak": 1.0}
    pump.scan()
    pump.scan()
    assert pump.reset().refusals == ("permissive P/leak is 1, must be at most 0.5",)


def test_the_other_limit_is_enough_too(bench: MakeBench, element: MakeElement) -> None:
    wet = PermissiveSettings(tag="P/level", above=0.5)
    pump = bench(elements=(element(permissives=(wet,)),))
    pump.values |= {"P/a": 1.0, "P/level": 0.0}
    pump.scan()
    pump.scan()
    assert pump.reset().refusals == ("permissive P/level is 0, must be at least 0.5",)


@pytest.mark.parametrize("limits", [{}, {"above": 2.0, "below": 1.0}])
def test_a_permissive_that_cannot_hold_or_asks_nothing_is_refused(
    limits: dict[str, float],
) -> None:
    with pytest.raises(ValidationError):
        PermissiveSettings(tag="P/x", **limits)
