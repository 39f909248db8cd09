"""The writer, with its health: a disk that refuses is a state, not a crash."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from appliance.domain.diagnostic import Diagnostic
from appliance.storage.connection import (
    SQLITE_ERRORS,
    StoreOpenError,
    StoreUnavailableError,
    Writer,
    is_damage,
    transaction,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class Disk:
    """Every method raises StoreUnavailableError where SQLite or the disk refuses.

    A file that SQLite calls damaged is replaced by `mend` at once, before anything
    else is done; until that succeeds nothing is. `generation` counts the files.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._turn = asyncio.Lock()
        self.mend: Callable[[str], Awaitable[None]] | None = None
        """Replaces a damaged file. Raises sqlite3.Error, OSError, StoreOpenError."""
        self.generation = 0  # who mends counts it, once the fresh file is in use
        self.damage = ""
        """What is wrong with the file; empty while it is whole, or replaced."""
        self.last_error = ""
        """Why the last write failed; empty while all is well."""

    def diagnostics(self, waiting: int) -> tuple[Diagnostic, ...]:
        """Say that it refuses, while it does; so many samples are `waiting` for it."""
        if not self.last_error:
            return ()
        refusal = Diagnostic(
            "disk",
            f"nothing can be recorded ({self.last_error}); {waiting} samples, the"
            " newest, wait in memory",
            "make room on the disk, or mount it for writing; recording goes on by"
            " itself",
            priority="high",
        )
        return (refusal,)

    async def ask(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Return what is read, or done outside a transaction, on the thread."""
        return await self._run(work)

    async def change(
        self,
        work: Callable[[sqlite3.Connection], _Result],
        settle: Callable[[_Result], None] | None = None,
        *,
        undo: Callable[[], None] | None = None,
        generation: int | None = None,
    ) -> _Result:
        """Do `work` in one transaction and return its result.

        Exactly one of `settle` (committed) and `undo` (not) is called, even when
        the caller is cancelled meanwhile. With a `generation`, only in that file.
        """

        def whole(connection: sqlite3.Connection) -> _Result:
            with transaction(connection):
                return work(connection)

        def settled(future: asyncio.Future[_Result]) -> None:
            if future.exception() is None:
                if settle is not None:
                    settle(future.result())
            elif undo is not None:
                undo()

        return await self._run(whole, settled, undo=undo, generation=generation)

    async def condemn(self, damage: str, generation: int) -> None:
        """Have a file replaced that somebody found to be damaged."""
        async with self._turn:
            if generation == self.generation:
                self.damage = damage
                await self._mend()

    def works(self) -> None:
        """Note that a commit succeeded."""
        if self.last_error:
            log.info("the buffer can be written again")
            self.last_error = ""

    async def _run(
        self,
        work: Callable[[sqlite3.Connection], _Result],
        settled: Callable[[asyncio.Future[_Result]], None] | None = None,
        *,
        undo: Callable[[], None] | None = None,
        generation: int | None = None,
    ) -> _Result:
        begun = False
        try:
            async with self._turn:
                if self.damage:
                    await self._mend()
                if generation not in {None, self.generation}:
                    raise StoreUnavailableError("the buffer is another file now")
                begun = True
                return await self._attempt(work, settled)
        finally:
            if not begun and undo is not None:
                undo()

    async def _attempt(
        self,
        work: Callable[[sqlite3.Connection], _Result],
        settled: Callable[[asyncio.Future[_Result]], None] | None,
    ) -> _Result:
        try:
            return await self._writer.run(work, settled)
        except (*SQLITE_ERRORS, OSError) as error:
            if is_damage(error) and self.mend is not None:
                self.damage = str(error)
                await self._mend()
                reason = "it is to be done again in the fresh buffer"
                raise StoreUnavailableError(reason) from error
            raise self._refusal(error) from error

    async def _mend(self) -> None:
        assert self.mend is not None, "only then is anything called damaged"
        try:
            await self.mend(self.damage)
        except (*SQLITE_ERRORS, OSError, StoreOpenError) as error:
            raise self._refusal(error) from error
        self.damage = ""

    def _refusal(self, error: Exception) -> StoreUnavailableError:
        if not self.last_error:
            log.error("the buffer cannot be written: %s", error)
        self.last_error = f"{type(error).__name__}: {error}"
        return StoreUnavailableError(self.last_error)


class SameFile:
    """A disk for work in several steps: it ends when the file is replaced."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._generation = disk.generation

    async def ask(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """See `Disk.ask`."""
        found = await self._disk.ask(work)
        if self._generation != self._disk.generation:
            raise StoreUnavailableError("the buffer is another file now")
        return found

    async def change(
        self,
        work: Callable[[sqlite3.Connection], _Result],
        settle: Callable[[_Result], None] | None = None,
    ) -> _Result:
        """See `Disk.change`."""
        return await self._disk.change(work, settle, generation=self._generation)
