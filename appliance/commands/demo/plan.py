"""When things happen in a demonstration, and what shall be broken on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from appliance.runtime.durations import seconds

SHORTEST_S = 60.0
_WEAR_HOURS_PER_HOUR = 36_000.0
_FULL_S = 90.0

_BREAK = re.compile(r"(?P<name>[a-z]+)@(?P<at>[^+]+)(?:\+(?P<length>.+))?")


class PlanError(ValueError):
    """The words do not make a plan; the text says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds from the plant's start, in proportion to the whole.

    At 90 s: learn at 30 s, fault at 35 s. `speed` multiplies the plant's wear so that
    the same life fits into a longer demonstration.
    """

    whole_s: float

    def __post_init__(self) -> None:
        if self.whole_s < SHORTEST_S:
            raise PlanError(
                f"{self.whole_s:g} s is too short to learn what is normal;"
                f" give at least {SHORTEST_S:g}s"
            )

    @property
    def learn_at_s(self) -> float:
        """When the healthy past is long enough to learn from."""
        return self.whole_s * 30 / _FULL_S

    @property
    def fault_at_s(self) -> float:
        """When the plant's fault begins."""
        return self.whole_s * 35 / _FULL_S

    @property
    def speed(self) -> float:
        """Wear-hours per hour."""
        return _WEAR_HOURS_PER_HOUR * _FULL_S / self.whole_s


class How(StrEnum):
    """What is done to a program."""

    KILL = "kill"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Break:
    """`kill NAME@50s`: SIGKILL, restarted at once. `down NAME@40s+30s`: kept down."""

    how: How
    name: str
    at_s: float
    length_s: float = 0.0


def parse_break(how: How, text: str, known: tuple[str, ...]) -> Break:
    """Return what `NAME@WHEN` or `NAME@WHEN+LENGTH` asks for.

    Raises:
        PlanError: Not of that form, or no program has that name.
        DurationError: A time in it is not one.
    """
    match = _BREAK.fullmatch(text)
    if match is None or (match["length"] is None) == (how is How.DOWN):
        form = "NAME@40s+30s" if how is How.DOWN else "NAME@50s"
        raise PlanError(f"{text!r} is not of the form {form}")
    if match["name"] not in known:
        raise PlanError(f"no program {match['name']!r}; known: {', '.join(known)}")
    length_s = seconds(match["length"]) if match["length"] else 0.0
    return Break(how, match["name"], seconds(match["at"]), length_s)
