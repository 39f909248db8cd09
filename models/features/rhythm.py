"""How a process value swings: how often it crosses its mean, and at which frequencies.

Of windows that are sampled evenly throughout. What is reported by exception, has a gap
or too few samples is NaN; a value that stands does not swing: 0 Hz. Computed only when
it is asked for.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from models.features.asset import FloatColumn, SlotColumn, Window
    from models.features.table import FloatTable

RHYTHMS = ("crossing_hz", "dominant_hz", "centroid_hz")
"""Per tag, in this order, all in Hz.

`crossing_hz` counts the crossings of the mean of the samples, `dominant_hz` is the
strongest line of their spectrum, `centroid_hz` the middle of its power.
"""

MIN_POINTS = 16
"""Of fewer samples nothing is told."""
LONGEST_STEP = 3.5
"""In mean ones: three samples side by side may be missing, and no more."""
LEAST_SPAN = 0.8
"""From the first to the last sample, of the window."""

_STILL = 1e-9  # of the value's size: less is rounding
_MOMENT = 1e-6  # of a step


def rhythms(at_s: FloatTable, values: FloatTable, window_s: float) -> FloatTable:
    """Return [n, 3] of `RHYTHMS` for n windows of as many samples [n, points]."""
    count = values.shape[1]
    found = np.full((len(values), len(RHYTHMS)), np.nan)
    if count < MIN_POINTS:
        return found
    span_s = at_s[:, -1] - at_s[:, 0]
    longest_s = np.diff(at_s, axis=1).max(axis=1)
    even = (span_s >= (LEAST_SPAN - _MOMENT) * window_s) & (
        longest_s * (count - 1) <= LONGEST_STEP * span_s
    )
    off = values[even] - values[even].mean(axis=1, keepdims=True)
    off[np.abs(off).max(axis=1) <= _STILL * np.abs(values[even]).max(axis=1)] = 0.0
    found[even, 0] = _crossings(off)
    found[even, 1:] = _spectral(_held(at_s[even], off)) * (count - 1)
    found[even] /= span_s[even, np.newaxis]
    return found


def rhythm_statistics(window: Window) -> FloatTable:
    """Return [tags, 3] of `RHYTHMS` of a window.

    A value that the window begins with is left out: it may have begun before.
    """
    found = np.full((len(window.tags), len(RHYTHMS)), np.nan)
    bounds = np.searchsorted(window.slot, np.arange(len(window.tags) + 1))
    for slot, (begin, end) in enumerate(pairwise(bounds.tolist())):
        cut = begin < end and window.start_s[begin] <= _STILL
        own = slice(begin + cut, end)
        at_s, end_s = window.start_s[own], window.end_s[own]
        if len(at_s) and not (end_s[:-1] < at_s[1:] - _STILL).any():
            values = window.value[np.newaxis, own]
            found[slot] = rhythms(at_s[np.newaxis], values, window.duration_s)[0]
    return found


def rolled_rhythms(
    at_s: FloatColumn,
    column: FloatColumn,
    begin_s: FloatColumn,
    *,
    window_s: float,
    hold_s: float,
) -> FloatTable:
    """Return [rows, 3] for one tag of an export: of the window that ends with each row.

    `begin_s` [rows] is when it begins; NaN in `column` was not told. The same numbers
    as `rhythm_statistics` has them, window by window.
    """
    found = np.full((len(at_s), len(RHYTHMS)), np.nan)
    told = np.isfinite(column)
    own_s, values = at_s[told], column[told]
    last = np.cumsum(told) - 1
    holds = np.searchsorted(own_s, begin_s + _STILL, side="right") - 1
    first = holds + 1  # what holds when it begins may have begun before
    lapses = np.concatenate(([0], np.cumsum(np.diff(own_s) > hold_s)))
    counts = last - first + 1
    for count in np.unique(counts[counts >= MIN_POINTS]).tolist():
        rows = np.flatnonzero(counts == count)
        rows = rows[lapses[last[rows]] == lapses[first[rows]]]
        times, points = (
            sliding_window_view(each, count)[first[rows]] for each in (own_s, values)
        )
        found[rows] = rhythms(times, points, window_s)
    return found


def _held(at_s: FloatTable, off: FloatTable) -> FloatTable:
    """Return rows at as many even times: what was sampled last holds."""
    rows, count = off.shape
    if not rows:
        return off
    part = (at_s - at_s[:, :1]) / (at_s[:, -1:] - at_s[:, :1]) * (count - 1)
    apart = 2.0 * count * np.arange(rows)[:, np.newaxis]
    wanted = np.arange(count) + _MOMENT + apart
    place = np.searchsorted((part + apart).ravel(), wanted.ravel(), side="right") - 1
    return np.asarray(off.ravel()[place].reshape(rows, count), dtype=np.float64)


def _spectral(off: FloatTable) -> FloatTable:
    """Return strongest line and middle of the power [n, 2], in cycles a sample."""
    count = off.shape[1]
    frequency = np.fft.rfftfreq(count)[1:]
    power = np.abs(np.fft.rfft(off * np.hanning(count), axis=1)[:, 1:]) ** 2
    total = power.sum(axis=1)
    swings = total > 0.0
    centroid = np.divide(power @ frequency, total, out=np.zeros(len(off)), where=swings)
    dominant = np.where(swings, frequency[power.argmax(axis=1)], 0.0)
    return np.column_stack((dominant, centroid))


def _crossings(off: FloatTable) -> SlotColumn:
    """Return how often each row changes its sign; what is 0 has the sign before."""
    sign = np.sign(off)
    place = np.where(sign != 0.0, np.arange(sign.shape[1]), 0)
    place = np.maximum.accumulate(place, axis=1)
    sign = np.take_along_axis(sign, place, axis=1)
    changes = sign[:, 1:] * sign[:, :-1] < 0.0
    return np.asarray(changes.sum(axis=1), dtype=np.int64)
