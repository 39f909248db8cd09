"""A running hub's care for its own file: look for damage, replace it, salvage.

The hub goes on with a fresh file at once; what the damaged one still holds is brought
over in small transactions between the hub's own, on a thread of low priority.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from appliance.domain.diagnostic import Diagnostic
from appliance.domain.event import Event, EventKind
from appliance.storage.connection import StoreUnavailableError
from appliance.storage.debts import HELD_STAGES, STAGES, debts
from appliance.storage.finds import read_portion
from appliance.storage.fresh import Memory, replace_damaged
from appliance.storage.opening import Opened, open_and_begin
from appliance.storage.patrol import Patrol, background_thread
from appliance.storage.quarantine import thin_out
from appliance.storage.rescue import merge

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from appliance.domain.ports import Clock
    from appliance.domain.tag import Tag
    from appliance.storage.connection import Writer
    from appliance.storage.debts import Debt
    from appliance.storage.disk import Disk

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

LOOK_S = 1.0
REST_S = 10.0
"""Between two walks over a whole file."""
_STEP_BYTES = 1024 * 1024
_STEP_PART = 64
_NEWS_MAX = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where the buffer is, how large it may be, and how it is opened."""

    path: Path
    quota_bytes: int
    connect: Callable[[Path], sqlite3.Connection]


class Mender:
    """`run` looks and salvages for ever; `mend` is called by the disk.

    `committed` are the counters on disk, kept by the store; `reopened` is called
    once a fresh file is in use.
    """

    def __init__(
        self,
        place: Place,
        disk: Disk,
        writer: Writer,
        opened: Opened,
        *,
        clock: Clock,
        committed: Counter[str],
        reopened: Callable[[], None],
    ) -> None:
        self._place = place
        self._disk = disk
        self._writer = writer
        self._clock = clock
        self._committed = committed
        self._reopened = reopened
        self._epoch = opened.epoch
        self._patrol = Patrol(place.path)
        self._thread = background_thread()
        self._stuck = ""
        self._salvaging = 0.0
        self.tags: dict[int, Tag] = {}
        self.held = opened.held
        """The outbox must wait: rows of a wreck come before those of now."""
        self.news: list[Event] = []
        """What people should know of; who tells it empties the list."""
        disk.mend = self.mend
        if opened.wreck is not None:
            self._tell_wreck(opened.wreck, opened.damage)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the buffer now."""
        found = []
        if self._salvaging or self.held:
            done_pct = round(100 * self._salvaging)
            found.append(
                Diagnostic(
                    "salvage",
                    f"the buffer was damaged; {done_pct} % of it is gone through"
                    + (f", now waiting: {self._stuck}" if self._stuck else ""),
                    "nothing is to be done; look into why the disk lost data",
                    priority="low",
                )
            )
        return tuple(found)

    async def mend(self, damage: str) -> None:
        """Replace the file and go on. Raises sqlite3.Error, OSError, StoreOpenError."""
        log.error("the buffer is damaged (%s); a fresh one takes its place", damage)
        wrecks: list[Path] = []
        opened: list[Opened] = []

        def exchange(old: sqlite3.Connection) -> sqlite3.Connection:
            now_ns = self._clock.utc_ns()
            place = self._place

            def close() -> None:
                with suppress(sqlite3.Error):
                    old.close()

            with suppress(sqlite3.Error):
                # What reads the log later stops at its first broken frame; we do not.
                old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            memory = Memory(self._epoch, dict(self._committed), dict(self.tags))
            wreck = replace_damaged(
                place.path,
                now_ns=now_ns,
                connect=place.connect,
                memory=memory,
                close=close,
            )
            wrecks.append(wreck)
            connection, found = open_and_begin(
                place.path, place.quota_bytes, place.connect, now_ns
            )
            opened.append(found)
            return connection

        await self._writer.exchange(exchange)
        self._committed.clear()
        self._committed.update(opened[-1].counters)
        self.held = opened[-1].held
        self._patrol.again()
        self._tell_wreck(wrecks[-1], damage)
        self._reopened()

    async def run(self) -> None:
        """Salvage what is owed, and look for damage, for ever."""
        rounds = 0
        while True:
            rested = self._patrol.rounds > rounds and not self.held
            rounds = self._patrol.rounds
            await self._clock.sleep(REST_S if rested else LOOK_S)
            try:
                if not await self.salvage():
                    await self.look()
            except StoreUnavailableError as error:
                self._stuck = str(error)
            else:
                self._stuck = ""

    async def look(self) -> None:
        """Check the next rows of the file. Raises StoreUnavailableError."""
        generation = self._disk.generation
        damage = await self._aside(self._patrol.walk)
        if damage:
            await self._disk.condemn(damage, generation)

    async def salvage(self) -> bool:
        """Bring over all that wrecks owe; say whether there was anything.

        Raises:
            StoreUnavailableError: The disk refused; it goes on there the next time.
        """
        worked = False
        while owing := await self._disk.ask(debts):
            worked = True
            await self._salvage_some(owing[0])
        self.held, self._salvaging = False, 0.0
        return worked

    def close(self) -> None:
        """Let go of the thread; what it does is bounded."""
        self._thread.shutdown()

    async def _salvage_some(self, debt: Debt) -> None:
        generation = self._disk.generation
        limit = min(_STEP_BYTES, self._place.quota_bytes // _STEP_PART)
        wreck = self._place.path.with_name(debt.file)
        found = await self._aside(partial(read_portion, wreck, debt, limit_bytes=limit))
        for problem in found.problems:
            log.warning("salvage of %s: %s", debt.file, problem)
        work = partial(merge, debt=debt, found=found)
        await self._disk.change(work, self._committed.update, generation=generation)
        owing = await self._disk.ask(debts)
        self.held = any(each.stage < HELD_STAGES for each in owing)
        self._salvaging = (debt.stage + 1) / len(STAGES)
        if all(each.file != debt.file for each in owing):
            self._tell_end(debt)
            owed = frozenset(each.file for each in owing)
            await self._aside(partial(self._thin_out, owed))

    def _thin_out(self, owing: frozenset[str]) -> None:
        try:
            gone = thin_out(self._place.path, owing)
        except OSError as error:
            log.warning("old wrecks stay: %s", error)
            return
        for wreck in gone:
            self._tell(
                "buffer_wreck_removed", f"{wreck.name} was salvaged, and removed"
            )

    async def _aside(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _tell_wreck(self, wreck: Path, damage: str) -> None:
        self._tell(
            "buffer_damaged",
            f"the buffer was damaged ({damage}) and is kept as {wreck.name};"
            " a fresh one is in use, what can be read comes into it",
            file=wreck.name,
        )

    def _tell_end(self, debt: Debt) -> None:
        owed = debt.owed
        lost = owed.samples + sum(owed.rows.values())
        self._tell(
            "buffer_salvaged",
            f"{owed.merged} records were salvaged from {debt.file}; {lost} are lost,"
            f" and declared; {owed.problems} places could not be read",
            file=debt.file,
            merged=owed.merged,
            lost=lost,
        )

    def _tell(self, name: str, message: str, **details: str | int) -> None:
        log.warning("%s", message)
        if len(self.news) < _NEWS_MAX:
            self.news.append(
                Event(
                    EventKind.SYSTEM,
                    name,
                    self._clock.utc_ns(),
                    message,
                    details=details,
                )
            )
