"""Every tag by its number; grows when another process brings some."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import judged
from appliance.domain.sample import Quality
from appliance.hub.columns import grown
from appliance.wire.events import tag_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from appliance.domain.batch import Batch
    from appliance.domain.tag import Tag, TagId
    from appliance.wire.messages import TagEntry


class TagTable:
    """Tags and their numbers. `numbers` and `names` are live: they show new tags."""

    def __init__(self) -> None:
        self.numbers: dict[TagId, int] = {}
        self._tags: dict[TagId, Tag] = {}
        self.names: dict[int, TagId] = {}
        self._low: NDArray[np.float64] = np.empty(0)
        self._high: NDArray[np.float64] = np.empty(0)

    @property
    def size(self) -> int:
        """One more than the highest number."""
        return len(self._low)

    def add(self, tags: Iterable[Tag], numbers: Mapping[TagId, int]) -> None:
        """Take up tags; a tag that is there already gets its new description."""
        self.numbers.update(numbers)
        size = max(self.numbers.values(), default=-1) + 1
        self._low = grown(self._low, size, -np.inf)
        self._high = grown(self._high, size, np.inf)
        for tag in tags:
            number = self.numbers[tag.id]
            self._tags[tag.id] = tag
            self.names[number] = tag.id
            self._low[number], self._high[number] = tag.range_low, tag.range_high

    def entries(self) -> tuple[TagEntry, ...]:
        """Return the table that the link's hello carries."""
        return tag_table(self._tags, self.numbers)

    def knows(self, batch: Batch) -> bool:
        """Whether every number in the batch lies within the table."""
        highest = int(batch.tag.max()) if len(batch) else -1
        extras = [each.tag for each in batch.waveforms]
        extras += [each.tag for each in batch.texts]
        return max(extras, default=-1) < self.size and highest < self.size

    def checked(self, batch: Batch) -> Batch:
        """Return the batch with what lies outside its range, or is no number, bad."""
        low, high = self._low[batch.tag], self._high[batch.tag]
        value = batch.value
        outside = ~((value >= low) & (value <= high) & np.isfinite(value))
        outside &= batch.quality != Quality.BAD
        if not outside.any():
            return batch
        quality, status = judged(value, batch.status, low=low, high=high)
        return replace(
            batch,
            quality=np.where(outside, quality, batch.quality),
            status=np.where(outside, status, batch.status),
        )
