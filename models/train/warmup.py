"""How long after a start, or a change of mode, a machine is not yet what it will be.

Windings and bearings take their time. What a cold machine shows is not a fault, and
would make the normal of a warm one too wide: it is a mode of its own, and so is the
time after a change of load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from models.modes import (
    RUNNING_QUANTITY,
    SETTLING_NAME,
    UNKNOWN,
    WARMING_NAME,
    ModeBox,
    ModeMap,
    Span,
)

if TYPE_CHECKING:
    from models.features.asset import FloatColumn, SlotColumn
    from models.features.table import FeatureTable, FloatTable

LONGEST_S = 3_600.0
"""Later than an hour after a start or a change, a machine is taken for settled."""
MIN_TIMES = 3
"""So often a start or a change must be seen for its time to have a normal."""
_MIN_SETTLED = 30
_OUT_SIGMAS, _OUT_PART = 4.0, 0.15  # so many rows out by so much: not settled
_AHEAD = 1.25
_BINS = 60
_MAD = 1.4826  # of a normal distribution, to its standard deviation


def with_passing(
    table: FeatureTable, modes: ModeMap, labels: SlotColumn, *, window_s: float
) -> ModeMap:
    """Add the modes after a start and after a change, where the table shows them.

    Seen fewer than `MIN_TIMES`, their time is known, and not their normal. A dwell
    that somebody has told is kept.
    """
    running_s, tag = _running_s(table)
    changed_s = _since_change_s(table.time_ns, labels)
    scored = [i for i, name in enumerate(table.names) if ":mode_" not in name]
    passing = (running_s < LONGEST_S) | (changed_s < LONGEST_S)
    away = _away(table.values[:, scored], labels, settled=~passing)
    warm_up_s = _until_settled(running_s, away, window_s)
    cold = running_s < warm_up_s
    boxes = modes.boxes
    if _times(running_s[cold]) >= MIN_TIMES:
        boxes = (*boxes, _passing(WARMING_NAME, modes))
    dwell_s = modes.dwell_s
    if dwell_s == 0.0:
        changed_s[cold] = np.nan
        dwell_s = _until_settled(changed_s, away, window_s)
        if _times(changed_s[changed_s < dwell_s]) >= MIN_TIMES:
            boxes = (*boxes, _passing(SETTLING_NAME, modes))
    return msgspec.structs.replace(
        modes, boxes=boxes, running_tag=tag, warm_up_s=warm_up_s, dwell_s=dwell_s
    )


def _passing(name: str, modes: ModeMap) -> ModeBox:
    return ModeBox(name, tuple(Span() for _ in modes.tags))


def _running_s(table: FeatureTable) -> tuple[FloatColumn, str]:
    """Return how long it had run in each row (NaN: not known), and the tag's name."""
    for i, name in enumerate(table.names):
        tag, _, quantity = name.rpartition(":")
        if quantity == RUNNING_QUANTITY:
            return table.values[:, i], tag
    return np.full(len(table), np.nan), ""


def _since_change_s(time_ns: SlotColumn, labels: SlotColumn) -> FloatColumn:
    """Return how long the mode of each row has lasted; NaN before the first change."""
    since_s = np.full(len(labels), np.nan)
    now, since_ns = UNKNOWN, None
    for row in np.argsort(time_ns, kind="stable"):
        label = int(labels[row])
        if label == UNKNOWN:
            continue
        if label != now:
            since_ns = None if now == UNKNOWN else int(time_ns[row])
            now = label
        if since_ns is not None:
            since_s[row] = (int(time_ns[row]) - since_ns) * 1e-9
    return since_s


def _times(since_s: FloatColumn) -> int:
    """Return how many times it began, from the seconds since in order of time."""
    return int(np.sum(np.diff(since_s) < 0.0)) + 1 if len(since_s) else 0


def _away(
    values: FloatTable, labels: SlotColumn, *, settled: np.ndarray
) -> FloatColumn:
    """Return how far each row is, by its farthest feature, from its mode's settled.

    In robust standard deviations; NaN where nothing can be said.
    """
    away = np.full(len(values), np.nan)
    for mode in np.unique(labels[labels >= 0]):
        own = labels == mode
        usual = values[own & settled]
        if len(usual) < _MIN_SETTLED:
            continue
        known = np.isfinite(usual).all(axis=0)
        usual, mine = usual[:, known], values[own][:, known]
        middle = np.median(usual, axis=0)
        off = np.abs(usual - middle)
        widest = np.quantile(off, 0.99, axis=0) / 3.0
        sigma = np.maximum(_MAD * np.median(off, axis=0), widest)
        sigma[sigma <= 0.0] = np.inf
        away[own] = np.max(np.abs(mine - middle) / sigma, axis=1, initial=0.0)
    return away


def _until_settled(since_s: FloatColumn, away: FloatColumn, window_s: float) -> float:
    """Return until when, from the begin on, many rows are out; 0 where never."""
    early = (since_s < LONGEST_S) & np.isfinite(away)
    if not early.any():
        return 0.0
    width_s = max(LONGEST_S / _BINS, window_s)
    slot = (since_s[early] / width_s).astype(np.int64)
    out = (away[early] > _OUT_SIGMAS).astype(np.float64)
    seen = np.bincount(slot)
    share = np.bincount(slot, weights=out) / np.maximum(seen, 1)
    calm = np.flatnonzero((share <= _OUT_PART) & (seen > 0))
    if len(calm) and calm[0] == slot.min():
        return 0.0
    return _AHEAD * width_s * (int(calm[0]) if len(calm) else len(seen))
