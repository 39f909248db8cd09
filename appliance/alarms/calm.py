"""Which rows of a batch can change anything: one vectorised look for all alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from appliance.alarms.rules import EVERYTHING, Reading
from appliance.domain.sample import Quality

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.alarms.watch import Watch
    from appliance.domain.batch import Batch

_LONGEST_SHIFT_S = 60.0


class Calm:
    """Per tag, the good values that change nothing as its alarms stand now."""

    def __init__(self, by_tag: Mapping[int, Sequence[Watch]]) -> None:
        self._by_tag = by_tag
        size = max(by_tag, default=-1) + 2  # the last stands for all others
        self._low = np.full(size, EVERYTHING[0])
        self._high = np.full(size, EVERYTHING[1])
        self._watched = np.zeros(size, dtype=bool)
        self._watched[list(by_tag)] = True
        for number in by_tag:
            self.narrow(number)

    def narrow(self, number: int) -> None:
        """Take note of how the alarms of a tag stand."""
        spans = [watch.span for watch in self._by_tag[number]]
        self._low[number] = max(low for low, _ in spans)
        self._high[number] = min(high for _, high in spans)

    def rows_to_judge(self, batch: Batch) -> Sequence[int]:
        """Return all rows of the watched tags that have a row beyond their span."""
        place = np.minimum(batch.tag, len(self._watched) - 1)
        good = batch.quality == Quality.GOOD
        calm = good & (batch.value >= self._low[place])
        calm &= batch.value <= self._high[place]
        restless = self._watched[place] & ~calm
        if not restless.any():
            return ()
        involved = np.zeros(len(self._watched), dtype=bool)
        involved[place[restless]] = True
        rows: list[int] = np.flatnonzero(involved[place]).tolist()
        return rows


def readings(
    batch: Batch, rows: Sequence[int], now_s: float
) -> Iterator[tuple[int, Reading]]:
    """Yield (tag, reading); of several rows of a tag the newest is now.

    So a short excursion inside one notification is as long as it was at the source,
    however late it arrives, and a clock that is wrong over there changes nothing.
    """
    newest: dict[int, int] = {}
    for row in rows:
        tag, time_ns = int(batch.tag[row]), int(batch.source_time_ns[row])
        newest[tag] = max(newest.get(tag, time_ns), time_ns)
    for row in rows:
        tag, time_ns = int(batch.tag[row]), int(batch.source_time_ns[row])
        ago_s = min((newest[tag] - time_ns) * 1e-9, _LONGEST_SHIFT_S)
        quality = Quality(int(batch.quality[row]))
        yield tag, Reading(float(batch.value[row]), quality, time_ns, now_s - ago_s)
