"""The limit of the score, from rows the scoring model had not seen.

Scores of the rows a model was fitted on are too small; a limit set on them alarms
on healthy machines (20 to 30 % of the time instead of 1 %, on the Tennessee Eastman
process). So the rows are cut into contiguous blocks, each is scored by a model of
the others, and the tail of those scores is extrapolated to what may happen once in a
week of healthy running.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.bundle import Calibration
from models.train.distance import DistanceModel, fit_distance

if TYPE_CHECKING:
    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

BLOCKS = 5
TAIL_QUANTILE = 0.8
TAIL_PROBABILITY = 1e-5
_MIN_SCALE = 0.1  # of the tail, as a part of its threshold
_DOUBT = 1.5  # of a limit from one independent row, as a part of it
_TYPICAL = 0.9  # quantile of held-out T² and SPE that makes them comparable


class HeldOut(NamedTuple):
    """T² and SPE of every row, from the model that had not seen it."""

    t2: FloatColumn
    spe: FloatColumn


def calibrate(
    rows: FloatTable, floor: FloatColumn, *, overlap_rows: int
) -> tuple[DistanceModel, Calibration]:
    """Fit on all rows and scale the score so that the held-out limit is 1."""
    held_out = _held_out(rows, floor, overlap_rows=overlap_rows)
    t2_unit = max(float(np.quantile(held_out.t2, _TYPICAL)), 1e-9)
    spe_unit = max(float(np.quantile(held_out.spe, _TYPICAL)), 1e-9)
    scores = np.sqrt(held_out.t2 / t2_unit + held_out.spe / spe_unit)
    independent = len(rows) / (1 + overlap_rows)
    safety_factor = 1.0 + _DOUBT / math.sqrt(max(1.0, independent))
    raw_limit = tail_limit(scores) * safety_factor
    model = replace(
        fit_distance(rows, floor), t2_unit=t2_unit, spe_unit=spe_unit, limit=raw_limit
    )
    return model, Calibration(
        method="contiguous blocks, each scored by a model of the others",
        blocks=BLOCKS,
        held_out_rows=len(scores),
        tail=f"exponential tail (peaks over threshold) to {TAIL_PROBABILITY:g} per row",
        tail_quantile=TAIL_QUANTILE,
        safety_factor=safety_factor,
        raw_limit=raw_limit,
    )


def tail_limit(scores: FloatColumn) -> float:
    """Return the score exceeded with `TAIL_PROBABILITY`, never below the largest.

    A squared distance has a tail like chi-squared: exponential. So the squares over
    their `TAIL_QUANTILE` are extrapolated by their mean excess.
    """
    squares = scores * scores
    threshold = float(np.quantile(squares, TAIL_QUANTILE))
    excess = squares[squares > threshold] - threshold
    mean_excess = float(excess.mean()) if len(excess) else 0.0
    scale = max(mean_excess, _MIN_SCALE * threshold)
    reach = math.log((1.0 - TAIL_QUANTILE) / TAIL_PROBABILITY)
    return math.sqrt(max(threshold + scale * reach, float(squares.max()), 1e-18))


def _held_out(rows: FloatTable, floor: FloatColumn, *, overlap_rows: int) -> HeldOut:
    """Score each block by the others, without the rows that overlap with it.

    With few rows only a tenth of them is given up on either side.
    """
    count = len(rows)
    purge = min(overlap_rows, count // 10)
    t2, spe = np.empty(count), np.empty(count)
    for block in np.array_split(np.arange(count), BLOCKS):
        fitted = np.ones(count, dtype=bool)
        fitted[max(0, block[0] - purge) : block[-1] + 1 + purge] = False
        model = fit_distance(rows[fitted], floor)
        t2[block], spe[block] = model.parts(rows[block])
    return HeldOut(t2, spe)
