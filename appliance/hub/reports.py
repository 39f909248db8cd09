"""What the cloud is told besides events: roll-ups, health, a waveform at an onset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from appliance.domain.tag import asset_of
from appliance.hub.summaries import row_of_summary
from appliance.wire.outbox import Stream, encode_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.domain.batch import Batch
    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.hub.assets import Assets
    from appliance.hub.summaries import Summaries
    from appliance.hub.tagtable import TagTable
    from appliance.wire.outbox import Row


class Outbox(Protocol):
    """What reports need of the store."""

    def enqueue(self, stream: Stream, contents: Sequence[bytes], time_ns: int) -> None:
        """Queue rows of a stream for the next group commit; never waits."""
        ...


class Reports:
    """Fills the outbox."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        table: TagTable,
        assets: Assets,
        summaries: Summaries,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._table = table
        self._assets = assets
        self._summaries = summaries
        self._clock = clock

    def add(self, batch: Batch) -> None:
        """Accumulate a batch for the roll-ups."""
        self._summaries.add(batch)

    def summaries(self) -> None:
        """Report the roll-ups of the period, when it is over."""
        found = self._summaries.due(self._clock.utc_ns(), self._table.names)
        self._enqueue(Stream.SUMMARY, [row_of_summary(each) for each in found])

    def close(self) -> None:
        """Report the roll-ups of the period so far: there will be no more of it."""
        found = self._summaries.close(self._table.names)
        self._enqueue(Stream.SUMMARY, [row_of_summary(each) for each in found])

    def health(self, models: Mapping[str, str]) -> None:
        """Report the health of every asset that was judged; `models` judged them."""
        self._enqueue(Stream.HEALTH, self._assets.health_rows(models))

    def keep_waveform(self, event: Event, reason: str) -> None:
        """Send the newest waveform of the asset that an event is about."""
        asset = event.asset or (asset_of(event.tag) if event.tag else "")
        snippet = self._assets.snippet(asset, reason)
        self._enqueue(Stream.SNIPPET, [] if snippet is None else [snippet])

    def _enqueue(self, stream: Stream, rows: Sequence[Row]) -> None:
        if rows:
            contents = [encode_row(row) for row in rows]
            self._outbox.enqueue(stream, contents, self._clock.utc_ns())
