"""What the event log remembers for us across a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.alarms.lately import LATELY_MAX, LATELY_S
from appliance.domain.event import EventKind, Gap
from appliance.hub.gaps import SUMMARY_PERIOD, event_of_gap
from appliance.storage.opening import SHUTDOWN_REASON
from appliance.storage.reader import open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from appliance.domain.event import Event
    from appliance.storage.chain import Head

_ROLLUP_REASON = "the hub was killed before this period's roll-up was made"
_NS = 1_000_000_000


@dataclass(slots=True)
class Recalled:
    """The last word on each alarm, anomaly and maintenance, and on safety's events.

    `alarms` by alarm, `anomalies` and `upkeep` by asset, `origins` the highest number
    by epoch. `new_gaps` were declared and not told by an event yet. `lately` are the
    events of alarms of the last day, at most some thousands. `journal` is the head of
    the chain over the event log.
    """

    alarms: dict[str, Event] = field(default_factory=dict)
    anomalies: dict[str, Event] = field(default_factory=dict)
    upkeep: dict[str, Event] = field(default_factory=dict)
    origins: dict[str, int] = field(default_factory=dict)
    new_gaps: tuple[Gap, ...] = ()
    lately: Sequence[Event] = ()
    journal: Head | None = None

    def events_of_gaps(self, time_ns: int) -> Iterator[Event]:
        """Yield an event for each gap that was not told yet."""
        for gap in self.new_gaps:
            yield event_of_gap(gap, time_ns=time_ns)

    def gaps_of_summaries(self, period_s: float) -> Iterator[Gap]:
        """Yield what a kill took from the cloud: the period that was being summed.

        Sums live in memory, so the lake has no roll-up of samples that were stored.
        """
        period_ns = round(period_s * _NS)
        for gap in self.new_gaps:
            if gap.reason == SHUTDOWN_REASON:
                start_ns = gap.from_ns // period_ns * period_ns
                yield Gap(SUMMARY_PERIOD, _ROLLUP_REASON, start_ns, gap.from_ns, -1)


def recall(path: Path, *, utc_ns: int) -> Recalled:
    """Read what is remembered at `utc_ns` of the log of a buffer that a store has open.

    Raises:
        StoreOpenError: It cannot be read.
    """
    with open_reader(path) as reader:
        return Recalled(
            alarms=reader.last_words(EventKind.ALARM),
            anomalies=reader.last_words(EventKind.ANOMALY),
            upkeep=reader.last_words(EventKind.MAINTENANCE),
            origins=reader.origins(),
            new_gaps=reader.untold_gaps(),
            lately=reader.events_lately(
                EventKind.ALARM,
                from_ns=utc_ns - round(LATELY_S * _NS),
                limit=LATELY_MAX,
            ),
            journal=reader.journal_head(),
        )
