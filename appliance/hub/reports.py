"""What the cloud is told besides events: roll-ups, health, a waveform at an onset."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from msgspec.structs import replace

from appliance.config.globs import matcher
from appliance.domain.tag import asset_of
from appliance.hub.model_figures import ModelFigures
from appliance.hub.summaries import row_of_summary, significant
from appliance.wire.outbox import Stream, encode_row
from appliance.wire.snippets import SNR_DEFAULT_DB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appliance.config import UplinkSettings
    from appliance.domain.batch import Batch
    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.domain.summary import Summary
    from appliance.hub.assets import Assets
    from appliance.hub.summaries import Summaries
    from appliance.hub.tagtable import TagTable
    from appliance.wire.outbox import HealthRow, Row

HEALTH_DIGITS = 6
_ALL = ("event", "health", "summary", "snippet")


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
        uplink: UplinkSettings | None = None,
    ) -> None:
        self._sends = frozenset(_ALL if uplink is None else uplink.sends)
        self._allowed = matcher(("*",) if uplink is None else uplink.tags)
        self._snr_db = SNR_DEFAULT_DB if uplink is None else uplink.snippet_snr_db
        self.withheld: Counter[str] = Counter()
        """Rows that the policy kept here, by stream."""
        self._outbox = outbox
        self._table = table
        self._assets = assets
        self._summaries = summaries
        self._models = ModelFigures()
        self._clock = clock

    def add(self, batch: Batch) -> None:
        """Accumulate a batch for the roll-ups."""
        self._summaries.add(batch)

    def summaries(self) -> None:
        """Report the roll-ups of the period, when it is over."""
        utc_ns = self._clock.utc_ns()
        self._tell(self._summaries.due(utc_ns, self._table.names))
        self._tell(self._models.due(utc_ns))

    def close(self) -> None:
        """Report the roll-ups of the period so far: there will be no more of it."""
        self._tell(self._summaries.close(self._table.names))
        self._tell(self._models.close())

    def health(self, models: Mapping[str, str]) -> None:
        """Report the health of every asset that was judged; `models` judged them."""
        rows = self._assets.health_rows(models)
        self._enqueue(Stream.HEALTH, [rounded(row) for row in rows])

    def models(self, status: Mapping[str, Any]) -> None:
        """Look at how the models do, by what inference says of them."""
        self._models.look(status, self._clock.utc_ns())

    def keep_waveform(self, event: Event, reason: str) -> None:
        """Send the newest waveform of the asset that an event is about."""
        asset = event.asset or (asset_of(event.tag) if event.tag else "")
        snippet = self._assets.snippet(asset, reason, snr_db=self._snr_db)
        if snippet is not None:
            self._enqueue_allowed(Stream.SNIPPET, [(snippet.tag, snippet)])

    def _tell(self, found: Sequence[Summary]) -> None:
        rows = [(each.tag, row_of_summary(each)) for each in found]
        self._enqueue_allowed(Stream.SUMMARY, rows)

    def _enqueue_allowed(self, stream: Stream, rows: Sequence[tuple[str, Row]]) -> None:
        kept = [row for tag, row in rows if self._allowed(tag)]
        self.withheld[stream] += len(rows) - len(kept)
        self._enqueue(stream, kept)

    def _enqueue(self, stream: Stream, rows: Sequence[Row]) -> None:
        if stream not in self._sends:
            self.withheld[stream] += len(rows)
        elif rows:
            contents = [encode_row(row) for row in rows]
            self._outbox.enqueue(stream, contents, self._clock.utc_ns())


def rounded(row: HealthRow) -> HealthRow:
    """Return what is thought of an asset with `HEALTH_DIGITS` significant digits."""
    numbers = ("score", "limit", "index", "life_h", "life_low_h", "life_high_h")
    found = {name: getattr(row, name) for name in numbers}
    return replace(
        row,
        **{
            name: None if value is None else significant(value, HEALTH_DIGITS)
            for name, value in found.items()
        },
    )
