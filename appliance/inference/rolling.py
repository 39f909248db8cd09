"""The windows' statistics of a whole export at once, one window per row.

The same numbers as `Windows` and `step_statistics` give window by window (a test holds
them against each other), in a thousandth of the time. Causal: a row's window ends one
sampling period after it and knows no later row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.features import MIN_COVERAGE
from models.features.rhythm import RHYTHMS, rolled_rhythms
from models.features.steps import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from models.features.asset import FloatColumn, SlotColumn
    from models.features.table import FloatTable

    Progress = Callable[[int, int], None]

_CHUNK_ROWS = 4096
_NS = 1e-9
_SHORTEST_S = 1e-9


class Span(NamedTuple):
    """How windows lie: their length, a row's own share, how long a value holds."""

    window_s: float
    period_s: float
    hold_s: float


class Rolled(NamedTuple):
    """`values` [rows, tags * statistics] and `coverage` [rows, tags] of the windows."""

    values: FloatTable
    coverage: FloatTable

    def known(self) -> FloatTable:
        """Return the values, without those of a tag known for too little of a window.

        They are taken out in place: there may be millions.
        """
        each = len(STATISTICS)
        for tag, seen in enumerate(self.coverage.T):
            own = slice(tag * each, (tag + 1) * each)
            self.values[seen < MIN_COVERAGE, own] = np.nan
        return self.values


class _Steps(NamedTuple):
    """One tag as a step function: each row's value, from when to when it held."""

    begin_s: FloatColumn
    end_s: FloatColumn
    last_end_s: FloatColumn  # as the newest row of a window
    value: FloatColumn
    known: NDArray[np.bool_]


def rolled(
    time_ns: NDArray[np.int64],
    values: FloatTable,
    span: Span,
    *,
    progress: Progress | None = None,
) -> Rolled:
    """Return the statistics of the window of each row; NaN where a tag had no value.

    `time_ns` never goes back. A value that is NaN was not told: the one before holds,
    for `hold_s` at most. A window that begins before the first row has no statistics.
    """
    count, tags = values.shape
    out = np.full((count, tags, len(STATISTICS)), np.nan)
    coverage = np.zeros((count, tags))
    at_s = (time_ns - time_ns[0]) * _NS if count else np.empty(0)
    steps = [_steps(at_s, values[:, tag], span) for tag in range(tags)]
    window_begin_s, first = _begins(at_s, span)
    for begin in range(0, count, _CHUNK_ROWS):
        rows = np.arange(begin, min(begin + _CHUNK_ROWS, count))
        for tag, each in enumerate(steps):
            out[rows, tag], known_s = _statistics(
                each, first[rows], rows, window_begin_s[rows]
            )
            coverage[rows, tag] = known_s / span.window_s
        if progress is not None:
            progress(int(rows[-1]) + 1, count)
    early = window_begin_s < -0.5 * span.period_s
    out[early], coverage[early] = np.nan, 0.0
    flat = out.reshape(count, tags * len(STATISTICS))
    return Rolled(flat, np.minimum(coverage, 1.0))


def rolled_swings(
    time_ns: NDArray[np.int64], values: FloatTable, span: Span, chosen: Sequence[str]
) -> FloatTable:
    """Return [rows, tags * chosen] of `RHYTHMS` of the same windows as `rolled`."""
    found = np.empty((*values.shape, len(chosen)))
    columns = [RHYTHMS.index(each) for each in chosen]
    at_s = (time_ns - time_ns[0]) * _NS if len(time_ns) else np.empty(0)
    begin_s, _ = _begins(at_s, span)
    for tag, column in enumerate(values.T):
        found[:, tag] = rolled_rhythms(
            at_s, column, begin_s, window_s=span.window_s, hold_s=span.hold_s
        )[:, columns]
    found[begin_s < -0.5 * span.period_s] = np.nan
    return found.reshape(len(time_ns), -1)


def _begins(at_s: FloatColumn, span: Span) -> tuple[FloatColumn, SlotColumn]:
    """Return when each row's window begins, and the row that holds then."""
    begin_s = at_s + span.period_s - span.window_s
    first = np.searchsorted(at_s, begin_s + _SHORTEST_S, side="right") - 1
    return begin_s, np.maximum(first, 0)


def _steps(at_s: FloatColumn, column: FloatColumn, span: Span) -> _Steps:
    told = np.where(np.isfinite(column), np.arange(len(column)), -1)
    told = np.maximum.accumulate(told)
    value = np.where(told >= 0, column[told], 0.0)
    alive_s = np.where(told >= 0, at_s[told] + span.hold_s, -np.inf)
    following_s = np.append(at_s[1:], np.inf)

    def until(end_s: FloatColumn) -> FloatColumn:
        return np.maximum(at_s, np.minimum(end_s, alive_s))

    return _Steps(
        at_s, until(following_s), until(at_s + span.period_s), value, told >= 0
    )


def _statistics(
    steps: _Steps, first: SlotColumn, last: SlotColumn, window_begin_s: FloatColumn
) -> tuple[FloatTable, FloatColumn]:
    """Return mean, std, slope and range of rows `first` to `last`, and the seconds.

    The first step is cut where the window begins; the sums of those between come from
    running totals about the chunk's own middle, so that nothing is lost by size.
    """
    base = int(first.min())
    own = slice(base, int(last.max()) + 1)
    begin_s, end_s = steps.begin_s[own], steps.end_s[own]
    middle, origin_s = float(np.median(steps.value[own])), float(begin_s[0])
    value = steps.value[own] - middle
    first, last = first - base, last - base
    moments = _moments(begin_s - origin_s, end_s - origin_s, value)
    totals = np.concatenate((np.zeros((1, 6)), np.cumsum(moments, axis=0)))
    between = totals[last] - totals[np.minimum(first + 1, last)]
    head_end_s = np.where(first < last, end_s[first], steps.last_end_s[own][first])
    head_begin_s = np.minimum(np.maximum(begin_s[first], window_begin_s), head_end_s)
    between += _moments(head_begin_s - origin_s, head_end_s - origin_s, value[first])
    tail_end_s = np.where(first < last, steps.last_end_s[own][last], begin_s[last])
    between += _moments(begin_s[last] - origin_s, tail_end_s - origin_s, value[last])
    known_s, level, square, moment, time_square, product = between.T
    with np.errstate(divide="ignore", invalid="ignore"):
        held_s = np.where(known_s > _SHORTEST_S, known_s, np.nan)
        mean, mean_s = level / held_s, moment / held_s
        variance = np.maximum(square / held_s - mean * mean, 0.0)
        time_variance = time_square / held_s - mean_s * mean_s
        slope = (product / held_s - mean * mean_s) / time_variance
    held = np.where(end_s > begin_s, value, np.nan)
    spread = _spread(held, first, last)
    known = (known_s > _SHORTEST_S) & steps.known[own][last]
    newest = np.where(known, steps.value[own][last], np.nan)
    columns = (mean + middle, np.sqrt(variance), slope, spread, newest)
    return np.column_stack(columns), known_s


def _moments(
    begin_s: FloatColumn, end_s: FloatColumn, value: FloatColumn
) -> FloatTable:
    """Return per step ∫1, ∫x, ∫x², ∫t, ∫t², ∫xt over the time it held."""
    held_s, middle_s = end_s - begin_s, (begin_s + end_s) / 2.0
    time = held_s * middle_s
    time_square = held_s * (middle_s * middle_s + held_s * held_s / 12.0)
    weighed = held_s * value
    columns = (held_s, weighed, weighed * value, time, time_square, value * time)
    return np.column_stack(columns)


def _spread(held: FloatColumn, first: SlotColumn, last: SlotColumn) -> FloatColumn:
    """Return largest less smallest value of rows `first` to `last`, by doubling."""
    width = last - first + 1
    level = np.floor(np.log2(width)).astype(np.int64)
    highest, lowest = np.full(len(first), -np.inf), np.full(len(first), np.inf)
    high = np.where(np.isnan(held), -np.inf, held)
    low = np.where(np.isnan(held), np.inf, held)
    for k in range(int(level.max(initial=0)) + 1):
        mine = level == k
        for at in (first[mine], last[mine] - (1 << k) + 1):
            highest[mine] = np.maximum(highest[mine], high[at])
            lowest[mine] = np.minimum(lowest[mine], low[at])
        high[: -(1 << k) or None] = np.maximum(high[: -(1 << k)], high[1 << k :])
        low[: -(1 << k) or None] = np.minimum(low[: -(1 << k)], low[1 << k :])
    return np.where(highest >= lowest, highest - lowest, np.nan)
