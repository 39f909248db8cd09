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
from models.features.rhythm import RHYTHMS
from models.train.settings import TrainingError
from models.train.still import LEVEL, allowed_move, never_moved, seldom_move

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from models.features.asset import FloatColumn, SlotColumn
    from models.features.table import FloatTable
    from models.train.settings import TagSettings, TrainingSettings

MIN_ROWS = 12
_MAX_MISSING = 0.2  # of the rows of a feature
NOT_SCORED = ("slope", "range", *RHYTHMS)
"""Measured: what they tell of a machine, `last`, `mean` and `std` tell sooner.

Rhythms are scored where the settings ask for it.
"""

_DRIFTING = "still drifting"
_FEW_ROWS = 30  # from so many on, the spread that was seen counts for more and more
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
    "last": Floor(relative=0.01, of_span=0.002),
    "std": Floor(relative=0.1, of_span=0.001),
    "velocity_rms": Floor(relative=0.05, absolute=0.05),
    "rms": Floor(relative=0.05, absolute=0.05),
    "kurtosis": Floor(absolute=0.2),
    "crest_factor": Floor(absolute=0.2),
    "bpfo": Floor(absolute=2.0),
    "bpfi": Floor(absolute=2.0),
    "bsf": Floor(absolute=2.0),
    "ftf": Floor(absolute=2.0),
    **dict.fromkeys(RHYTHMS, Floor(relative=0.1)),
}
"""By the feature's quantity.

0.2 % of span is a common transmitter's accuracy; 2 dB is the scatter of a line that
is not there.
"""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRows:
    """What is left to learn from: no NaN, each in a mode.

    `floor` [modes, features]: the spread that is believed at least; where a feature
    stood `still` [modes, features], how far it may move.
    """

    names: tuple[str, ...]
    time_ns: SlotColumn
    values: FloatTable
    mode: SlotColumn
    floor: FloatTable
    still: NDArray[np.bool_]
    dropped: Mapping[str, str]


def prepare(
    table: FeatureTable, settings: TrainingSettings, mode: SlotColumn
) -> TrainingRows:
    """Choose features and rows; rows in no mode (-1) are passed over.

    Raises:
        TrainingError: Fewer than `MIN_ROWS` rows in a mode, or no feature left.
    """
    order = np.argsort(table.time_ns, kind="stable")
    order = order[mode[order] >= 0]
    values, time_ns, mode = table.values[order], table.time_ns[order], mode[order]
    dropped = _unknown(table.names, values)
    passed_over = set(NOT_SCORED) - set(settings.features)
    columns = [
        i
        for i, name in enumerate(table.names)
        if name not in dropped and name.rpartition(":")[2] not in passed_over
    ]
    whole = np.isfinite(values[:, columns]).all(axis=1)
    values, time_ns, mode = values[whole], time_ns[whole], mode[whole]
    _enough(mode, settings, len(table))
    floor = np.zeros((len(settings.modes), len(table.names)))
    still = np.zeros(floor.shape, dtype=bool)
    for i in columns:
        floor[:, i], still[:, i], why = _floors_of(
            table.names[i], values[:, i], mode, settings
        )
        if why:
            dropped[table.names[i]] = why
    kept = [i for i in columns if table.names[i] not in dropped]
    if still[:, kept].all() and len(values) >= _FEW_ROWS:
        _keep_drifting(columns, table.names, dropped)  # widely, but judged
        kept = [i for i in columns if table.names[i] not in dropped]
    if not kept:
        raise TrainingError("no feature is left: all are missing or drifting")
    return TrainingRows(
        names=tuple(table.names[i] for i in kept),
        time_ns=time_ns,
        values=values[:, kept],
        mode=mode,
        floor=floor[:, kept],
        still=still[:, kept],
        dropped=dropped,
    )


def whole_rows(table: FeatureTable) -> NDArray[np.bool_]:
    """Return which rows lack no feature that is there nearly always."""
    unknown = _unknown(table.names, table.values)
    columns = [i for i, name in enumerate(table.names) if name not in unknown]
    return np.asarray(np.isfinite(table.values[:, columns]).all(axis=1))


def _enough(mode: SlotColumn, settings: TrainingSettings, of: int) -> None:
    for place, name in enumerate(settings.modes):
        count = int((mode == place).sum())
        if count < MIN_ROWS:
            where = "" if len(settings.modes) == 1 else f" in mode {name!r}"
            raise TrainingError(
                f"{count} whole rows of {of}{where}; at least {MIN_ROWS} are needed"
            )


def _keep_drifting(
    columns: Sequence[int], names: Sequence[str], dropped: dict[str, str]
) -> None:
    """Where nothing moves but what drifts, take it back."""
    for i in columns:
        if dropped.get(names[i], "").startswith(_DRIFTING):
            del dropped[names[i]]


def _floors_of(
    name: str, column: FloatColumn, mode: SlotColumn, settings: TrainingSettings
) -> tuple[FloatColumn, NDArray[np.bool_], str]:
    """Find a feature's floor in each mode, where it stood, and why it is dropped.

    Of a tag that never moved the level is kept: what stood may not move far.
    """
    tag = {tag.id: tag for tag in settings.tags}.get(tag_of(name))
    floors, why = np.zeros(len(settings.modes)), ""
    still = np.zeros(len(floors), dtype=bool)
    for place in range(len(floors)):
        own = column[mode == place]
        if never_moved(own):
            still[place] = True
            span = tag.span if tag is not None else 0.0
            floors[place] = allowed_move(float(own[0]), span)
            continue
        rise, floor = _drift(own), _floor(name, own, tag, doubt=1.0)
        if abs(rise) > _DRIFT_FLOORS * floor and np.ptp(own) > 0.0:
            why = f"{_DRIFTING}: {rise:+.3g} over the training"
        floor = _floor(name, own, tag, doubt=min(1.0, _FEW_ROWS / len(own)))
        floors[place] = max(floor, _DRIFT_AHEAD * abs(rise), seldom_move(own))
    if name.rpartition(":")[2] != LEVEL and never_moved(column):
        why = f"constant at {column[0]:g}"
    return floors, still, why


def _unknown(names: tuple[str, ...], values: FloatTable) -> dict[str, str]:
    missing = 1.0 - np.isfinite(values).mean(axis=0) if len(values) else []
    return {
        name: f"missing in {part:.0%} of the rows"
        for name, part in zip(names, missing, strict=False)
        if part > _MAX_MISSING
    }


def _floor(
    name: str, column: FloatColumn, tag: TagSettings | None, *, doubt: float
) -> float:
    """Return the least spread; the part that guesses from the size fades with doubt."""
    rule = FLOORS.get(name.rpartition(":")[2], FLOORS["mean"])
    size = float(np.abs(column).mean()) if len(column) else 0.0
    span = tag.span if tag is not None else 0.0
    return max(doubt * rule.relative * size, rule.of_span * span, rule.absolute)


def _drift(column: FloatColumn) -> float:
    """Return by how much a feature drifted within the training, 0 if it did not.

    A motor that still warms up rises by much more than it scatters.
    """
    place = np.linspace(-0.5, 0.5, len(column))
    rise = float(place @ column / (place @ place))
    rest = float(np.std(column - rise * place))
    return rise if abs(rise) > _DRIFT_SIGMAS * rest else 0.0
