"""Gaps that a source knows of: committed, sent to the cloud, and told to people."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from appliance.domain.event import Event, EventKind, Gap
from appliance.storage.connection import StoreUnavailableError
from appliance.storage.records import ACQUISITION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.domain.ports import Clock

log = logging.getLogger(__name__)

WAITING_MAX = 1000
SUMMARY_PERIOD = "summary period"
"""What is missing is a roll-up alone: the samples themselves are in the buffer."""
MANY = "several gaps, declared faster than they could be recorded"


class GapStore(Protocol):
    """What the recorder needs of the store (see `storage.store`)."""

    def queue_gap(self, gap: Gap) -> None:
        """Queue a gap for the next commit; within a bound it stays until then."""
        ...

    async def flush(self) -> None:
        """Commit what is queued now."""
        ...


class GapRecorder:
    """Has the store commit what sources declare, and tells it then.

    What waits to be told is bounded by `WAITING_MAX`, COALESCE_NEWEST: beyond, the
    newest is widened, so that no interval stays untold; `gaps_coalesced` counts.
    """

    def __init__(
        self, store: GapStore, hear: Callable[[Event], None], *, clock: Clock
    ) -> None:
        self._store = store
        self._hear = hear
        self._clock = clock
        self._untold: list[Gap] = []
        self._wake = asyncio.Event()
        self._declared = 0
        self._coalesced = 0

    @property
    def counters(self) -> Mapping[str, int]:
        """Gaps that sources declared, and how many of them share an event."""
        return {"gaps_declared": self._declared, "gaps_coalesced": self._coalesced}

    def declare(self, source: str, gap: Gap) -> None:
        """Take a gap of a source; never waits."""
        log.warning("source %s declares a gap: %s", source, gap.reason)
        self._declared += 1
        # A source speaks of samples alone: a stream's numbers are not its business.
        head = f"{source}: "
        reason = head + gap.reason.removeprefix(head)
        self.note(Gap(ACQUISITION, reason, gap.from_ns, gap.to_ns, gap.count))

    def note(self, gap: Gap) -> None:
        """Take a gap of our own making; never waits."""
        self._store.queue_gap(gap)
        if len(self._untold) >= WAITING_MAX:
            self._coalesced += 1
            gap = _widened(self._untold.pop(), gap)
        self._untold.append(gap)
        self._wake.set()

    async def run(self) -> None:
        """Commit and tell what is declared, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._store.flush()
            except StoreUnavailableError:
                log.debug("gaps wait in the store until the disk allows")
            self.tell()

    def tell(self) -> None:
        """Tell what was not told yet; before the end, what was declared last."""
        untold, self._untold = self._untold, []
        for gap in untold:
            self._hear(event_of_gap(gap, time_ns=self._clock.utc_ns()))


def event_of_gap(gap: Gap, *, time_ns: int) -> Event:
    """Return the event that tells a gap."""
    length_s = (gap.to_ns - gap.from_ns) * 1e-9
    count = "an unknown number of" if gap.count < 0 else str(gap.count)
    what = f"{count} samples are missing in {length_s:.1f} s"
    if gap.what == SUMMARY_PERIOD:
        what = f"the cloud gets no roll-up of {length_s:.1f} s"
    return Event(
        kind=EventKind.GAP,
        name="declared",
        time_ns=time_ns,
        message=f"{what}: {gap.reason}",
        details={
            "from_ns": gap.from_ns,
            "to_ns": gap.to_ns,
            "count": gap.count,
            "reason": gap.reason,
        },
    )


def _widened(gap: Gap, more: Gap) -> Gap:
    """Return both as one."""
    known = gap.count >= 0 and more.count >= 0
    return replace(
        gap,
        reason=gap.reason if gap.reason == more.reason else MANY,
        from_ns=min(gap.from_ns, more.from_ns),
        to_ns=max(gap.to_ns, more.to_ns),
        count=gap.count + more.count if known else -1,
    )
