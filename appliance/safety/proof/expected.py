"""What a row must say, by the table of the standard: an oracle of its own.

It shares no code with the logic. It is told the classes of the inputs, never what the
logic made of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from appliance.safety.proof.classes import (
    APART,
    BAD,
    BELOW,
    DEMANDING,
    FROZEN,
    HALFWAY,
    LATE,
    LOST,
    NEAR,
    SILENT,
    UNDER,
    YOUNG,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.config import InitiatorSettings

_LEFT = {
    ("1oo1", "trip"): "trip",
    ("1oo1", "exclude"): "trip",
    ("1oo2", "trip"): "trip",
    ("1oo2", "exclude"): "1oo1",
    ("2oo2", "trip"): "1oo1",
    ("2oo2", "exclude"): "1oo1",
    ("2oo3", "trip"): "1oo2",
    ("2oo3", "exclude"): "2oo2",
}
"""What one bad channel leaves of a vote (STANDARDS A.2)."""
_UNBYPASSED = {"1oo1": "none", "1oo2": "1oo1", "2oo2": "1oo1"}
"""What one bypassed channel leaves; of 2oo3 the configuration says it."""
_NEEDED = {"1oo1": 1, "1oo2": 1, "2oo2": 2, "2oo3": 2}
_FEWEST = 2

NEVER, RUNNING, OVER = "never", "running", "over"
"""Of an on-delay: not begun, begun, run out."""


class Seen(NamedTuple):
    """What is known of a channel by its inputs alone."""

    heard: bool = False
    sound: bool = False
    beyond: bool = False
    late: bool = False
    read: bool = False
    value: float = 0.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What a row must have come to; `lasts` with and `bare` without its bypass."""

    channels: tuple[Seen, ...]
    lasts: str = NEVER
    bare: str = NEVER
    apart: bool = False
    bare_apart: bool = False

    @property
    def demands(self) -> bool:
        """Whether it must stop its elements in this scan."""
        return self.lasts == OVER


def seen(row: InitiatorSettings, before: Seen, word: str) -> Seen:
    """Return what is known of a channel after a scan that brought it `word`."""
    if word in SILENT:
        sound = before.sound and word != LOST
        return before._replace(sound=sound, late=word == LATE, read=False)
    if word in {BAD, FROZEN}:
        return before._replace(sound=False, late=False, read=True)
    beyond = before.beyond
    if word in {DEMANDING, UNDER}:
        beyond = True
    elif word == BELOW:
        beyond = False
    spread = word in {NEAR, HALFWAY, APART}
    return Seen(
        heard=True,
        sound=word != YOUNG,
        beyond=beyond and not spread,
        read=True,
        value=value_of(row, word) if spread else 0.0,
    )


def expected(
    row: InitiatorSettings,
    before: Expected,
    words: Sequence[str],
    bypassed: frozenset[int],
) -> Expected:
    """Return what a row must come to; `bypassed` are the places of its channels."""
    pairs = zip(before.channels, words, strict=True)
    channels = tuple(seen(row, was, word) for was, word in pairs)
    bare_proven, bare_apart = _proven(row, channels, frozenset(), before.bare_apart)
    bare = _lasting(row, before.bare, proven=bare_proven)
    lasts, apart = bare, bare_apart
    if bypassed:
        proven, apart = _proven(row, channels, bypassed, before.apart)
        lasts = _lasting(row, before.lasts, proven=proven)
    return Expected(channels, lasts, bare, apart, bare_apart)


def _lasting(row: InitiatorSettings, before: str, *, proven: bool) -> str:
    if proven:
        return NEVER
    if before == NEVER:
        return RUNNING if row.on_delay_s else OVER
    return before


def _proven(
    row: InitiatorSettings,
    channels: Sequence[Seen],
    bypassed: frozenset[int],
    apart: bool,  # noqa: FBT001 - a fold over scans
) -> tuple[bool, bool]:
    """Say whether the safe case is proved, and whether a spread is beyond its limit."""
    left = [each for place, each in enumerate(channels) if place not in bypassed]
    if row.condition == "deviation":
        return _together(row, left, apart=apart)
    return not _demanded(row, left, bypassed=len(bypassed)), False


def _demanded(row: InitiatorSettings, left: Sequence[Seen], *, bypassed: int) -> bool:
    if row.source == "model":
        return any(each.sound and each.beyond and not each.late for each in left)
    word: str = row.vote
    if not left:
        return False
    if bypassed:
        of_three = row.bypass_leaves or _LEFT["2oo3", row.bad_is]
        word = of_three if row.vote == "2oo3" else _UNBYPASSED[row.vote]
    for _ in [each for each in left if not each.sound]:
        word = _LEFT[word, row.bad_is]
        if word == "trip":
            return True
    return sum(each.sound and each.beyond for each in left) >= _NEEDED[word]


def _together(
    row: InitiatorSettings, left: Sequence[Seen], *, apart: bool
) -> tuple[bool, bool]:
    sound = [each.value for each in left if each.sound]
    if len(left) < _FEWEST:
        return True, apart
    if len(sound) < _FEWEST or (row.bad_is == "trip" and len(sound) < len(left)):
        return False, apart
    limit = row.setpoint - (row.deadband if apart else 0.0)
    close = all(abs(one - other) <= limit for one, other in combinations(sound, 2))
    return close, not close
