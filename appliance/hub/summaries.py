"""Roll-ups for the cloud: count and moments of every tag over fixed periods.

A row belongs to the period in which it was received. Historical rows are passed over:
their period has been reported. Pure: time is an argument.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.sample import Quality
from appliance.domain.summary import Summary
from appliance.hub.columns import grown
from appliance.wire.outbox import SummaryRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.tag import TagId

_NS = 1_000_000_000


def row_of_summary(summary: Summary) -> SummaryRow:
    """Return the roll-up as it travels; what is not a number becomes None."""
    return SummaryRow(
        tag=summary.tag,
        start_ns=summary.start_ns,
        period_s=summary.period_s,
        count=summary.count,
        bad=summary.bad,
        min=_number(summary.min),
        max=_number(summary.max),
        mean=_number(summary.mean),
        std=_number(summary.std),
        last=_number(summary.last),
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


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
            self._start_ns = received_ns // self._period_ns * self._period_ns
        self._moments.add(batch)

    def due(self, utc_ns: int, names: Mapping[int, TagId]) -> list[Summary]:
        """Return the summaries of the period, once, when it is over.

        It is over, too, when the clock was set back before its start.
        """
        start_ns = self._start_ns
        if start_ns is None or start_ns <= utc_ns < start_ns + self._period_ns:
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
