"""What the event log remembers for us across a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.domain.event import EventKind
from appliance.hub.gaps import event_of_gap
from appliance.storage.reader import open_reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.domain.event import Event, Gap


@dataclass(slots=True)
class Recalled:
    """The last word on each alarm and anomaly, and on the events of safety.

    `alarms` by alarm, `anomalies` by asset, `origins` the highest number by epoch.
    `new_gaps` were declared and not told by an event yet.
    """

    alarms: dict[str, Event] = field(default_factory=dict)
    anomalies: dict[str, Event] = field(default_factory=dict)
    origins: dict[str, int] = field(default_factory=dict)
    new_gaps: tuple[Gap, ...] = ()

    def events_of_gaps(self, time_ns: int) -> Iterator[Event]:
        """Yield an event for each gap that was not told yet."""
        for gap in self.new_gaps:
            yield event_of_gap(gap, time_ns=time_ns)


def recall(path: Path) -> Recalled:
    """Read what is remembered of the log of a buffer that a store has open.

    Raises:
        StoreOpenError: It cannot be read.
    """
    with open_reader(path) as reader:
        return Recalled(
            alarms=reader.last_words(EventKind.ALARM),
            anomalies=reader.last_words(EventKind.ANOMALY),
            origins=reader.origins(),
            new_gaps=reader.untold_gaps(),
        )
