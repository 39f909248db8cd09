"""The road of a batch, whole: read this page first.

```text
  source ─▶ supervise ─┐                 ┌─▶ store      committed in groups, to the disk
  safety ─▶ supervise ─┼─▶ ingest(batch) ┼─▶ latest     what is known now
  inference ─▶ link ───┘                 ├─▶ link       inference, dashboard
                                         ├─▶ alarms ──▶ events ─▶ shown, then committed
                                         ├─▶ assets ──▶ events, health rows, snippets
                                         ├─▶ summaries ─▶ outbox, once per period
                                         └─▶ demands ─▶ safety (declared rows alone)
```

A bad row takes the same road as a good one, so a gap is seen and stored.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from appliance.domain.event import Event, EventKind
from appliance.wire.batches import message_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from appliance.alarms.engine import AlarmEngine
    from appliance.alarms.sources import SourceWord
    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from appliance.hub.assets import Assets
    from appliance.hub.demands import Demands
    from appliance.hub.latest import Latest
    from appliance.hub.recorder import EventRecorder
    from appliance.hub.reports import Reports
    from appliance.hub.tagtable import TagTable
    from appliance.wire.messages import BatchMessage


class Buffer(Protocol):
    """What the road needs of the store."""

    def append(self, batch: Batch) -> None:
        """Queue a batch for the next group commit; never waits."""
        ...


class Window(Protocol):
    """What the road needs of the link."""

    def publish_batch(self, message: BatchMessage) -> None:
        """Send to every subscriber; never waits."""
        ...


class UnknownTagError(ValueError):
    """A batch has a tag number that was never given: nothing of it was taken."""


class Pipeline:
    """See the module. `reports` is None where there is no cloud to report to."""

    def __init__(
        self,
        *,
        table: TagTable,
        latest: Latest,
        store: Buffer,
        window: Window,
        recorder: EventRecorder,
        alarms: AlarmEngine,
        assets: Assets,
        reports: Reports | None,
        demands: Demands,
        clock: Clock,
    ) -> None:
        self._table = table
        self._latest = latest
        self._store = store
        self._window = window
        self._recorder = recorder
        self._alarms = alarms
        self._assets = assets
        self._reports = reports
        self._demands = demands
        self._clock = clock
        self.counters: Counter[str] = Counter(
            batches=0, samples_made_bad=0, samples_historical=0, waveform_points=0
        )

    def ingest(self, batch: Batch) -> None:
        """Take a batch; on return it is queued for the next group commit.

        Raises:
            UnknownTagError: A tag number of it was never given.
        """
        if not self._table.knows(batch):
            raise UnknownTagError("a batch has a tag number that was never given")
        now_s, utc_ns = self._clock.now_s(), self._clock.utc_ns()
        checked = self._table.checked(batch)
        self._count(batch, checked)
        self._store.append(checked)
        self._latest.take(checked, now_s=now_s)
        self._window.publish_batch(message_of(checked))
        self._hear(self._alarms.evaluate(checked, now_s=now_s, utc_ns=utc_ns))
        self._hear(self._assets.take(checked, now_s=now_s, utc_ns=utc_ns))
        if self._reports is not None:
            self._reports.add(checked)
        self._demands.offer(checked)

    def hear(self, event: Event) -> None:
        """Take an event; the onset of an anomaly or a trip keeps the waveform."""
        self._recorder.tell(event)
        if self._reports is None:
            return
        match event:
            case Event(kind=EventKind.ANOMALY, name="begin"):
                self._reports.keep_waveform(event, "anomaly")
            case Event(kind=EventKind.TRIP, name="first_out"):
                self._reports.keep_waveform(event, "trip")

    def tick(self) -> None:
        """Let time pass for the alarms: delays, shelves, stale tags."""
        now_s, utc_ns = self._clock.now_s(), self._clock.utc_ns()
        self._hear(self._alarms.tick(now_s=now_s, utc_ns=utc_ns))

    def hear_sources(self, words: Mapping[str, SourceWord]) -> None:
        """Take what every source says is wrong with itself: alarms that stand."""
        now_s, utc_ns = self._clock.now_s(), self._clock.utc_ns()
        self._hear(self._alarms.hear_sources(words, now_s=now_s, utc_ns=utc_ns))

    def _hear(self, events: Iterable[Event]) -> None:
        for event in events:
            self.hear(event)

    def _count(self, batch: Batch, checked: Batch) -> None:
        self.counters["batches"] += 1
        if batch.historical:
            self.counters["samples_historical"] += batch.sample_count
        if checked is not batch:
            made_bad = int((checked.quality != batch.quality).sum())
            self.counters["samples_made_bad"] += made_bad
        for waveform in batch.waveforms:
            self.counters["waveform_points"] += len(waveform.points)
