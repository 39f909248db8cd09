"""Which rows and features can be learned from, and how small a spread is believed.

A few seconds of a healthy machine show almost no spread. Believed as they are, they
would make an anomaly of the first change of load. So every feature has a floor, from
what its instrument can tell and from its own size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.features import FeatureTable, tag_of
from models.train.settings import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.features.asset import FloatColumn, SlotColumn
    from models.features.table import FloatTable
    from models.train.settings import TagSettings, TrainingSettings

MIN_ROWS = 12
_MAX_MISSING = 0.2  # of the rows of a feature
_DRIFT_SIGMAS = 4.0  # of what is left when the rise is taken out: it is a drift
_DRIFT_FLOORS = 4.0  # a drift over this has not shown its level yet
_DRIFT_AHEAD = 2.0  # a smaller one may go on for as long again, either way


@dataclass(frozen=True, slots=True)
class Floor:
    """The least standard deviation: the largest of three.

    `relative` of the feature's own size, `of_span` of the instrument's range,
    `absolute` in the feature's units.
    """

    relative: float = 0.0
    of_span: float = 0.0
    absolute: float = 0.0


FLOORS: Mapping[str, Floor] = {
    "mean": Floor(relative=0.01, of_span=0.002),
    "std": Floor(relative=0.1, of_span=0.001),
    "slope": Floor(of_span=0.002),  # per window, see `_floor`
    "range": Floor(relative=0.1, of_span=0.002),
    "velocity_rms": Floor(relative=0.05, absolute=0.05),
    "rms": Floor(relative=0.05, absolute=0.05),
    "kurtosis": Floor(absolute=0.2),
    "crest_factor": Floor(absolute=0.2),
    "bpfo": Floor(absolute=2.0),
    "bpfi": Floor(absolute=2.0),
    "bsf": Floor(absolute=2.0),
    "ftf": Floor(absolute=2.0),
}
"""By the feature's quantity.

0.2 % of span is a common transmitter's accuracy; 2 dB is the scatter of a line that
is not there.
"""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """What is left to learn from: no NaN, no constants, each feature with its floor."""

    names: tuple[str, ...]
    time_ns: SlotColumn
    values: FloatTable
    floor: FloatColumn
    dropped: Mapping[str, str]


def prepare(table: FeatureTable, settings: TrainingSettings) -> TrainingRows:
    """Choose features and rows.

    Raises:
        TrainingError: Fewer than `MIN_ROWS` rows or no feature left.
    """
    order = np.argsort(table.time_ns, kind="stable")
    values, time_ns = table.values[order], table.time_ns[order]
    dropped = _unknown(table.names, values)
    columns = [i for i, name in enumerate(table.names) if name not in dropped]
    whole = np.isfinite(values[:, columns]).all(axis=1)
    values, time_ns = values[whole], time_ns[whole]
    if len(values) < MIN_ROWS:
        raise TrainingError(
            f"{len(values)} whole rows of {len(table)}; at least {MIN_ROWS} are needed"
        )
    spans = {tag.id: tag for tag in settings.tags}
    floors = [
        _floor(name, values[:, i], spans.get(tag_of(name)), settings.window_s)
        for i, name in enumerate(table.names)
    ]
    for i in columns:
        column, rise = values[:, i], _drift(values[:, i])
        if np.ptp(column) == 0.0:
            dropped[table.names[i]] = f"constant at {column[0]:g}"
        elif abs(rise) > _DRIFT_FLOORS * floors[i]:
            dropped[table.names[i]] = f"still drifting: {rise:+.3g} over the training"
        else:
            floors[i] = max(floors[i], _DRIFT_AHEAD * abs(rise))
    kept = [i for i, name in enumerate(table.names) if name not in dropped]
    if not kept:
        raise TrainingError("no feature is left: all are missing, constant or drifting")
    return TrainingRows(
        names=tuple(table.names[i] for i in kept),
        time_ns=time_ns,
        values=values[:, kept],
        floor=np.array([floors[i] for i in kept]),
        dropped=dropped,
    )


def _unknown(names: tuple[str, ...], values: FloatTable) -> dict[str, str]:
    missing = 1.0 - np.isfinite(values).mean(axis=0) if len(values) else []
    return {
        name: f"missing in {part:.0%} of the rows"
        for name, part in zip(names, missing, strict=False)
        if part > _MAX_MISSING
    }


def _floor(
    name: str, column: FloatColumn, tag: TagSettings | None, window_s: float
) -> float:
    quantity = name.rpartition(":")[2]
    rule = FLOORS.get(quantity, FLOORS["mean"])
    finite = column[np.isfinite(column)]
    size = float(np.abs(finite).mean()) if len(finite) else 0.0
    span = tag.span if tag is not None else 0.0
    if quantity == "slope":
        return rule.of_span * span / window_s
    return max(rule.relative * size, rule.of_span * span, rule.absolute)


def _drift(column: FloatColumn) -> float:
    """Return by how much a feature drifted within the training, 0 if it did not.

    A motor that still warms up rises by much more than it scatters.
    """
    place = np.linspace(-0.5, 0.5, len(column))
    rise = float(place @ column / (place @ place))
    rest = float(np.std(column - rise * place))
    return rise if abs(rise) > _DRIFT_SIGMAS * rest else 0.0
