"""Lines of an envelope spectrum: how high they stand, and to whom they belong.

What repeats (a blow per turn, per ball) makes a comb: a line and its multiples. The
strongest comb that is neither the shaft's nor the bearing's is the stranger; where it
outdoes the bearing's own lines, the geometry is not that of the bearing that runs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.bearing import DefectFrequencies
    from models.features.vibration import EnvelopeSpectrum

SLIP = 0.02
"""Rolling elements slip: a line may stand this part off where it was computed."""

SIDES_DB = 3.0
"""Side-bands lower than that are none.

Damage that turns through the load (of the inner race, of a ball) has side-bands; a line
without them has another origin.
"""

_FLOOR_BINS = 12  # each side of a bin
_MIN_BIN = 3.0  # below it, a line cannot be told from the mean
_RESOLVED_BINS = 0.35  # what a parabola leaves open of a line's place
_MULTIPLES = 6  # of the shaft and of a line that explain a stranger
_FIRST_ORDERS = (1.0, 2.0)
_SHAFT_DB = 6.0  # at both of them: blows once a turn
_LAST_ORDER = 15.0  # of the shaft: no part of a usual bearing strikes more often
_TRAIN = 5  # lines of a slow train
_SIDES = 3  # side-bands each side that belong to a line
_PEAK_DB = 10.0  # lower ones are noise: about 4 dB is usual, 10 dB the highest of many


class Line(NamedTuple):
    """A line and its second multiple: where, and how high over the surroundings."""

    frequency_hz: float
    level_db: float


NO_LINE = Line(math.nan, math.nan)


class _Family(NamedTuple):
    """A line, whose multiples and side-bands `apart_hz` from each belong to it."""

    line: Line
    apart_hz: float


class BearingLines(NamedTuple):
    """What an envelope says of a bearing; levels in dB, NaN where not resolved.

    The rolling element is sought at twice its spin: it strikes both races in a turn.
    The sides are the mean height of a line's first pair of side-bands, at the shaft's
    speed (the damage turns through the load) or at the cage's. `stranger` is the
    strongest comb that is explained neither by the shaft nor by the strongest of the
    bearing's lines.
    """

    outer: Line
    inner: Line
    element: Line
    cage: Line
    outer_sides_db: float
    inner_sides_db: float
    element_sides_db: float
    stranger: Line


def bearing_lines(
    envelope: EnvelopeSpectrum, frequencies: DefectFrequencies, shaft_hz: float
) -> BearingLines:
    """Measure the lines of a bearing's damage, and what else repeats.

    Without a speed nothing is known.
    """
    if not shaft_hz > 0.0:
        unknown = (math.nan,) * 3
        return BearingLines(*(NO_LINE,) * 4, *unknown, stranger=NO_LINE)
    bpfo, bpfi, bsf, ftf = frequencies
    step_hz = envelope.resolution_hz
    reach_hz = 2.0 * _MULTIPLES * max(bpfi, 2.0 * bsf, shaft_hz)
    last = math.ceil(reach_hz / step_hz) + _FLOOR_BINS
    over_db = prominence_db(envelope.amplitude[:last])
    outer, inner, element = (
        comb(over_db, step_hz, each) for each in (bpfo, bpfi, 2.0 * bsf)
    )
    cage = slow_train(envelope, ftf)
    inner_sides_db = sidebands_db(over_db, step_hz, inner.frequency_hz, shaft_hz)
    element_sides_db = sidebands_db(over_db, step_hz, element.frequency_hz, ftf)
    families = [_Family(outer, shaft_hz), _Family(cage, ftf)]
    if inner_sides_db >= SIDES_DB:
        families.append(_Family(inner, shaft_hz))
    if element_sides_db >= SIDES_DB:
        families.append(_Family(element, ftf))
    return BearingLines(
        outer=outer,
        inner=inner,
        element=element,
        cage=cage,
        outer_sides_db=sidebands_db(over_db, step_hz, outer.frequency_hz, shaft_hz),
        inner_sides_db=inner_sides_db,
        element_sides_db=element_sides_db,
        stranger=_stranger(over_db, step_hz, families, shaft_hz),
    )


def prominence_db(amplitude: NDArray[np.floating]) -> FloatColumn:
    """Return, per bin, the height in dB over the median of the bins around it."""
    width = 2 * _FLOOR_BINS + 1
    if len(amplitude) < width:
        return np.full(len(amplitude), np.nan)
    padded = np.pad(amplitude.astype(np.float64), _FLOOR_BINS, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, width)
    floor = np.maximum(np.median(around, axis=1), np.finfo(float).tiny)
    height = np.maximum(amplitude, np.finfo(float).tiny)
    return np.asarray(20.0 * np.log10(height / floor), dtype=np.float64)


def comb(over_db: FloatColumn, step_hz: float, frequency_hz: float) -> Line:
    """Return the line near a frequency and the mean height of it and its double.

    The mean of decibels asks for both: a stranger that falls on one counts half.
    """
    reach = max(1, round(SLIP * frequency_hz / step_hz)) if frequency_hz > 0.0 else 1
    first = peak(over_db, step_hz, frequency_hz, reach=reach)
    second = peak(over_db, step_hz, 2.0 * first.frequency_hz)
    level_db = 0.5 * (first.level_db + second.level_db)
    if math.isnan(level_db):
        return NO_LINE
    slipped_hz = abs(first.frequency_hz - frequency_hz)
    if slipped_hz > max(SLIP * frequency_hz, _RESOLVED_BINS * step_hz):
        return Line(frequency_hz, 0.0)
    return Line(first.frequency_hz, level_db)


def slow_train(envelope: EnvelopeSpectrum, frequency_hz: float) -> Line:
    """Return a train of blows so slow that its lines leave no floor between them.

    The level is the mean height of the first lines over the valleys beside each.
    """
    amplitude, step_hz = envelope
    apart = frequency_hz / step_hz
    if not apart >= _MIN_BIN or _TRAIN * apart + apart + 2 >= len(amplitude):
        return NO_LINE
    heights_db = []
    for order in range(1, _TRAIN + 1):
        middle = round(order * apart)
        top = float(amplitude[middle - 1 : middle + 2].max())
        sides = [round((order + side) * apart) for side in (-0.5, 0.5)]
        valley = float(amplitude[sides].mean())
        if not valley > 0.0:
            return NO_LINE
        heights_db.append(20.0 * math.log10(max(top, valley * 1e-3) / valley))
    return Line(frequency_hz, float(np.mean(heights_db)))


def peak(
    over_db: FloatColumn, step_hz: float, frequency_hz: float, *, reach: int = 1
) -> Line:
    """Return the highest peak within `reach` bins; NaN where that is not resolved.

    The flank of a neighbour's line is none: then the middle height near it counts.
    The place between the bins comes from a parabola through the three highest.
    """
    if not (math.isfinite(frequency_hz) and step_hz > 0.0):
        return NO_LINE
    centre = frequency_hz / step_hz
    low, high = round(centre) - reach, round(centre) + reach
    if centre < _MIN_BIN or low < 1 or high + 1 >= len(over_db):
        return NO_LINE
    top = low + int(np.argmax(over_db[low : high + 1]))
    before, here, after = (float(each) for each in over_db[top - 1 : top + 2])
    if max(before, after) > here:
        middle = float(np.median(over_db[low : high + 1]))
        return Line(frequency_hz, middle)
    bend = before - 2.0 * here + after
    offset = 0.5 * (before - after) / bend if bend < 0.0 else 0.0
    return Line((top + offset) * step_hz, here)


def sidebands_db(
    over_db: FloatColumn, step_hz: float, line_hz: float, apart_hz: float
) -> float:
    """Return the mean height of the two first side-bands of a line."""
    if not apart_hz > 2.0 * step_hz:
        return math.nan
    pair = [
        peak(over_db, step_hz, line_hz + side * apart_hz).level_db for side in (-1, 1)
    ]
    return float(np.mean(pair))


def _stranger(
    over_db: FloatColumn, step_hz: float, families: list[_Family], shaft_hz: float
) -> Line:
    """Return the strongest comb that neither the shaft nor the best family explains.

    The shaft explains a high multiple only where it is heard itself. Side-bands are
    lower than their line: a higher one is a line of its own.
    """
    orders = np.arange(1.0, _MULTIPLES + 1)
    shaft_db = [
        peak(over_db, step_hz, order * shaft_hz).level_db for order in _FIRST_ORDERS
    ]
    last = _LAST_ORDER if min(shaft_db) >= _SHAFT_DB else _FIRST_ORDERS[-1]
    own_hz = np.arange(1.0, last + 1) * shaft_hz
    side_hz, owner_db = np.empty(0), -math.inf
    heard = [each for each in families if each.line.level_db >= _PEAK_DB]
    if heard:
        (found_hz, owner_db), apart_hz = max(heard, key=lambda each: each.line.level_db)
        own_hz = np.concatenate((own_hz, orders * found_hz))
        apart = apart_hz * np.arange(-_SIDES, _SIDES + 1)
        side_hz = np.add.outer(orders * found_hz, apart).ravel()
    best = NO_LINE
    for top in _tops(over_db, last=round(_LAST_ORDER * shaft_hz / step_hz)):
        line = comb(over_db, step_hz, top * step_hz)
        known = _is_among(line.frequency_hz, own_hz, step_hz) or (
            line.level_db <= owner_db and _is_among(line.frequency_hz, side_hz, step_hz)
        )
        if not known and not line.level_db <= best.level_db:
            best = line
    return best


def _tops(over_db: FloatColumn, *, last: int) -> list[int]:
    """Return the bins of the peaks that noise does not reach, up to a bin."""
    bins = np.arange(math.ceil(_MIN_BIN), min(len(over_db) // 2 - 1, last))
    here = over_db[bins]
    high = (here >= over_db[bins - 1]) & (here >= over_db[bins + 1])
    return [int(top) for top in bins[high & (here >= _PEAK_DB)]]


def _is_among(frequency_hz: float, known_hz: FloatColumn, step_hz: float) -> bool:
    allowed_hz = np.maximum(step_hz, SLIP * known_hz)
    return bool((np.abs(known_hz - frequency_hz) <= allowed_hz).any())
