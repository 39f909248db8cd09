"""How far a row is from what is normal: distances, four parts, one number.

`short` looks at what the tags are now, and at how they fit together now; a broken
relation shows at once. The next two look at levels and spreads over the window: `t2`
along the directions in which normal windows differ, `spe` across them (Jackson and
Mudholkar 1979, here with every direction by its own variance). Each is a quadratic
form, and so is their mean: what a feature adds to it can be told exactly.

`still` looks at what did not move in the training: how far each is from where it
stood, by how far it may go.

A healthy machine wanders: it warms up, its load drifts. Directions in which the means
of successive parts of the training differ are believed to differ more, later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from models.train.shrink import shrinkage_by_likelihood

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

SHORT = "last"
"""The quantity that `short` looks at; all others are looked at over the window."""

WANDER_PARTS = 10
WANDER_AHEAD = 50.0
"""Training that drifts by its whole length's rise R has parts that vary by R²/12; 50
of that is (2 R)²: a drift may go on for as long again, either way."""

_ROWS_PER_PART = 4
_EXPLAINED = 0.9
_TINY = 1e-6  # of a variance of 1: a direction that never varied


class Answers(NamedTuple):
    """Per row: score [n], detectors [n, detectors], the others [n, features]."""

    score: FloatColumn
    detectors: FloatTable
    contributions: FloatTable
    shift: FloatTable


class Forms(NamedTuple):
    """The parts as matrices [features, features]: a part is |z · form|."""

    short: FloatTable
    t2: FloatTable
    spe: FloatTable
    still: FloatTable


class Scales(NamedTuple):
    """A factor for each of the parts."""

    short: float = 1.0
    t2: float = 1.0
    spe: float = 1.0
    still: float = 1.0


_EVEN = Scales()


@dataclass(frozen=True, slots=True, eq=False)
class DistanceModel:
    """What is usual, the spreads that are believed, and the parts' forms.

    `weights` scale the forms so that their squares add up to the score's; `levels`
    scale each part to its own limit.
    """

    center: FloatColumn
    scale: FloatColumn
    forms: Forms
    weights: Scales = _EVEN
    levels: Scales = _EVEN

    detectors: ClassVar[tuple[str, ...]] = Forms._fields

    @property
    def constants(self) -> dict[str, FloatTable]:
        """What the graph needs of this mode."""
        each = zip(self.detectors, self.weights, self.levels, self.forms, strict=True)
        constants = {"center": self.center, "scale": self.scale}
        for name, weight, level, form in each:
            constants[f"{name}_form"] = form * weight
            constants[f"{name}_level"] = np.array([level / weight if weight else 0.0])
        constants["shift_form"] = self.forms.short
        return constants

    def parts(self, rows: FloatTable) -> FloatTable:
        """Return the distances of each row [n, parts], neither weighed nor scaled."""
        off = (rows - self.center) / self.scale
        seen = [np.linalg.norm(off @ form, axis=1) for form in self.forms]
        return np.column_stack(seen)

    def shift(self, rows: FloatTable) -> FloatTable:
        """Return rows as `short` sees them: unrelated, of the size 1 while normal."""
        off = (rows - self.center) / self.scale
        return np.asarray(off @ self.forms.short, dtype=np.float64)

    def answers(self, rows: FloatTable) -> Answers:
        """Judge rows. The contributions are not negative and sum to score squared."""
        off = (rows - self.center) / self.scale
        seen = [
            (off @ (form * weight)) ** 2
            for form, weight in zip(self.forms, self.weights, strict=True)
        ]
        contributions = np.sum(seen, axis=0)
        score = np.sqrt(contributions.sum(axis=1))
        return Answers(
            score, self.parts(rows) * self.levels, contributions, self.shift(rows)
        )


def fit_distance(
    rows: FloatTable,
    floor: FloatColumn,
    names: Sequence[str],
    *,
    air: FloatColumn | None = None,
    still: NDArray[np.bool_] | None = None,
) -> DistanceModel:
    """Fit on rows that are held to be normal; weights and levels are still 1.

    A spread below its `floor` is taken for the floor, and as unrelated to others.
    `short` needs many rows for few tags: how much it is shrunk is what predicts
    held-out rows best. The windows' statistics overlap; they are shrunk as Ledoit and
    Wolf (2004) say. `air` is what is held to move all at once, beyond what was seen;
    features that are `still` may move as far as their floor.
    """
    center, spread = rows.mean(axis=0), rows.std(axis=0)
    scale = np.maximum(spread, np.maximum(floor, 1e-12))
    width = len(names)
    stood = np.zeros(width, dtype=bool) if still is None else still
    center[stood] = np.median(rows[:, stood], axis=0)
    scale[stood] = np.maximum(floor[stood], 1e-12)
    scaled = (rows - center) / scale
    now = np.array([name.rpartition(":")[2] == SHORT for name in names])
    window = ~(now | stood)
    now &= ~stood
    moved = np.zeros(width) if air is None else air / scale
    forms = [np.zeros((width, width)) for _ in Forms._fields]
    if now.any():
        part = scaled[:, now]
        covariance = _believed(part, shrinkage_by_likelihood(part), moved[now])
        forms[0][np.ix_(now, now)] = _roots(covariance)[0]
    if window.any():
        part = scaled[:, window]
        shrinkage = float(ledoit_wolf_shrinkage(part))
        covariance = _believed(part, shrinkage, moved[window])
        along, across = _roots(covariance, explained=_EXPLAINED)
        forms[1][np.ix_(window, window)] = along
        forms[2][np.ix_(window, window)] = across
    forms[3][stood, stood] = 1.0
    return DistanceModel(center, scale, Forms(*forms))


def _believed(scaled: FloatTable, shrinkage: float, moved: FloatColumn) -> FloatTable:
    """Return the covariance, shrunk, with floors, the parts' wandering and the air."""
    covariance = np.asarray(scaled.T @ scaled / len(scaled), dtype=np.float64)
    variance = np.diag(covariance)
    even = np.eye(len(variance))
    shrunk = (1.0 - shrinkage) * covariance + shrinkage * float(variance.mean()) * even
    parts = max(1, min(WANDER_PARTS, len(scaled) // _ROWS_PER_PART))
    means = np.array([part.mean(axis=0) for part in np.array_split(scaled, parts)])
    wander = WANDER_AHEAD * means.T @ means / parts
    floors = np.diag(np.maximum(1.0 - variance, 0.0) + _TINY)
    air = np.outer(moved, moved)
    return np.asarray(shrunk + wander + floors + air, dtype=np.float64)


def _roots(
    covariance: FloatTable, explained: float = 1.0
) -> tuple[FloatTable, FloatTable]:
    """Return inverse roots along and across the directions that explain so much."""
    variance, axes = np.linalg.eigh(covariance)
    variance, axes = variance[::-1], axes[:, ::-1]
    variance = np.maximum(variance, _TINY)
    told = np.cumsum(variance) / variance.sum()
    first = len(variance) if explained >= 1.0 else int(np.searchsorted(told, explained))
    first = max(1, first)
    inverse = axes / np.sqrt(variance)
    along = inverse[:, :first] @ axes[:, :first].T
    return along, inverse[:, first:] @ axes[:, first:].T
