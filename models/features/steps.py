"""Statistics of step functions: a value counts for as long as it held.

So a tag reported by exception and the same tag polled ten times a second have the
same features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from models.features.asset import FloatColumn, SlotColumn, Window

STATISTICS = ("mean", "std", "slope", "range", "last")
"""Per tag, in this order; slope is per second, std is that of the population.

`last` is the mean over the end of the window, one hop long.
"""


def step_statistics(window: Window, last_s: float) -> FloatColumn:
    """Return an array [tags, 5] of `STATISTICS`; NaN where a tag had no value."""
    slot, value, count = window.slot, window.value, len(window.tags)
    held_s = window.end_s - window.start_s
    total_s = np.bincount(slot, weights=held_s, minlength=count).astype(np.float64)
    total_s[total_s <= 0.0] = np.nan

    def average(column: FloatColumn) -> FloatColumn:
        sums = np.bincount(slot, weights=held_s * column, minlength=count)
        return np.asarray(sums / total_s, dtype=np.float64)

    mean = average(value)
    middle_s = (window.start_s + window.end_s) / 2.0
    value_off = value - mean[slot]
    time_off = middle_s - average(middle_s)[slot]
    variance = average(value_off * value_off)
    # within one step the time itself is spread evenly: variance held² / 12
    time_variance = average(time_off * time_off + held_s * held_s / 12.0)
    slope = average(value_off * time_off) / time_variance
    span = _span(slot, value, count)
    last = _last(window, last_s)
    return np.column_stack((mean, np.sqrt(variance), slope, span, last))


def _last(window: Window, last_s: float) -> FloatColumn:
    """Return each tag's mean over the window's last seconds, else what it was last."""
    slot, value, count = window.slot, window.value, len(window.tags)
    begin_s = np.maximum(window.start_s, window.duration_s - last_s)
    held_s = np.maximum(window.end_s - begin_s, 0.0)
    total_s = np.bincount(slot, weights=held_s, minlength=count).astype(np.float64)
    sums = np.bincount(slot, weights=held_s * value, minlength=count)
    newest = np.full(count, np.nan)
    newest[slot] = value  # sorted by time: of a slot, the last one is kept
    known = total_s > 0.0
    newest[known] = sums[known] / total_s[known]
    return newest


def _span(slot: SlotColumn, value: FloatColumn, count: int) -> FloatColumn:
    span = np.full(count, np.nan)
    if len(slot):
        first = np.flatnonzero(np.diff(slot, prepend=-1))
        highest = np.maximum.reduceat(value, first)
        lowest = np.minimum.reduceat(value, first)
        span[slot[first]] = highest - lowest
    return span
