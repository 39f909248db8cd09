"""What the event log remembers for us across a restart."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind
from appliance.hub.gaps import event_of_gap, key_of_event, key_of_gap
from appliance.storage.reader import open_reader
from appliance.storage.records import ACQUISITION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from appliance.domain.event import Gap
    from appliance.hub.gaps import GapKey

ORIGIN_EPOCH = "origin_epoch"
ORIGIN_SEQ = "origin_seq"
"""Details by which an event of another process is known again."""


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
    """Read the log of a buffer that a store has open.

    Raises:
        StoreOpenError: It cannot be read.
    """
    with open_reader(path) as reader:
        return recalled(reader.events(), reader.gaps())


def recalled(events: Iterable[Event], gaps: Iterable[Gap]) -> Recalled:
    """Return what a log, oldest event first, leaves to be remembered."""
    found = Recalled()
    told: Counter[GapKey] = Counter()
    for event in events:
        details = event.details
        if event.kind is EventKind.ALARM:
            found.alarms[str(details.get("id"))] = event
        elif event.kind is EventKind.ANOMALY:
            found.anomalies[event.asset] = event
        elif event.kind is EventKind.GAP:
            told[key_of_event(event)] += 1
        if ORIGIN_SEQ in details:
            epoch = str(details.get(ORIGIN_EPOCH))
            seq = _whole(details[ORIGIN_SEQ])
            found.origins[epoch] = max(seq, found.origins.get(epoch, 0))
    found.new_gaps = tuple(_untold(gaps, told))
    return found


def _untold(gaps: Iterable[Gap], told: Counter[GapKey]) -> Iterator[Gap]:
    """Yield the gaps of acquisition that no event tells; `told` is used up."""
    for gap in gaps:
        if gap.what != ACQUISITION:
            continue
        if told[key_of_gap(gap)] > 0:
            told[key_of_gap(gap)] -= 1
        else:
            yield gap


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
