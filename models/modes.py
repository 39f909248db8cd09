"""Ways of running, each with a normal of its own.

A mode is a box in the quantities an operator sets (speed, setpoint, valve, load), never
in what the machine answers with: a flow that falls must stay a fault and not become
another mode. Outside all boxes the mode is unknown, and nothing is said to be abnormal.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.features.asset import FloatColumn

UNKNOWN = -1
"""The number of no mode: the graph answers NaN."""
RUNNING_NAME, UNKNOWN_NAME, CHANGING_NAME = "running", "unknown", "changing"
WARMING_NAME, SETTLING_NAME = "warming up", "settling"
MODE_QUANTITIES = ("mode_mean", "mode_range")
"""What a feature vector tells of every mode tag; never scored."""
RUNNING_QUANTITY = "mode_running_s"
"""How long the machine has run; never scored."""

_NS = 1_000_000_000


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `low` on, and below `high`; None is open."""

    low: float | None = None
    high: float | None = None

    def holds(self, value: float, slack: float = 0.0) -> bool:
        """Say whether a value lies within, or at most `slack` beside; NaN does not."""
        low = -math.inf if self.low is None else self.low - slack
        high = math.inf if self.high is None else self.high + slack
        return low <= value < high


class ModeBox(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mode: a span per tag of its map."""

    name: str
    spans: tuple[Span, ...]


class ModeMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which mode a window is in, by the means of `tags` in it.

    A window in which a tag moves by more than its `steady` lies across a change. A
    mode is left only when a value is `slack` outside of its box. Without tags there is
    one mode, and it is always on.

    A mode counts when it has lasted for `dwell_s`: until then it is `SETTLING_NAME`.
    For `warm_up_s` after a start of `running_tag` that was seen, it is `WARMING_NAME`.
    Where the map has not these modes, nothing is known of that time.
    """

    boxes: tuple[ModeBox, ...]
    tags: tuple[str, ...] = ()
    steady: tuple[float, ...] = ()
    slack: tuple[float, ...] = ()
    dwell_s: float = 0.0
    running_tag: str = ""
    warm_up_s: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.tags)
        spans = [len(box.spans) for box in self.boxes]
        if not self.boxes or {count, len(self.steady), len(self.slack)} != {count}:
            raise ValueError("needs a mode, and `steady` and `slack` for every tag")
        if any(each != count for each in spans):
            raise ValueError("a mode has not one span per tag")

    @classmethod
    def single(cls, name: str = RUNNING_NAME) -> ModeMap:
        """Return the map that knows one mode."""
        return cls((ModeBox(name, ()),))

    @property
    def names(self) -> tuple[str, ...]:
        """The modes, in the order of their numbers."""
        return tuple(box.name for box in self.boxes)

    def number_of(self, name: str) -> int:
        """Return the number of a mode by its name; `UNKNOWN` without it."""
        names = self.names
        return names.index(name) if name in names else UNKNOWN

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features that a mode is told from; the last is the run."""
        return (*mode_features(self.tags), running_feature(self.running_tag))

    def mode_of(self, means: Sequence[float] | FloatColumn, now: int = UNKNOWN) -> int:
        """Return the mode of some means, in the order of `tags`; `now` is kept if near.

        A mean that is NaN speaks for no mode and against none: what the others leave
        open is `UNKNOWN`.
        """
        if now != UNKNOWN and self._within(now, means, self.slack):
            return now
        nothing = (0.0,) * len(self.tags)
        passing = (WARMING_NAME, SETTLING_NAME)
        every = [i for i, box in enumerate(self.boxes) if box.name not in passing]
        fitting = [each for each in every if self._within(each, means, nothing)]
        whole = all(math.isfinite(mean) for mean in means)
        return fitting[0] if fitting and (whole or len(fitting) == 1) else UNKNOWN

    def _within(
        self, number: int, means: Sequence[float] | FloatColumn, slack: Sequence[float]
    ) -> bool:
        spans = self.boxes[number].spans
        return all(
            math.isnan(mean) or span.holds(float(mean), beside)
            for span, mean, beside in zip(spans, means, slack, strict=True)
        )


class ModeNow(NamedTuple):
    """The mode of a window: its number, or `UNKNOWN`, and what it is called."""

    number: int
    name: str


class ModeTrack:
    """Follows the mode from window to window; the same for training and at the edge."""

    def __init__(self, modes: ModeMap) -> None:
        self.modes = modes
        self._now = UNKNOWN
        self._since_ns: int | None = None  # when it changed last; None: not yet
        self._order_of: tuple[tuple[str, ...], list[int]] | None = None

    def step(
        self, time_ns: int, names: tuple[str, ...], values: FloatColumn
    ) -> ModeNow:
        """Take the window that ended at `time_ns`: its features and their names.

        A window across a change is `changing`, without a number. The first mode ever
        counts as lasting.
        """
        modes, count = self.modes, len(self.modes.tags)
        *read_all, running_s = np.append(values, np.nan)[self._order(names)].tolist()
        read = np.array(read_all)
        if running_s < modes.warm_up_s:
            self._since_ns = time_ns
            return ModeNow(modes.number_of(WARMING_NAME), WARMING_NAME)
        if (read[count:] > np.array(modes.steady)).any():
            self._since_ns = time_ns
            return ModeNow(UNKNOWN, CHANGING_NAME)
        number = modes.mode_of(read[:count], self._now)
        if number != self._now:
            self._change(number, time_ns)
        if number == UNKNOWN:
            return ModeNow(UNKNOWN, UNKNOWN_NAME)
        since_ns = self._since_ns
        if since_ns is not None and 0 <= time_ns - since_ns < modes.dwell_s * _NS:
            return ModeNow(modes.number_of(SETTLING_NAME), SETTLING_NAME)
        return ModeNow(number, modes.boxes[number].name)

    def _change(self, number: int, time_ns: int) -> None:
        first = self._now == UNKNOWN and self._since_ns is None
        self._now = number
        self._since_ns = None if first else time_ns

    def _order(self, names: tuple[str, ...]) -> list[int]:
        """Return where means and ranges stand; behind the last where one is missing."""
        if self._order_of is None or self._order_of[0] is not names:
            place = {name: i for i, name in enumerate(names)}
            wanted = self.modes.features
            self._order_of = names, [place.get(each, len(names)) for each in wanted]
        return self._order_of[1]


def mode_features(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the mode's features: all means, then all ranges."""
    return tuple(f"{tag}:{each}" for each in MODE_QUANTITIES for tag in tags)


def running_feature(tag: str) -> str:
    """Return the name of the feature that tells how long the machine has run."""
    return f"{tag}:{RUNNING_QUANTITY}"


def is_mode_feature(name: str) -> bool:
    """Say whether a feature tells the mode, and is not to be scored."""
    return name.rpartition(":")[2] in (*MODE_QUANTITIES, RUNNING_QUANTITY)
