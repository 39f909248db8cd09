"""Fill holes from the server's history, behind the live values."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from connectors.opcua.continuity import shortened
from connectors.opcua.filler import Filler
from connectors.opcua.filling import GivenUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.connection import Connection
    from connectors.opcua.continuity import Hole
    from connectors.opcua.filling import Place
    from connectors.opcua.inbox import Inbox

_HOLES_MAX = 100_000
_TRIES = 3
_AGAIN_S = 0.5
_TOO_LONG = "longer ago than backfill_longest_s"
_TOO_MANY = "too many holes at once"


class Backfill:
    """The holes that are known and not yet filled; it outlives connections.

    `filled` counts the rows read from history since the start. Holes lie in the
    server's time; what is declared has `taken_off_ns` taken off.
    """

    def __init__(
        self,
        settings: OpcuaSettings,
        clock: Clock,
        *,
        taken_off_ns: Callable[[], int] = int,
    ) -> None:
        self.filled = 0
        self._taken_off_ns = taken_off_ns
        self.settings = settings
        self.clock = clock
        self._holes: deque[Hole] = deque()
        self._at_work: list[Hole] = []
        self._given_up: dict[str, GivenUp] = {}
        self._changed = asyncio.Event()

    @property
    def open_holes(self) -> int:
        """Holes still to be filled, those at work included."""
        return len(self._holes) + len(self._at_work)

    @property
    def unfilled_ns(self) -> dict[int, int]:
        """Where the oldest hole of each tag number begins that is not done with."""
        found: dict[int, int] = {}
        given_up = (each.holes for each in self._given_up.values())
        for hole in chain(self._holes, self._at_work, *given_up):
            known_ns = found.get(hole.number, hole.from_ns)
            found[hole.number] = min(known_ns, hole.from_ns)
        return found

    def add(self, holes: Iterable[Hole]) -> None:
        """Take up new holes; beyond a bound the oldest are given up."""
        longest_ns = round(self.settings.backfill_longest_s * 1e9)
        for hole in holes:
            kept, old = shortened(hole, longest_ns)
            if old is not None:
                self.give_up(old, _TOO_LONG)
            self._holes.append(kept)
        while len(self._holes) > _HOLES_MAX:
            self.give_up(self._holes.popleft(), _TOO_MANY)
        self._changed.set()

    async def run(
        self,
        connection: Connection,
        places: Mapping[int, Place],
        inbox: Inbox,
        *,
        judge: Callable[[Batch], Batch],
    ) -> None:
        """Fill what can be filled for as long as the connection lasts.

        `judge` is what every batch undergoes that comes from this server.

        Raises:
            SourceUnavailableError: The connection is lost; the holes are kept.
        """
        filler = Filler(self, connection, places, inbox=inbox, judge=judge)
        while True:
            self._changed.clear()
            while self._holes:
                self._at_work = self._take_due()
                try:
                    await filler.fill(self._at_work)
                    await inbox.history_taken()
                finally:
                    self._at_work = []
                await self._wait_until_due()
            self._declare(places, inbox)
            await self._changed.wait()

    def _take_due(self) -> list[Hole]:
        """Take out the holes whose time has come."""
        now_s = self.clock.now_s()
        due = [hole for hole in self._holes if hole.not_before_s <= now_s]
        self._holes = deque(h for h in self._holes if h.not_before_s > now_s)
        return due

    def put_back(self, holes: Iterable[Hole]) -> None:
        """Keep holes that nobody came to."""
        self._holes.extendleft(holes)

    def give_up(self, hole: Hole, reason: str) -> None:
        """Leave a hole as it is; it will be declared if anything is missing in it."""
        if hole.certain:
            self._given_up.setdefault(reason, GivenUp()).holes.append(hole)

    def abandon(self, holes: Iterable[Hole], reason: str) -> None:
        """Give up holes that nobody shall try to fill."""
        for hole in holes:
            self.give_up(hole, reason)
        self._changed.set()

    def try_again(self, hole: Hole) -> bool:
        """Keep a hole for later; False if it has been tried often enough."""
        if hole.tries + 1 >= _TRIES:
            return False
        later_s = self.clock.now_s() + _AGAIN_S
        self._holes.append(replace(hole, tries=hole.tries + 1, not_before_s=later_s))
        return True

    async def _wait_until_due(self) -> None:
        if self._holes:
            next_s = min(hole.not_before_s for hole in self._holes)
            await self.clock.sleep(max(0.0, next_s - self.clock.now_s()))

    def _declare(self, places: Mapping[int, Place], inbox: Inbox) -> None:
        """Say once, for all tags together, what stays missing and why."""
        for reason, given_up in self._given_up.items():
            numbers = dict.fromkeys(hole.number for hole in given_up.holes)
            names = [places[n].item.tag.id for n in numbers if n in places]
            gap = given_up.gap(f"{self.settings.name}: {reason}", names)
            off_ns = self._taken_off_ns()
            inbox.put_gap(
                replace(gap, from_ns=gap.from_ns - off_ns, to_ns=gap.to_ns - off_ns)
            )
        self._given_up.clear()
