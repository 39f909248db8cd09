"""Batches → windows: what each tag was, for how long, and where nobody knows.

Pure: time is an argument. A value counts from its source time where that is
believable (not in the future, at most `hold_s` before it was received, not before
what is known already), otherwise from its receipt. It holds until the next one, and
at most until `hold_s` after its last confirmation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from appliance.domain.sample import Quality
from appliance.inference.rows import Rows, Steps
from models.features import Mode, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from appliance.domain.batch import Batch, Waveform
    from appliance.domain.tag import TagId
    from models.features import AssetModel
    from models.features.asset import FloatColumn, SlotColumn

_NS = 1_000_000_000
_NEVER_NS = -(1 << 62)


class _OwnRows(NamedTuple):
    slot: SlotColumn
    source_time_ns: NDArray[np.int64]
    value: FloatColumn  # NaN where not good


class Windows:
    """Sliding windows of one asset.

    `numbers` gives the tag numbers of the batches. Which tags a group confirms is
    learned from its rows. Historical rows are passed over: their windows are gone.
    `skipped` counts windows overtaken by a later one, `rows_dropped` rows beyond the
    bound of the memory.
    """

    def __init__(self, model: AssetModel, numbers: Mapping[TagId, int]) -> None:
        self.model = model
        self.skipped = 0
        self._window_ns = round(model.window_s * _NS)
        self._hop_ns = round(model.hop_s * _NS)
        self._hold_ns = round(model.hold_s * _NS)
        self._tags = _tags_of(model)
        self._slot_of = _slot_table([numbers.get(tag, -1) for tag in self._tags])
        self._waveform_number = (
            -1 if model.waveform_tag is None else numbers.get(model.waveform_tag, -1)
        )
        self._rows = Rows(len(self._tags))
        self._slots_of_group: dict[str, SlotColumn] = {}
        self._alive_until_ns = np.full(len(self._tags), _NEVER_NS, dtype=np.int64)
        self._burst: tuple[int, Waveform] | None = None
        self._running_since_ns: int | None = None
        self._start_seen = False
        self._began_ns: int | None = None
        self._ended_ns: int = _NEVER_NS

    @property
    def rows_dropped(self) -> int:
        """Rows that were given up because the memory was full."""
        return self._rows.dropped

    def push(self, batch: Batch) -> None:
        """Take a batch; what is not this asset's is passed over."""
        if batch.historical:
            return
        now_ns = batch.receive_time_ns
        if self._began_ns is None:
            self._began_ns = now_ns
        for waveform in batch.waveforms:
            own = waveform.tag == self._waveform_number
            if own and waveform.quality is Quality.GOOD:
                self._burst = (now_ns, waveform)
        rows = self._own_rows(batch)
        if len(rows.slot) or batch.group in self._slots_of_group:
            self._confirm(batch, rows)
            self._append(rows, received_ns=now_ns)

    def due(self, now_ns: int) -> Window | None:
        """Return the window that has ended by now, once; None if there is none.

        Windows end on multiples of the hop (UTC). The first is due a whole window
        after the first batch; when the clock was set back, all begins again.
        """
        if self._began_ns is None:
            return None
        end_ns = now_ns // self._hop_ns * self._hop_ns
        if end_ns < max(self._ended_ns, self._began_ns) - self._window_ns:
            self._forget()
            return None
        if end_ns - self._window_ns < self._began_ns or end_ns <= self._ended_ns:
            return None
        if self._ended_ns != _NEVER_NS:
            self.skipped += (end_ns - self._ended_ns) // self._hop_ns - 1
        window = self._window(end_ns)
        self._ended_ns = end_ns
        return window

    def _forget(self) -> None:
        self._rows.clear()
        self._slots_of_group.clear()
        self._alive_until_ns.fill(_NEVER_NS)
        self._burst = None
        self._running_since_ns = None
        self._began_ns = None
        self._ended_ns = _NEVER_NS

    def _own_rows(self, batch: Batch) -> _OwnRows:
        slot = self._slot_of[np.minimum(batch.tag, len(self._slot_of) - 1)]
        own = slot >= 0
        value = batch.value[own]
        good = (batch.quality[own] == Quality.GOOD) & np.isfinite(value)
        return _OwnRows(
            slot[own], batch.source_time_ns[own], np.where(good, value, np.nan)
        )

    def _confirm(self, batch: Batch, rows: _OwnRows) -> None:
        """Prolong the life of what is confirmed; a gap that ends becomes visible."""
        now_ns = batch.receive_time_ns
        confirmed = np.unique(rows.slot[np.isfinite(rows.value)])
        if batch.group:
            group = self._slots_of_group.get(batch.group, np.empty(0, dtype=np.int64))
            if len(np.setdiff1d(rows.slot, group)):
                group = np.union1d(rows.slot, group)
                self._slots_of_group[batch.group] = group
            if batch.confirms:
                confirmed = np.union1d(confirmed, group)
        lapsed = confirmed[self._alive_until_ns[confirmed] < now_ns]
        if len(lapsed):
            self._end_gap(lapsed, now_ns)
        until_ns = np.maximum(self._alive_until_ns[confirmed], now_ns + self._hold_ns)
        self._alive_until_ns[confirmed] = until_ns

    def _end_gap(self, lapsed: SlotColumn, now_ns: int) -> None:
        """Write down from when to when a value was not confirmed; it is as it was."""
        value = self._rows.last_value[lapsed]
        self._rows.append(
            lapsed, self._alive_until_ns[lapsed], np.full(len(lapsed), np.nan)
        )
        self._rows.append(lapsed, np.full(len(lapsed), now_ns), value)

    def _append(self, rows: _OwnRows, *, received_ns: int) -> None:
        source_ns = rows.source_time_ns
        believable = (
            (source_ns <= received_ns)
            & (source_ns >= received_ns - self._hold_ns)
            & (source_ns >= self._rows.last_time_ns[rows.slot])
        )
        time_ns = np.where(believable, source_ns, received_ns)
        self._rows.append(rows.slot, time_ns, rows.value)

    def _window(self, end_ns: int) -> Window:
        start_ns = end_ns - self._window_ns
        self._rows.evict_before(start_ns)
        steps = self._rows.steps(start_ns, end_ns, self._alive_until_ns)
        waveforms = {}
        if self.model.waveform_tag is not None and self._burst is not None:
            received_ns, waveform = self._burst
            if start_ns < received_ns:
                waveforms[self.model.waveform_tag] = waveform
        mode = self._mode(steps, start_ns, end_ns)
        return Window(
            asset=self.model.asset,
            start_ns=start_ns,
            end_ns=end_ns,
            mode=mode,
            tags=self._tags,
            slot=steps.slot,
            start_s=(steps.start_ns - start_ns) / _NS,
            end_s=(steps.end_ns - start_ns) / _NS,
            value=steps.value,
            waveforms=waveforms,
            running_s=self._running_s(end_ns),
        )

    def _running_s(self, end_ns: int) -> float:
        since_ns = self._running_since_ns
        if since_ns is None or not self._start_seen:
            return math.nan
        return (end_ns - since_ns) / _NS

    def _mode(self, steps: Steps, start_ns: int, end_ns: int) -> Mode:
        """Say what the machine did; running must be proved for the whole window."""
        running = self.model.running
        if running is None:
            return Mode.RUNNING
        own = steps.slot == self._tags.index(running.tag)
        begin, finish = steps.start_ns[own], steps.end_ns[own]
        if not len(finish) or finish[-1] < end_ns:
            self._running_since_ns = None
            return Mode.UNKNOWN
        above = steps.value[own] > running.above
        if not above[-1]:
            self._running_since_ns = None
            return Mode.STOPPED
        since_ns = _unbroken_since(begin, finish, above)
        followed = self._ended_ns >= start_ns
        if since_ns > start_ns or not followed or self._running_since_ns is None:
            self._running_since_ns = since_ns
            # a gap before it, or the window's begin, may have hidden when it started
            stood = finish[~above]
            self._start_seen = bool(len(stood)) and int(stood[-1]) == since_ns
        settled_ns = self._running_since_ns + round(running.settle_s * _NS)
        return Mode.RUNNING if settled_ns <= start_ns else Mode.STARTING


def _unbroken_since(
    begin: NDArray[np.int64], finish: NDArray[np.int64], above: NDArray[np.bool_]
) -> int:
    """Return from when on, without a gap, the last state has lasted."""
    broken = np.flatnonzero(~above[:-1] | (finish[:-1] < begin[1:]))
    return int(begin[broken[-1] + 1] if len(broken) else begin[0])


def _tags_of(model: AssetModel) -> tuple[TagId, ...]:
    """Return all tags whose rows a window keeps, each once."""
    tags = [tag.id for tag in model.tags]
    if model.speed_tag is not None:
        tags.append(model.speed_tag)
    if model.running is not None:
        tags.append(model.running.tag)
    tags += model.mode_tags + model.context_tags
    return tuple(dict.fromkeys(tags))


def _slot_table(numbers: list[int]) -> SlotColumn:
    """Return slots by tag number; the last entry stands for all higher numbers."""
    table = np.full(max(numbers, default=-1) + 2, -1, dtype=np.int64)
    for slot, number in enumerate(numbers):
        if number >= 0:
            table[number] = slot
    return table
