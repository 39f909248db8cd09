"""Roll-ups for the cloud: count and moments of every tag over fixed periods.

A row belongs to the period in which it was received. Historical rows are passed over:
their period has been reported. Pure: time is an argument.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.era import era_of
from appliance.domain.sample import Quality
from appliance.domain.summary import Summary
from appliance.hub.columns import grown
from appliance.wire.outbox import SummaryRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.tag import TagId

_NS = 1_000_000_000
_DIGITS = 9


def row_of_summary(summary: Summary) -> SummaryRow:
    """Return the roll-up as it travels; what is not a number becomes None.

    `min`, `max` and `last` are rounded to a decimal not above a tenth of the scatter,
    `mean` and `std` to a hundredth: digits below it cost bytes and say nothing. A tag
    that stands still keeps nine digits.
    """
    decimals = _decimals(summary)
    return SummaryRow(
        tag=summary.tag,
        start_ns=summary.start_ns,
        period_s=summary.period_s,
        count=summary.count,
        bad=summary.bad,
        min=_number(summary.min, decimals),
        max=_number(summary.max, decimals),
        mean=_number(summary.mean, decimals + 1),
        std=_number(summary.std, decimals + 1),
        last=_number(summary.last, decimals),
    )


def significant(value: float, digits: int = _DIGITS) -> float:
    """Return a number with so many significant digits; what is none, unchanged."""
    if value == 0.0 or not math.isfinite(value):
        return value
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


def _decimals(summary: Summary) -> int:
    largest = max(abs(summary.min), abs(summary.max))
    if not largest > 0.0 or not math.isfinite(largest):
        return _DIGITS
    finest = _DIGITS - 1 - math.floor(math.log10(largest))
    if not summary.std > 0.0:
        return finest
    return min(finest, 1 - math.floor(math.log10(summary.std)))


def _number(value: float, decimals: int) -> float | None:
    if not math.isfinite(value):
        return None
    return float(round(value, decimals))


class Summaries:
    """Accumulates batches; `due` returns what a period has come to when it is over."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._period_ns = round(period_s * _NS)
        self._start_ns: int | None = None
        self._moments = _Moments()

    def grow(self, size: int) -> None:
        """Make room for tag numbers below `size`."""
        self._moments.grow(size)

    def add(self, batch: Batch) -> None:
        """Accumulate the rows of a batch."""
        if batch.historical or not len(batch):
            return
        if self._start_ns is None:
            received_ns = batch.receive_time_ns
            start_ns = received_ns // self._period_ns * self._period_ns
            # The mark stays, so that a wrong clock can be corrected (domain.era).
            self._start_ns = start_ns + era_of(received_ns)
        self._moments.add(batch)

    def due(self, utc_ns: int, names: Mapping[int, TagId]) -> list[Summary]:
        """Return the summaries of the period, once, when it is over.

        It is over, too, when the clock was set.
        """
        start_ns = self._start_ns
        if start_ns is None:
            return []
        same_clock = era_of(utc_ns) == era_of(start_ns)
        if same_clock and start_ns <= utc_ns < start_ns + self._period_ns:
            return []
        return self.close(names)

    def close(self, names: Mapping[int, TagId]) -> list[Summary]:
        """Return what the period has come to so far, and begin anew."""
        if self._start_ns is None:
            return []
        found = list(
            self._moments.summaries(
                names, start_ns=self._start_ns, period_s=self._period_s
            )
        )
        self._moments.clear()
        self._start_ns = None
        return found


class _Moments:
    """Sums per tag, about a first value of each, so that no digits are lost."""

    def __init__(self) -> None:
        self._size = 0
        self.clear()

    def clear(self) -> None:
        self.count = np.zeros(self._size, dtype=np.int64)
        self.bad = np.zeros(self._size, dtype=np.int64)
        self.low = np.full(self._size, np.inf)
        self.high = np.full(self._size, -np.inf)
        self.last = np.full(self._size, np.nan)
        self._centre = np.zeros(self._size)
        self._sum = np.zeros(self._size)
        self._squares = np.zeros(self._size)

    def grow(self, size: int) -> None:
        self._size = max(size, self._size)
        self.count, self.bad = grown(self.count, size, 0), grown(self.bad, size, 0)
        self.low, self.high = (
            grown(self.low, size, np.inf),
            grown(self.high, size, -np.inf),
        )
        self.last = grown(self.last, size, np.nan)
        self._centre = grown(self._centre, size, 0.0)
        self._sum = grown(self._sum, size, 0.0)
        self._squares = grown(self._squares, size, 0.0)

    def add(self, batch: Batch) -> None:
        tag, value = batch.tag, batch.value
        good = batch.quality == Quality.GOOD
        if not good.all():
            np.add.at(self.bad, tag[~good], 1)
            tag, value = tag[good], value[good]
        fresh = tag[self.count[tag] == 0]
        self._centre[fresh] = value[self.count[tag] == 0]
        off = value - self._centre[tag]
        np.add.at(self.count, tag, 1)
        np.add.at(self._sum, tag, off)
        np.add.at(self._squares, tag, off * off)
        np.minimum.at(self.low, tag, value)
        np.maximum.at(self.high, tag, value)
        self.last[tag] = value

    def summaries(
        self, names: Mapping[int, TagId], *, start_ns: int, period_s: float
    ) -> Iterator[Summary]:
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = self._sum / self.count
            variance = np.maximum(self._squares / self.count - shift * shift, 0.0)
        mean, std = self._centre + shift, np.sqrt(variance)
        for number in np.flatnonzero(self.count + self.bad).tolist():
            known = self.count[number] > 0
            yield Summary(
                tag=names[number],
                start_ns=start_ns,
                period_s=period_s,
                count=int(self.count[number]),
                bad=int(self.bad[number]),
                min=float(self.low[number]) if known else math.nan,
                max=float(self.high[number]) if known else math.nan,
                mean=float(mean[number]),
                std=float(std[number]),
                last=float(self.last[number]),
            )
