"""A tag that is looked at from time to time, such as an hour meter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from appliance.domain.sample import Quality
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.domain.batch import Batch


class Newest:
    """The newest good value of a tag, and the mean of those since the last look."""

    def __init__(self, numbers: Mapping[TagId, int], tag: str | None) -> None:
        self._number = -1 if tag is None else numbers.get(TagId(tag), -1)
        self.last = math.nan
        self._sum = 0.0
        self._count = 0

    def push(self, batch: Batch) -> None:
        """Take a batch; what is historical says nothing of now."""
        if self._number < 0 or batch.historical:
            return
        good = (batch.tag == self._number) & (batch.quality == Quality.GOOD)
        values = batch.value[good]
        if len(values):
            self.last = float(values[-1])
            self._sum += float(values.sum())
            self._count += len(values)

    def mean_and_forget(self) -> float:
        """Return the mean since the last call; the newest value if there was none."""
        mean = self._sum / self._count if self._count else self.last
        self._sum, self._count = 0.0, 0
        return mean
