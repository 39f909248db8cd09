"""How much normal is enough? Measured: what would a shorter training have missed?

A model of the first quarter, half and three quarters is asked of the quarter that came
after. While it finds that strange, the machine had not yet shown all that is normal,
and there is no reason to think that it has by now.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from models.reference import Learning, Trial
from models.train.limit import calibrate
from models.train.prepare import MIN_ROWS

if TYPE_CHECKING:
    from models.bundle import ModeCard
    from models.features.table import FloatTable
    from models.train.distance import DistanceModel
    from models.train.prepare import TrainingRows
    from models.train.settings import TrainingSettings

PARTS = (0.25, 0.5, 0.75)
STRANGE = 0.02
"""So much of the next quarter may be abnormal: ten times what is expected of it."""
LIMIT_CHANGE = 1.5
"""The last quarter may have moved the limit by so much, either way."""
ENOUGH_INDEPENDENT = 30
DAY_H = 24.0

_MOST_ROWS = 4000  # of a trial: more cost minutes, and change nothing
_HOUR_NS = 3.6e12
_PASSING = ("warming", "settling")


def enough(
    rows: TrainingRows,
    models: list[DistanceModel],
    cards: list[ModeCard],
    settings: TrainingSettings,
) -> Learning:
    """Say whether the rows were enough, and what is missing."""
    overlap = 1 + settings.overlap_rows
    counts = [len(rows.values[rows.mode == place]) for place in range(len(cards))]
    largest = int(np.argmax(counts))
    own = rows.mode == largest
    trials = trials_of(rows, largest, models[largest], settings)
    missing, more_h = [], []
    for card, count in zip(cards, counts, strict=True):
        lacking = ENOUGH_INDEPENDENT - count // overlap
        if lacking > 0 and card.name not in _PASSING:
            where = "" if len(cards) == 1 else f" in mode {card.name}"
            missing.append(
                f"{count // overlap} windows{where} that share no values;"
                f" {ENOUGH_INDEPENDENT} tell how far normal reaches"
            )
            more_h.append(lacking * settings.window_s / 3600.0)
    seen_h = float(own.sum()) * settings.hop_s / 3600.0
    surprise = _surprise(trials)
    if surprise:
        missing.append(surprise)
        more_h.append(max(seen_h, settings.window_s / 3600.0))
    span_h = float(np.ptp(rows.time_ns)) / _HOUR_NS
    if span_h < DAY_H:
        missing.append("a day and a night were not seen")
        more_h.append(DAY_H - span_h)
    return Learning(
        independent=sum(count // overlap for count in counts),
        trials=trials,
        missing=tuple(missing),
        more_h=round(max(more_h, default=0.0), 3),
    )


def trials_of(
    rows: TrainingRows, mode: int, model: DistanceModel, settings: TrainingSettings
) -> tuple[Trial, ...]:
    """Try every part that has rows enough to learn from."""
    own = rows.mode == mode
    values = rows.values[own]
    stride = max(1, math.ceil(len(values) / _MOST_ROWS))
    values, floor, still = values[::stride], rows.floor[mode], rows.still[mode]
    final = _typical(model, values)
    found = []
    for part in PARTS:
        first = int(part * len(values))
        after = values[first : first + max(1, len(values) // (len(PARTS) + 1))]
        if first < MIN_ROWS or not len(after):
            continue
        shorter, limit = calibrate(
            values[:first], floor, rows.names, settings, still=still
        )
        score = shorter.answers(after).score
        found.append(
            Trial(
                part=part,
                strange=round(float((score > limit.anomaly_limit).mean()), 4),
                limit=round(final / max(_typical(shorter, values), 1e-9), 3),
            )
        )
    return tuple(found)


def _typical(model: DistanceModel, values: FloatTable) -> float:
    """Return how near its limit a model finds the typical row: further in is laxer."""
    return float(np.median(model.answers(values).score))


def _surprise(trials: tuple[Trial, ...]) -> str:
    """Say what the last quarter brought that was new; nothing where it was not."""
    if not trials:
        return ""
    last = trials[-1]
    if last.strange > STRANGE:
        return (
            f"{last.strange:.0%} of the last quarter was still strange to a model of"
            f" what came before; {STRANGE:.0%} may be"
        )
    if not 1.0 / LIMIT_CHANGE <= last.limit <= LIMIT_CHANGE:
        return (
            "the last quarter still moved the limit: without it,"
            f" {last.limit:.1f} times what it is"
        )
    return ""
