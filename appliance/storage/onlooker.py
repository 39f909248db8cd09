"""Reads the file beside its writer, so that a slow fsync holds up no screen."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

import aiosqlite

from appliance.storage.clock import (
    OFFSETS_SQL,
    corrected_columns,
    offsets_of,
    stamped_spans,
)
from appliance.storage.connection import (
    StoreOpenError,
    StoreUnavailableError,
    is_damage,
)
from appliance.storage.history import (
    BLOCKS_SQL,
    ROWS_SQL,
    assemble,
    history_of,
    statement_for,
)
from appliance.storage.reading import connect_to_read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from appliance.storage.chunks import Columns
    from appliance.storage.disk import Disk
    from appliance.storage.history import History

_FETCHED_ROWS = 64


class Onlooker:
    """A connection of its own; it is opened with the first question to each file.

    Raises StoreUnavailableError where it cannot be read; damage is told to the disk.
    """

    def __init__(self, path: Path, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._reader: aiosqlite.Connection | None = None
        self._generation = 0
        self._opens = asyncio.Lock()

    async def fetch(
        self, sql: str, parameters: Mapping[str, int]
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        generation = self._disk.generation
        try:
            reader = await self._reading()
            rows = await reader.execute_fetchall(sql, parameters)
        except (sqlite3.Error, StoreOpenError, ValueError) as error:
            # ValueError: closed meanwhile, for the file was replaced
            if is_damage(error):
                await self._disk.condemn(str(error), generation)
            raise StoreUnavailableError(str(error)) from error
        return [tuple(row) for row in rows]

    async def history(
        self, tag: int, from_ns: int, to_ns: int, *, points: int
    ) -> History:
        """Return a tag's committed rows (see `BufferStore.history`)."""
        offsets = offsets_of(await self.fetch(OFFSETS_SQL, {}))
        parts, damaged = [], 0
        for low, high in stamped_spans(from_ns, to_ns, offsets):
            columns, broken = await self._assembled(tag, low, high, points=points)
            parts.append(columns)
            damaged += broken
        whole = corrected_columns(parts, offsets, from_ns=from_ns, to_ns=to_ns)
        return history_of(whole, points, damaged)

    async def close(self) -> None:
        """Let the file go."""
        if self._reader is not None:
            await self._reader.close()
            self._reader = None

    async def _reading(self) -> aiosqlite.Connection:
        """Return the connection that reads the file of now. Raises sqlite3.Error."""
        async with self._opens:
            if self._reader is None or self._generation != self._disk.generation:
                await self.close()
                self._generation = self._disk.generation
                self._reader = await aiosqlite.Connection(
                    partial(connect_to_read, self._path, shared=True),
                    _FETCHED_ROWS,
                )
            return self._reader

    async def _assembled(
        self, tag: int, from_ns: int, to_ns: int, *, points: int
    ) -> tuple[Columns, int]:
        """Return the rows stamped in [from_ns, to_ns], and how many blocks are bad."""
        span = {"tag": tag, "from": from_ns, "to": to_ns}
        ((rows,),) = await self.fetch(ROWS_SQL, span)
        for statement in dict.fromkeys((statement_for(rows, points), BLOCKS_SQL)):
            blocks = await self.fetch(statement, span)
            work = partial(assemble, blocks, tag, from_ns=from_ns, to_ns=to_ns)
            columns, damaged = await asyncio.to_thread(work)
            if not damaged:
                break
        return columns, damaged
