"""A running machine begins to behave otherwise: when, and which tags moved how far.

Pure. Whether it is a change is decided as in a backtest (`changepoint`), within each
mode; a change of the mode itself is none. What moved is told from the tags' own values.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.inference.changepoint import ChangeWatch
from models.changes import BEFORE_ROWS, RECENT_ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.domain.tag import Tag
    from appliance.inference.detector import Verdict
    from models.features import FeatureVector
    from models.features.asset import FloatColumn

QUANTITY = "last"
"""Of a tag's statistics, the one whose jump is followed (`short`)."""
COOL_DOWN_S = 600.0
CHANGES_PER_DAY = 12
"""More are not news: the machine changes all the time."""
TAGS_TOLD = 3
LEAST_SPREADS = 3.0
"""A tag has moved when it is so many of its spreads from where it was."""

_DAY_NS = 86_400_000_000_000
_SMALLEST_SPREAD = 0.002  # of the tag's value: an instrument is no better than that
_DIGITS = 4


class Move(NamedTuple):
    """A tag, and from where to where it went, in its units."""

    tag: str
    before: float
    after: float
    units: str = ""

    def __str__(self) -> str:
        """Return it in words."""
        told = f"{self.tag} from {self.before:.{_DIGITS}g} to {self.after:.{_DIGITS}g}"
        return f"{told} {self.units}".rstrip()


class Change(NamedTuple):
    """At `time_ns` (the end of the window that shows it), in a mode; what moved."""

    time_ns: int
    mode: str
    moves: tuple[Move, ...]

    @property
    def sentence(self) -> str:
        """Say what moved, for people."""
        if not self.moves:
            return "no tag by itself, but how they fit together"
        return ", ".join(map(str, self.moves))

    def told(self) -> dict[str, str | int]:
        """Return what the hub is told."""
        tags = ", ".join(move.tag for move in self.moves)
        return {
            "at_ns": self.time_ns,
            "mode": self.mode,
            "tags": tags,
            "sentence": self.sentence,
        }


class Changes:
    """Follows one asset under one model; `limits` are the model's, by mode.

    At most one change each `COOL_DOWN_S`, and `CHANGES_PER_DAY` of them in a day.
    """

    def __init__(self, tags: Sequence[Tag], limits: Mapping[str, float | None]) -> None:
        self._tags = tuple(tags)
        self._limits = dict(limits)
        self._told: deque[int] = deque(maxlen=CHANGES_PER_DAY)
        self._order_of: tuple[tuple[str, ...], list[int]] | None = None
        self._begin("")

    def see(
        self, time_ns: int, vector: FeatureVector | None, verdict: Verdict
    ) -> Change | None:
        """Take a window; return the change that it shows, if it is told."""
        if vector is None or verdict.shift is None:
            self._begin("")  # what comes after a stop is compared with itself
            return None
        if verdict.mode != self._mode:
            self._begin(verdict.mode)
        self._values.append(vector.values[self._order(vector.names)])
        if not self._watch.push(time_ns, verdict.shift) or self._too_many(time_ns):
            return None
        self._told.append(time_ns)
        return Change(time_ns, verdict.mode, self._moves())

    def _begin(self, mode: str) -> None:
        self._mode = mode
        self._watch = ChangeWatch(self._limits.get(mode), cool_down_s=COOL_DOWN_S)
        self._values: deque[FloatColumn] = deque(maxlen=RECENT_ROWS + BEFORE_ROWS)

    def _too_many(self, time_ns: int) -> bool:
        told = self._told
        if told and 0 <= time_ns - told[-1] < COOL_DOWN_S * 1e9:
            return True
        return len(told) == CHANGES_PER_DAY and 0 <= time_ns - told[0] < _DAY_NS

    def _moves(self) -> tuple[Move, ...]:
        rows = np.array(self._values)
        usual, now = rows[:BEFORE_ROWS], rows[-1]
        before, spread = usual.mean(axis=0), usual.std(axis=0)
        least = _SMALLEST_SPREAD * np.abs(before)
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.abs(now - before) / np.maximum(spread, least)
        moved = [
            (float(far[place]), Move(tag.id, float(before[place]), float(now[place]),
                                     tag.engineering_units))
            for place, tag in enumerate(self._tags)
            if far[place] >= LEAST_SPREADS
        ]  # fmt: skip
        moved.sort(key=lambda each: -each[0])
        return tuple(move for _, move in moved[:TAGS_TOLD] if math.isfinite(move.after))

    def _order(self, names: tuple[str, ...]) -> list[int]:
        if self._order_of is None or self._order_of[0] is not names:
            place = {name: i for i, name in enumerate(names)}
            order = [place[f"{tag.id}:{QUANTITY}"] for tag in self._tags]
            self._order_of = names, order
        return self._order_of[1]
