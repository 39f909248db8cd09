"""A backlog too long for its link leaves in a coarser resolution. Pure.

Merging is exact: count, bad, min, max, mean, std and last of the longer period are
those of its rows. Which numbers went merged is planned before they are sent, and kept,
so what is sent again is the same again, and the lake never counts a value twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.domain.era import era_of
from appliance.wire.outbox import SummaryRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STEPS_S = (900.0, 3600.0)
SPAN_ROWS_MAX = 5_000
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers `first..last`: merged to `period_s`, or as they are where it is 0."""

    first: int
    last: int
    period_s: float


class Plan:
    """How numbers go that were sent or are about to be. Rising, without overlap."""

    def __init__(self, epoch: str = "", spans: Sequence[Span] = ()) -> None:
        self.epoch = epoch
        self.spans: list[Span] = list(spans)

    def begin(self, epoch: str) -> None:
        """Forget all that is of another outbox."""
        if epoch != self.epoch:
            self.epoch, self.spans = epoch, []

    def settle(self, through: int) -> None:
        """Forget what has arrived; a merged span goes whole or not at all."""
        self.spans = [each for each in self.spans if each.last > through]

    def extend(self, first: int, last: int, period_s: float) -> Iterator[Span]:
        """Yield how the numbers `first..last` go; what is new goes as told.

        A merged span that the numbers do not cover whole ends it: read further.
        """
        at = first
        for span in list(self.spans):
            if span.last < at:
                continue
            if span.first > last:
                break
            if at < span.first:
                yield self._add(at, span.first - 1, 0.0)
            if span.period_s > 0.0 and (span.first < first or span.last > last):
                return
            yield Span(max(span.first, at), min(span.last, last), span.period_s)
            at = min(span.last, last) + 1
        while at <= last:
            end = min(last, at + SPAN_ROWS_MAX - 1)
            yield self._add(at, end, period_s)
            at = end + 1

    def room_for(self, after: int) -> int:
        """Return how many rows must be read at once after a number."""
        for span in self.spans:
            if span.first == after + 1 and span.period_s > 0.0:
                return span.last - span.first + 1
        return 1

    def _add(self, first: int, last: int, period_s: float) -> Span:
        span = Span(first, last, period_s)
        before = self.spans[-1] if self.spans else None
        plain = period_s == 0.0 and before is not None and before.period_s == 0.0
        if plain and before is not None and before.last == first - 1:
            self.spans[-1] = Span(before.first, last, 0.0)
        else:
            self.spans = sorted([*self.spans, span], key=lambda each: each.first)
        return span


def period_for(drain_s: float | None, limit_s: float, own_s: float) -> float:
    """Return the period to merge to, or 0: the backlog leaves in time as it is.

    `own_s` is the period of the rows; unknown `drain_s` merges nothing.
    """
    if limit_s <= 0.0 or drain_s is None or drain_s <= limit_s:
        return 0.0
    for step_s in STEPS_S:
        if step_s > own_s and drain_s * own_s / step_s <= limit_s:
            return step_s
    return STEPS_S[-1] if STEPS_S[-1] > own_s else 0.0


def merge(
    rows: Sequence[tuple[int, SummaryRow]], period_s: float
) -> list[tuple[int, SummaryRow]]:
    """Return the rows of the longer periods, each under the number of its last row."""
    period_ns = round(period_s * _NS)
    groups: dict[tuple[str, int, int], list[tuple[int, SummaryRow]]] = {}
    kept: list[tuple[int, SummaryRow]] = []
    for seq, row in rows:
        if row.period_s >= period_s:
            kept.append((seq, row))
        else:
            # Periods of two eras of the clock are not of the same time.
            key = row.tag, row.start_ns // period_ns, era_of(row.start_ns)
            groups.setdefault(key, []).append((seq, row))
    for (_, number, era), members in groups.items():
        start_ns = number * period_ns + era
        merged = _merged([row for _, row in members], start_ns, period_s)
        kept.append((members[-1][0], merged))
    return sorted(kept, key=lambda each: each[0])


def _merged(rows: Sequence[SummaryRow], start_ns: int, period_s: float) -> SummaryRow:
    known = [row for row in rows if row.count > 0 and row.mean is not None]
    count = sum(row.count for row in known)
    mean = std = low = high = last = None
    if known:
        mean = math.fsum(row.count * (row.mean or 0.0) for row in known) / count
        squares = math.fsum(
            row.count * ((row.std or 0.0) ** 2 + ((row.mean or 0.0) - mean) ** 2)
            for row in known
        )
        std = math.sqrt(squares / count)
        low = min(row.min for row in known if row.min is not None)
        high = max(row.max for row in known if row.max is not None)
        last = max(known, key=lambda row: row.start_ns).last
    return SummaryRow(
        tag=rows[0].tag,
        start_ns=start_ns,
        period_s=period_s,
        count=sum(row.count for row in rows),
        bad=sum(row.bad for row in rows),
        min=low,
        max=high,
        mean=mean,
        std=std,
        last=last,
    )
