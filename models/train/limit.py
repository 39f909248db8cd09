"""The limits of the score, from rows the scoring model had not seen.

Scores of the rows a model was fitted on are too small; a limit set on them alarms
on healthy machines (20 to 30 % of the time instead of 1 %, on the Tennessee Eastman
process). So the rows are cut into contiguous blocks, each is scored by a model of
the others, and the tail of those scores is extrapolated: to what happens as rarely as
the user's budget of false alarms says, and, for the state of the moment, to one window
in five hundred.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.bundle import Calibration
from models.changes import RECENT_ROWS, jumps
from models.lasting import evidence_limit, most_evidence
from models.parts import SHORT, STILL
from models.train.air import air_of
from models.train.distance import DistanceModel, fit_distance
from models.train.settings import TrainingError
from models.train.together import joined, units_of, weights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from models.features.asset import FloatColumn, SlotColumn
    from models.features.table import FloatTable
    from models.train.settings import TrainingSettings

PARTITIONS = (4, 5, 6)
"""The rows are cut into so many blocks, in turn: where the cuts lie counts for less."""

TAIL_QUANTILE = 0.8
STATE_PROBABILITY = 2e-3
"""The state of the moment may be wrong in one healthy window of five hundred."""
NORMAL_QUANTILE = 0.99
"""It ends where 99 of 100 healthy windows are."""

CHANGES_PER_ALARM = 7.0
"""A change calls nobody: one a day for one false alarm a week …"""
CHANGE_PROBABILITY = 1e-4
"""… and in no more than one healthy window of ten thousand."""

_WEEK_S = 7 * 86_400.0
_SMALLEST_PROBABILITY = 1e-7  # further out nobody can extrapolate
_MIN_SCALE = 0.1  # of the tail, as a part of its threshold
_DOUBT = 1.5  # of a limit from one independent row, as a part of it
_ENOUGH_TO_SUSPECT = 100  # rows; of fewer, none is given up
_SUSPECT_SPREADS = 6.0  # of the held-out scores' logarithm
_LEAST_FREE = 0.25  # of the means of a few rows, after those that whitened them
_STILL_AGAIN = 0.5  # of how far what stood may go
_MOST_SUSPECTS = 0.25  # of the rows; more of them are the machine's own way


class Limit(NamedTuple):
    """The limits of a mode, as its card tells them; see `ModeCard`."""

    held_out_rows: int
    safety_factor: float
    raw_limit: float
    anomaly_limit: float
    normal_limit: float
    evidence_limit: float
    change_limit: float | None
    suspect_rows: int


def probability_of(settings: TrainingSettings) -> float:
    """Return how often a healthy window may be beyond the limit, for the budget.

    Windows that overlap are beyond it together, so a week has as many chances as it
    has windows side by side. Never more eager than the state of the moment.
    """
    return min(max(_chance_of(settings), _SMALLEST_PROBABILITY), STATE_PROBABILITY)


def _chance_of(settings: TrainingSettings) -> float:
    return settings.false_alarms_per_week * settings.window_s / _WEEK_S


def calibration_of(settings: TrainingSettings) -> Calibration:
    """Return how the limits of all modes are found."""
    return Calibration(
        method="contiguous blocks, each scored by a model of the others",
        blocks=PARTITIONS,
        tail="exponential tail (peaks over threshold)",
        tail_quantile=TAIL_QUANTILE,
        false_alarms_per_week=settings.false_alarms_per_week,
        probability=probability_of(settings),
    )


def calibrate(
    rows: FloatTable,
    floor: FloatColumn,
    names: Sequence[str],
    settings: TrainingSettings,
    *,
    still: NDArray[np.bool_] | None = None,
) -> tuple[DistanceModel, Limit]:
    """Fit on all rows but suspects; scale the score so that the held-out limit is 1.

    A row is suspect when models that have not seen it find it far off the others: a
    healthy period that somebody chose may hold an hour that was not.

    Raises:
        TrainingError: None of the chosen parts sees anything.
    """
    chosen = settings.chosen
    air = air_of(names, settings, rows=len(rows))
    fit = partial(fit_distance, air=air, still=still, chosen=chosen)
    overlap_rows = settings.overlap_rows
    held_out = partial(_held_out, fit=fit, overlap_rows=overlap_rows, width=len(chosen))
    parts = held_out(rows, floor, names)
    scores = joined(parts, chosen, units_of(parts, chosen))
    suspects = _suspects(np.median(scores.reshape(len(PARTITIONS), -1), axis=0))
    if suspects.any():
        rows = rows[~suspects]
        parts = held_out(rows, floor, names)
    units = units_of(parts, chosen)
    scores = joined(parts, chosen, units)
    if not scores.any() and STILL not in chosen:
        raise TrainingError(f"nothing moves that {', '.join(chosen)} could look at")
    independent = len(rows) / (1 + overlap_rows)
    safety_factor = 1.0 + _DOUBT / math.sqrt(max(1.0, independent))
    probability = probability_of(settings)
    raw_limit = max(_highest(scores, probability) * safety_factor, 1e-9)
    levels = _levels(parts, chosen, probability, safety_factor)
    weights = {
        name: weight / raw_limit for name, weight in weights_of(units, chosen).items()
    }
    if STILL in chosen:  # how far what stood may go is known, not learned
        stood = still is not None and bool(still.any())
        levels[STILL], weights[STILL] = float(stood), 1.0
    model = replace(fit(rows, floor, names), weights=weights, levels=levels)
    state, normal = _state_limits(scores, raw_limit)
    return model, Limit(
        held_out_rows=len(scores),
        safety_factor=safety_factor,
        raw_limit=raw_limit,
        anomaly_limit=state,
        normal_limit=normal,
        evidence_limit=evidence_limit(
            1.0 / _chance_of(settings),
            seen=_most_seen(scores / raw_limit, state, settings),
            safety_factor=safety_factor,
        ),
        change_limit=_change_limit(model, rows, settings),
        suspect_rows=int(suspects.sum()),
    )


def _highest(scores: FloatColumn, probability: float) -> float:
    """Return the limit of a score before doubt: of its tail, or the highest seen."""
    return max(tail_limit(scores, probability), float(scores.max()))


def _levels(
    parts: FloatTable, chosen: Sequence[str], probability: float, safety_factor: float
) -> dict[str, float]:
    """Return what makes each part 1 at its own limit; 0 where it saw nothing."""
    return {
        name: 1.0 / (_highest(part, probability) * safety_factor) if part.any() else 0.0
        for name, part in zip(chosen, parts.T, strict=True)
    }


def _state_limits(scores: FloatColumn, raw_limit: float) -> tuple[float, float]:
    """Return where the state of the moment begins and ends, as parts of the limit."""
    if not scores.any():  # all stood: nothing tells where its usual wandering ends
        return 1.0, _STILL_AGAIN
    state = min(tail_limit(scores, STATE_PROBABILITY) / raw_limit, 1.0)
    return state, min(float(np.quantile(scores, NORMAL_QUANTILE)) / raw_limit, state)


def tail_limit(scores: FloatColumn, probability: float) -> float:
    """Return the score that is exceeded with so small a probability.

    A squared distance has a tail like chi-squared: exponential. So the squares over
    their `TAIL_QUANTILE` are extrapolated by their mean excess.
    """
    squares = scores * scores
    threshold = float(np.quantile(squares, TAIL_QUANTILE))
    excess = squares[squares > threshold] - threshold
    mean_excess = float(excess.mean()) if len(excess) else 0.0
    scale = max(mean_excess, _MIN_SCALE * threshold)
    reach = math.log((1.0 - TAIL_QUANTILE) / probability)
    return math.sqrt(max(threshold + scale * reach, 1e-18))


def _held_out(
    rows: FloatTable,
    floor: FloatColumn,
    names: Sequence[str],
    *,
    fit: Callable[[FloatTable, FloatColumn, Sequence[str]], DistanceModel],
    overlap_rows: int,
    width: int,
) -> FloatTable:
    """Return each block's distances from the others, less those that overlap it.

    One row per row and partition. With few rows only a tenth of them is given up on
    either side of a block, with more a fifth.
    """
    count = len(rows)
    purge = min(overlap_rows, count // (5 if count >= _ENOUGH_TO_SUSPECT else 10))
    parts = np.empty((len(PARTITIONS), count, width))
    for turn, blocks in enumerate(PARTITIONS):
        for block in np.array_split(np.arange(count), blocks):
            fitted = np.ones(count, dtype=bool)
            fitted[max(0, block[0] - purge) : block[-1] + 1 + purge] = False
            model = fit(rows[fitted], floor, names)
            parts[turn, block] = model.parts(rows[block])
    return parts.reshape(-1, width)


def _suspects(scores: FloatColumn) -> SlotColumn:
    """Say which rows the models of the others find far off; none if there are many."""
    logs = np.log(np.maximum(scores, 1e-12))
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    found = logs > middle + _SUSPECT_SPREADS * max(spread, 0.1)
    few = len(scores) < _ENOUGH_TO_SUSPECT
    if few or found.mean() > _MOST_SUSPECTS:
        return np.zeros(len(scores), dtype=bool)
    return np.asarray(found)


def _most_seen(scores: FloatColumn, state: float, settings: TrainingSettings) -> float:
    """Return the most evidence in any of the partitions' held-out scores."""
    windows = settings.hop_s / settings.window_s
    parts = np.array_split(scores, len(PARTITIONS))
    return max(most_evidence(part.tolist(), state, windows) for part in parts)


def _change_limit(
    model: DistanceModel, rows: FloatTable, settings: TrainingSettings
) -> float | None:
    """Return where a jump is a change; None where the training is too short to say.

    It happens by chance `CHANGES_PER_ALARM` times as often as a false alarm may, and
    stays beyond the limit for `RECENT_ROWS`. Rows look whiter to their own model than
    what comes after, the more directions they were made white in: their number is
    taken from that of the means.
    """
    if not model.weights.get(SHORT, 1.0) or not model.white.any():
        return None
    found = jumps(model.shift(rows))
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    changes = CHANGES_PER_ALARM * settings.false_alarms_per_week
    chance = changes * RECENT_ROWS * settings.hop_s / _WEEK_S
    chance = min(max(chance, _SMALLEST_PROBABILITY), CHANGE_PROBABILITY)
    means = len(rows) / RECENT_ROWS
    directions = int(model.white.any(axis=0).sum())
    free = max(means - directions, _LEAST_FREE * means)
    return tail_limit(found, chance) * math.sqrt(means / free)
