"""How far a row is from what is normal: distances, their parts, one number.

`short` looks at what the tags are now, and at how they fit together now; a broken
relation shows at once. The next two look at levels and spreads over the window: `t2`
along the directions in which normal windows differ, `spe` across them (Jackson and
Mudholkar 1979, here with every direction by its own variance). Each is a quadratic
form, and so is their mean: what a feature adds to it can be told exactly.

`still` looks at what did not move in the training: how far each is from where it
stood, by how far it may go.

Further parts may be chosen, that look at the same as `t2` and `spe`: `neighbours`,
`forest` and `autoencoder`, each in a module of its own.

A healthy machine wanders: it warms up, its load drifts. Directions in which the means
of successive parts of the training differ are believed to differ more, later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage

from models.parts import (
    AUTOENCODER,
    DEFAULT_PARTS,
    FOREST,
    NEIGHBOURS,
    SHORT,
    SPE,
    STILL,
    T2,
)
from models.train.autoencoder import fit_autoencoder
from models.train.forest import fit_forest
from models.train.neighbours import fit_neighbours
from models.train.part import Form
from models.train.shrink import shrinkage_by_likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable
    from models.train.part import Part

NEWEST = "last"
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


@dataclass(frozen=True, slots=True, eq=False)
class DistanceModel:
    """What is usual, the spreads that are believed, and the parts by their names.

    `weights` scale the parts so that their squares add up to the score's; `levels`
    scale each part to its own limit. `white` is the form that sees changes.
    """

    center: FloatColumn
    scale: FloatColumn
    looks: Mapping[str, Part]
    white: FloatTable
    weights: Mapping[str, float]
    levels: Mapping[str, float]

    @property
    def detectors(self) -> tuple[str, ...]:
        """The names of the parts, in order."""
        return tuple(self.looks)

    @property
    def constants(self) -> dict[str, NDArray[np.float64]]:
        """What the graph needs of this mode."""
        constants = {"center": self.center, "scale": self.scale}
        for name, part in self.looks.items():
            weight, level = self.weights[name], self.levels[name]
            for key, each in part.constants(weight).items():
                constants[f"{name}_{key}"] = each
            constants[f"{name}_level"] = np.array([level / weight if weight else 0.0])
        constants["shift_form"] = self.white
        return constants

    def parts(self, rows: FloatTable) -> FloatTable:
        """Return the distances of each row [n, parts], neither weighed nor scaled."""
        off = (rows - self.center) / self.scale
        seen = [
            np.sqrt(part.squares(off, 1.0).sum(axis=1)) for part in self.looks.values()
        ]
        return np.column_stack(seen)

    def shift(self, rows: FloatTable) -> FloatTable:
        """Return rows as `short` sees them: unrelated, of the size 1 while normal."""
        off = (rows - self.center) / self.scale
        return np.asarray(off @ self.white, dtype=np.float64)

    def answers(self, rows: FloatTable) -> Answers:
        """Judge rows. The contributions are not negative and sum to score squared."""
        off = (rows - self.center) / self.scale
        seen = [
            part.squares(off, self.weights[name]) for name, part in self.looks.items()
        ]
        contributions = np.sum(seen, axis=0)
        score = np.sqrt(contributions.sum(axis=1))
        levels = np.array([self.levels[name] for name in self.looks])
        return Answers(
            score, self.parts(rows) * levels, contributions, self.shift(rows)
        )


def fit_distance(
    rows: FloatTable,
    floor: FloatColumn,
    names: Sequence[str],
    *,
    air: FloatColumn | None = None,
    still: NDArray[np.bool_] | None = None,
    chosen: Sequence[str] = DEFAULT_PARTS,
) -> DistanceModel:
    """Fit the chosen parts on rows that are held to be normal; all weigh 1 as yet.

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
    now = np.array([name.rpartition(":")[2] == NEWEST for name in names])
    window = ~(now | stood)
    now &= ~stood
    moved = np.zeros(width) if air is None else air / scale
    forms = _forms(scaled, now, window, moved)
    forms[STILL][stood, stood] = 1.0
    looks: dict[str, Part] = {
        name: Form(form) for name, form in forms.items() if name in chosen
    }
    looks |= _more(scaled, window, forms[T2] + forms[SPE], chosen)
    even = dict.fromkeys(looks, 1.0)
    return DistanceModel(center, scale, looks, forms[SHORT], even, even)


def _forms(
    scaled: FloatTable,
    now: NDArray[np.bool_],
    window: NDArray[np.bool_],
    moved: FloatColumn,
) -> dict[str, FloatTable]:
    """Return the matrices of what moves; that of what stood is empty as yet."""
    width = len(now)
    forms = {name: np.zeros((width, width)) for name in DEFAULT_PARTS}
    if now.any():
        part = scaled[:, now]
        covariance = _believed(part, shrinkage_by_likelihood(part), moved[now])
        forms[SHORT][np.ix_(now, now)] = _roots(covariance)[0]
    if window.any():
        part = scaled[:, window]
        shrinkage = float(ledoit_wolf_shrinkage(part))
        covariance = _believed(part, shrinkage, moved[window])
        along, across = _roots(covariance, explained=_EXPLAINED)
        forms[T2][np.ix_(window, window)] = along
        forms[SPE][np.ix_(window, window)] = across
    return forms


def _more(
    scaled: FloatTable,
    window: NDArray[np.bool_],
    form: FloatTable,
    chosen: Sequence[str],
) -> dict[str, Part]:
    """Fit the further parts on what moves over a window, and how that is measured."""
    found: dict[str, Part] = {}
    if NEIGHBOURS in chosen:
        found[NEIGHBOURS] = fit_neighbours(scaled, form)
    if FOREST in chosen:
        found[FOREST] = fit_forest(scaled, window)
    if AUTOENCODER in chosen:
        found[AUTOENCODER] = fit_autoencoder(scaled, window)
    return found


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
