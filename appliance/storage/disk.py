"""The writer, with its health: a disk that refuses is a state, not a crash."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, TypeVar

from appliance.storage.connection import StoreUnavailableError, Writer, transaction

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


class Disk:
    """Every method raises StoreUnavailableError where SQLite or the disk refuses."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.last_error = ""
        """Why the last write failed; empty while all is well."""

    async def ask(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Return what is read, or done outside a transaction, on the thread."""
        return await self._run(work)

    async def change(
        self,
        work: Callable[[sqlite3.Connection], _Result],
        settle: Callable[[_Result], None] | None = None,
        *,
        undo: Callable[[], None] | None = None,
    ) -> _Result:
        """Do `work` in one transaction and return its result.

        Exactly one of `settle` (committed) and `undo` (not) is called, even when
        the caller is cancelled meanwhile.
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

        return await self._run(whole, settled)

    def works(self) -> None:
        """Note that a commit succeeded."""
        if self.last_error:
            log.info("the buffer can be written again")
            self.last_error = ""

    async def _run(
        self,
        work: Callable[[sqlite3.Connection], _Result],
        settled: Callable[[asyncio.Future[_Result]], None] | None = None,
    ) -> _Result:
        try:
            return await self._writer.run(work, settled)
        except (sqlite3.Error, OSError) as error:
            if not self.last_error:
                log.error("the buffer cannot be written: %s", error)  # noqa: TRY400 - once; a trace says nothing more
            self.last_error = f"{type(error).__name__}: {error}"
            raise StoreUnavailableError(self.last_error) from error
