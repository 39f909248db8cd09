"""Keeps the record of the clock: its steps, and what was wrong once that is known."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

from appliance.domain.event import Event, EventKind
from appliance.storage.connection import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from appliance.domain.era import ClockOffset, Era
    from appliance.runtime.timekeeping import Look, Timekeeper

log = logging.getLogger(__name__)

LOOK_S = 1.0
OFFSET_EVENT = "clock_offset"
"""The name of the event that tells the fleet an offset record."""
_S = 1e-9


class ClockStore(Protocol):
    """What the watch needs of the store."""

    async def clock_record(self) -> tuple[Sequence[Era], Sequence[ClockOffset]]:
        """Return what is on record."""
        ...

    async def note_clock(self, era: Era | None, offsets: Sequence[ClockOffset]) -> None:
        """Append to the record; it is safe on return."""
        ...


class ClockWatch:
    """Looks at the clocks every `LOOK_S`. The record comes first, then the new stamps.

    While the disk refuses, the old era goes on: its stamps stay in order.
    """

    def __init__(self, store: ClockStore, keeper: Timekeeper) -> None:
        self._store = store
        self._keeper = keeper
        self._synchronised: bool | None = None
        self._steps = 0

    async def begin(self) -> tuple[Event, ...]:
        """Take up the record and the first era; return what to tell.

        Raises:
            StoreUnavailableError: The disk refused.
        """
        self._keeper.recall(*await self._store.clock_record())
        look = self._keeper.look()
        await self._store.note_clock(look.era, look.offsets)
        self._keeper.adopt(look.era)
        return tuple(self._follow(look))

    async def run(self, hear: Callable[[Event], None]) -> None:
        """Look, for ever; `hear` is told steps, offsets and lost synchronisation."""
        while True:
            await self._keeper.sleep(LOOK_S)
            for event in await self.look():
                hear(event)

    async def look(self) -> tuple[Event, ...]:
        """Look once; return what to tell."""
        look = self._keeper.look()
        if look.era is not None or look.offsets:
            try:
                await self._store.note_clock(look.era, look.offsets)
            except StoreUnavailableError:
                log.debug("the clock's record waits for the disk")
                return ()
        if look.era is not None:
            self._keeper.adopt(look.era)
        return tuple(self._follow(look))

    def status(self) -> Mapping[str, Any]:
        """Return whether the time is to be believed, and which era this is."""
        era = self._keeper.era
        return {
            "synchronised": bool(self._synchronised),
            "era": 0 if era is None else era.number,
            "boot_id": "" if era is None else era.boot_id,
            "steps": self._steps,
            "offsets": sum(bool(each.offset_ns) for each in self._keeper.offsets),
        }

    def _follow(self, look: Look) -> list[Event]:
        self._keeper.noted(look.offsets)
        events = []
        if look.step_ns:
            self._steps += 1
            step_s = look.step_ns * _S
            said = f"the clock was set by {step_s:+.3f} s"
            log.warning("%s", said)
            events.append(self._event("clock_step", said, {"step_ns": look.step_ns}))
        if look.synchronised is not self._synchronised:
            if self._synchronised is not None or not look.synchronised:
                events.append(self._kept(look.synchronised))
            self._synchronised = look.synchronised
        events += [self._offset(each) for each in look.offsets]
        return events

    def _kept(self, synchronised: bool) -> Event:  # noqa: FBT001 - it is what is told
        if synchronised:
            said = "a time service keeps the clock right"
            return self._event("clock_synchronised", said, {})
        said = "no time service keeps the clock right; times may be wrong"
        log.warning("%s", said)
        return self._event("clock_unsynchronised", said, {})

    def _offset(self, offset: ClockOffset) -> Event:
        if offset.offset_ns:
            said = (
                f"what era {offset.era} of the clock stamped is"
                f" {-offset.offset_ns * _S:+.3f} s wrong; readers correct it"
            )
        else:
            said = f"era {offset.era} of the clock is right"
        details = {name: getattr(offset, name) for name in offset.__slots__}
        return self._event(OFFSET_EVENT, said, details)

    def _event(
        self, name: str, message: str, details: Mapping[str, str | int]
    ) -> Event:
        time_ns = self._keeper.utc_ns()
        return Event(EventKind.SYSTEM, name, time_ns, message, details=details)
