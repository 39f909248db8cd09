"""What the event log remembers for us across a restart."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind
from appliance.storage.reader import open_reader
from appliance.storage.records import ACQUISITION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from appliance.domain.event import Gap

ORIGIN_EPOCH = "origin_epoch"
ORIGIN_SEQ = "origin_seq"
"""Details by which an event of another process is known again."""
_GAPS_TOLD = "gaps_told"


@dataclass(slots=True)
class Recalled:
    """The last word on each alarm and anomaly, and on the events of safety.

    `alarms` by alarm, `anomalies` by asset, `origins` the highest number by epoch.
    `new_gaps` were declared and not told by an event yet, of `gaps` in all.
    """

    alarms: dict[str, Event] = field(default_factory=dict)
    anomalies: dict[str, Event] = field(default_factory=dict)
    origins: dict[str, int] = field(default_factory=dict)
    new_gaps: tuple[Gap, ...] = ()
    gaps: int = 0

    def events_of_gaps(self, time_ns: int) -> Iterator[Event]:
        """Yield an event for each gap that was not told yet."""
        told = self.gaps - len(self.new_gaps)
        for place, gap in enumerate(self.new_gaps, start=1):
            yield _event_of_gap(gap, told=told + place, time_ns=time_ns)


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
    told = 0
    for event in events:
        details = event.details
        if event.kind is EventKind.ALARM:
            found.alarms[str(details.get("id"))] = event
        elif event.kind is EventKind.ANOMALY:
            found.anomalies[event.asset] = event
        elif event.kind is EventKind.GAP:
            told = max(told, _whole(details.get(_GAPS_TOLD)))
        if ORIGIN_SEQ in details:
            epoch = str(details.get(ORIGIN_EPOCH))
            seq = _whole(details[ORIGIN_SEQ])
            found.origins[epoch] = max(seq, found.origins.get(epoch, 0))
    acquisition = [gap for gap in gaps if gap.what == ACQUISITION]
    found.new_gaps, found.gaps = tuple(acquisition[told:]), len(acquisition)
    return found


def _event_of_gap(gap: Gap, *, told: int, time_ns: int) -> Event:
    length_s = (gap.to_ns - gap.from_ns) * 1e-9
    count = "an unknown number of" if gap.count < 0 else str(gap.count)
    return Event(
        kind=EventKind.GAP,
        name="declared",
        time_ns=time_ns,
        message=f"{count} samples are missing in {length_s:.1f} s: {gap.reason}",
        details={
            "from_ns": gap.from_ns,
            "to_ns": gap.to_ns,
            "count": gap.count,
            "reason": gap.reason,
            _GAPS_TOLD: told,
        },
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
