"""What to read, to send, to send again and to mark: the uplink's decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.runtime.backoff import Backoff
from appliance.sync.coarsen import Plan
from appliance.sync.lane import Lane
from appliance.sync.parcel import Packer
from appliance.sync.policy import EVERYTHING
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from appliance.sync.parcel import Parcel
    from appliance.sync.policy import Policy

PRIORITY = (
    Stream.EVENT,
    Stream.GAP,
    Stream.HEALTH,
    Stream.SUMMARY,
    Stream.SNIPPET,
)
LIVE = frozenset({Stream.EVENT, Stream.GAP})
"""Never held for company, and not behind what fills the link."""
HELD = frozenset({Stream.HEALTH, Stream.SUMMARY})
PATIENCE_FIRST_S = 10.0
PATIENCE_LONGEST_S = 120.0
_JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Reading:
    """Rows to ask the outbox for."""

    stream: Stream
    after: int
    limit: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Rows to tell the outbox about: they are where they should be."""

    stream: Stream
    epoch: str
    through: int


class Drain:
    """Takes every row of the outbox to the other side, at least once, in order.

    Pure: time is an argument. A row is marked after the broker's PUBACK *and* the
    fleet's word (`fleet=True`), or after PUBACK alone. At most `window` parcels of all
    streams wait for PUBACK; streams go in the order of `PRIORITY`. `spread` returns
    numbers in `[0, 1)`.
    """

    def __init__(
        self,
        *,
        fleet: bool,
        window: int,
        payload_max_bytes: int,
        spread: Callable[[], float],
        hold_s: float = 0.0,
        policy: Policy = EVERYTHING,
        plan: Plan | None = None,
        planned: Callable[[], None] = lambda: None,
    ) -> None:
        self.plan = plan or Plan()
        self._fleet = fleet
        self._window = self._limit = window
        self._payload_max_bytes = self._limit_bytes = payload_max_bytes
        self._link_bytes = payload_max_bytes
        self._flying_max_bytes: int | None = None
        self._flying_bytes = 0
        self._outstanding: set[Parcel] = set()
        self._moved_s = 0.0
        self._counts = {
            "payloads_sent": 0, "payloads_accepted": 0, "payloads_refused": 0,
            "rows_sent": 0, "acks": 0, "acks_foreign": 0, "rewinds": 0,
        }  # fmt: skip
        self._packers = {
            stream: Packer(
                stream,
                policy,
                plan=self.plan if stream is Stream.SUMMARY else None,
                planned=planned,
            )
            for stream in PRIORITY
        }
        self._lanes = {
            stream: Lane(
                stream,
                window=window,
                patience=Backoff(
                    PATIENCE_FIRST_S, PATIENCE_LONGEST_S, jitter=_JITTER, spread=spread
                ),
                packer=self._packers[stream],
                hold_s=hold_s if stream in HELD else 0.0,
            )
            for stream in PRIORITY
        }

    @property
    def counters(self) -> Mapping[str, int]:
        """Payloads, rows, resent rows, acknowledgements, rows in memory."""
        lanes = self._lanes.values()
        return {
            **self._counts,
            "rows_resent": sum(lane.resent_rows for lane in lanes),
            "rows_held": sum(lane.rows_held for lane in lanes),
            "rows_merged": self._packers[Stream.SUMMARY].merged_rows,
            "outstanding": len(self._outstanding),
        }

    @property
    def urgent(self) -> bool:
        """Something waits that is worth a connection at any time."""
        return any(lane.urgent for lane in self._lanes.values())

    @property
    def outstanding(self) -> int:
        """Parcels that the broker owes an answer to."""
        return len(self._outstanding)

    def wake(self, now_s: float | None = None) -> None:
        """Look into the outbox again: there may be more.

        Given the time, rows that may wait for company do.
        """
        for lane in self._lanes.values():
            lane.wake(now_s)

    def coarsen(self, period_s: float) -> None:
        """Merge summaries that are read from now on to a longer period; 0: do not."""
        self._packers[Stream.SUMMARY].coarse_s = period_s

    def measured(self, *, flying_max_bytes: int, payload_max_bytes: int) -> None:
        """Keep within what the link takes: under way, and in one payload."""
        self._flying_max_bytes = flying_max_bytes
        self._link_bytes = payload_max_bytes

    def next_read(self) -> Reading | None:
        """Return what to read next, or None while nothing is needed."""
        for lane in self._lanes.values():
            wanted = lane.next_read()
            if wanted is not None:
                return Reading(lane.stream, *wanted)
        return None

    def unanswered(self, reading: Reading) -> None:
        """Note that the outbox did not answer: the next question asks for less."""
        self._lanes[reading.stream].unanswered()

    def load(
        self, reading: Reading, epoch: str, rows: Sequence[tuple[int, bytes]]
    ) -> None:
        """Take the answer of the outbox."""
        most = min(self._limit_bytes, self._link_bytes)
        self._lanes[reading.stream].load(
            epoch, rows, after=reading.after, max_bytes=most
        )

    def next_parcel(self, now_s: float, *, urgent_only: bool = False) -> Parcel | None:
        """Return what to send next, or None while the window or the link is full.

        With `urgent_only`, only what is urgent and what stands before it.
        """
        if len(self._outstanding) >= self._limit:
            return None
        for lane in self._lanes.values():
            if urgent_only and not lane.urgent:
                continue
            parcel = lane.next_parcel(now_s)
            if parcel is not None and self._has_room(parcel):
                return parcel
        return None

    def _has_room(self, parcel: Parcel) -> bool:
        most = self._flying_max_bytes
        if most is None or parcel.stream in LIVE or self._flying_bytes == 0:
            return True
        return self._flying_bytes + parcel.size_bytes <= most

    def sent(self, parcel: Parcel, now_s: float) -> None:
        """Note that a parcel was handed to the connection."""
        if not self._outstanding:
            self._moved_s = now_s
        self._outstanding.add(parcel)
        self._flying_bytes += parcel.size_bytes
        self._counts["payloads_sent"] += 1
        self._counts["rows_sent"] += parcel.last - parcel.first + 1
        self._lanes[parcel.stream].sent(parcel, now_s)

    def accepted(self, parcel: Parcel, now_s: float) -> None:
        """Note a PUBACK."""
        self._answered(parcel, now_s)
        self._counts["payloads_accepted"] += 1
        self._lanes[parcel.stream].accepted(parcel, now_s, final=not self._fleet)

    def refused(self, parcel: Parcel, now_s: float) -> None:
        """Note a PUBACK that refuses: nothing is marked, the stream waits."""
        self._answered(parcel, now_s)
        self._counts["payloads_refused"] += 1
        self._lanes[parcel.stream].refused(parcel, now_s)

    def acknowledged(
        self, stream: Stream, epoch: str, through: int, *, now_s: float
    ) -> None:
        """Note the fleet's word; a word about rows never sent is not believed."""
        self._counts["acks"] += 1
        lane = self._lanes[stream]
        if epoch != lane.epoch:
            self._counts["acks_foreign"] += 1
        elif self._fleet:
            lane.acknowledged(epoch, through, now_s)

    def connected(
        self,
        now_s: float = 0.0,
        *,
        window: int | None = None,
        payload_max_bytes: int | None = None,
    ) -> None:
        """Keep within what this broker takes; None where it does not say."""
        for lane in self._lanes.values():
            lane.connected(now_s)
        self._limit = min(self._window, window or self._window)
        limit_bytes = min(
            self._payload_max_bytes, payload_max_bytes or self._payload_max_bytes
        )
        if limit_bytes < self._limit_bytes:
            for lane in self._lanes.values():
                lane.rewind()
        self._limit_bytes = limit_bytes

    def disconnected(self, now_s: float) -> None:
        """Note the loss of the broker: what it has not accepted goes again."""
        self._outstanding.clear()
        self._flying_bytes = 0
        for lane in self._lanes.values():
            lane.disconnected(now_s)

    def stalled_s(self, now_s: float) -> float:
        """Return for how long the broker has owed an answer."""
        return now_s - self._moved_s if self._outstanding else 0.0

    def check_patience(self, now_s: float) -> None:
        """Begin to send again what the fleet should have acknowledged by now."""
        for lane in self._lanes.values():
            self._counts["rewinds"] += lane.check_patience(now_s)

    def next_mark(self) -> Mark | None:
        """Return what to tell the outbox, or None."""
        for lane in self._lanes.values():
            through = lane.unmarked()
            if through is not None:
                return Mark(lane.stream, lane.epoch, through)
        return None

    def marked(self, mark: Mark) -> None:
        """Note that the outbox has been told."""
        self._lanes[mark.stream].marked(mark.epoch, mark.through)

    def _answered(self, parcel: Parcel, now_s: float) -> None:
        if parcel in self._outstanding:
            self._outstanding.discard(parcel)
            self._flying_bytes -= parcel.size_bytes
        self._moved_s = now_s
