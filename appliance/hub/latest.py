"""What is known now: the newest row of each tag, and when each group was confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.sample import Quality
from appliance.hub.columns import grown

if TYPE_CHECKING:
    from appliance.domain.batch import Batch, Text, Waveform


@dataclass(frozen=True, slots=True)
class Confirmation:
    """When a group was last known to be current: for people, and for ages."""

    utc_ns: int
    now_s: float


@dataclass(frozen=True, slots=True)
class LatestRow:
    """The newest row of a tag."""

    value: float
    quality: Quality
    status: int
    source_time_ns: int
    server_time_ns: int | None = None

    @property
    def good_value(self) -> float | None:
        """The value, if it is good."""
        return self.value if self.quality is Quality.GOOD else None


class Latest:
    """Filled by `take`; historical batches say nothing of now."""

    def __init__(self) -> None:
        self.confirmed: dict[str, Confirmation] = {}
        self.waveforms: dict[int, Waveform] = {}
        self.texts: dict[int, Text] = {}
        self._value = np.empty(0)
        self._quality = np.empty(0, dtype=np.uint8)
        self._status = np.empty(0, dtype=np.uint32)
        self._source_time_ns = np.empty(0, dtype=np.int64)
        self._server_time_ns = np.empty(0, dtype=np.int64)

    def grow(self, size: int) -> None:
        """Make room for tag numbers below `size`."""
        self._value = grown(self._value, size, np.nan)
        self._quality = grown(self._quality, size, Quality.BAD)
        self._status = grown(self._status, size, 0)
        self._source_time_ns = grown(self._source_time_ns, size, -1)
        self._server_time_ns = grown(self._server_time_ns, size, 0)

    def take(self, batch: Batch, *, now_s: float) -> None:
        """Take note of a batch; of several rows of a tag the last one counts."""
        if batch.historical:
            return
        tag = batch.tag
        self._value[tag] = batch.value
        self._quality[tag] = batch.quality
        self._status[tag] = batch.status
        self._source_time_ns[tag] = batch.source_time_ns
        server = batch.server_time_ns
        self._server_time_ns[tag] = 0 if server is None else server
        for waveform in batch.waveforms:
            self.waveforms[waveform.tag] = waveform
        for text in batch.texts:
            self.texts[text.tag] = text
        if batch.confirms and batch.group:
            self.confirmed[batch.group] = Confirmation(batch.receive_time_ns, now_s)

    def row(self, number: int) -> LatestRow | None:
        """Return the newest row of a tag; None before the first."""
        if number >= len(self._value) or self._source_time_ns[number] < 0:
            return None
        return LatestRow(
            value=float(self._value[number]),
            quality=Quality(int(self._quality[number])),
            status=int(self._status[number]),
            source_time_ns=int(self._source_time_ns[number]),
            server_time_ns=int(self._server_time_ns[number]) or None,
        )
