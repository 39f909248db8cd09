"""A recorded table as a source: its rows appear as they once did, then it ends."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from appliance.domain.batch import bad_batch
from appliance.domain.ports import SourceUnavailableError
from connectors.replay.cells import find_time_column
from connectors.replay.rows import Columns
from connectors.replay.table import TableError, open_table

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from appliance.domain.batch import Batch
    from appliance.domain.ports import Clock
    from appliance.domain.tag import TagId
    from connectors.replay.config import ReplaySettings
    from connectors.replay.rows import Moment
    from connectors.replay.table import Table

log = logging.getLogger(__name__)

_PORTION = 500
"""Rows read from disk at once, and rows of the largest batch."""
_STATUS_BAD_NODE_ID_UNKNOWN = 0x8034_0000


class ReplaySource:
    """Yields the rows of a file at the pace they were recorded, once.

    The file is read piece by piece. After its last row the iterator ends: nothing
    was lost. Rows that fall due together make one batch.
    """

    def __init__(self, settings: ReplaySettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._tags = settings.tag_table()

    @property
    def name(self) -> str:
        """Name used in logs, metrics and the configuration."""
        return self._settings.name

    @property
    def groups(self) -> Mapping[str, Sequence[TagId]]:
        """All tags in one group, `source.rows`."""
        return {self._group: [tag.id for tag in self._tags]}

    @asynccontextmanager
    async def open(
        self, numbers: Mapping[TagId, int]
    ) -> AsyncIterator[AsyncIterator[Batch]]:
        """Open the file, and yield batches to its end.

        Raises:
            SourceUnavailableError: It cannot be read, or has no time column.
        """
        try:
            table = await asyncio.to_thread(open_table, self._settings)
        except TableError as error:
            raise SourceUnavailableError(str(error)) from error
        try:
            async with aclosing(self._run(table, numbers)) as batches:
                yield batches
        finally:
            await asyncio.to_thread(table.close)

    async def _run(
        self, table: Table, numbers: Mapping[TagId, int]
    ) -> AsyncGenerator[Batch, None]:
        rows = await self._rows(table)
        columns, missing = self._columns(table, rows, numbers)
        if missing:
            log.warning("source %s: no column for %s", self.name, ", ".join(missing))
            yield bad_batch(
                [numbers[tag] for tag in missing],
                _STATUS_BAD_NODE_ID_UNKNOWN,
                time_ns=self._clock.utc_ns(),
                group=self._group,
            )
        pace = _Pace(self._settings, self._clock)
        while rows:
            waiting: list[Moment] = []
            for moment in columns.moments(rows):
                if waiting and pace.due_in_s(moment) > 0:
                    yield self._batch(columns, waiting, pace)
                    waiting = []
                await pace.wait_for(moment)
                waiting.append(moment)
            if waiting:
                yield self._batch(columns, waiting, pace)
            rows = await self._rows(table)
        log.info("source %s: replayed to the end", self.name)
        if columns.unreadable:
            log.warning("source %s: %d rows had no time", self.name, columns.unreadable)

    async def _rows(self, table: Table) -> list[Sequence[object]]:
        try:
            return await asyncio.to_thread(table.rows, _PORTION)
        except TableError as error:
            raise SourceUnavailableError(f"{self._settings.file}: {error}") from error

    def _columns(
        self,
        table: Table,
        rows: Sequence[Sequence[object]],
        numbers: Mapping[TagId, int],
    ) -> tuple[Columns, list[TagId]]:
        """Return where everything stands, and the tags that stand nowhere."""
        settings, header = self._settings, [name.strip() for name in table.header]
        wanted = zip(self._tags, settings.tags, strict=True)
        at = {tag: header.index(s.column) for tag, s in wanted if s.column in header}
        if not at:
            raise SourceUnavailableError(
                f"{settings.file}: has none of the tags' columns; it has: "
                + ", ".join(header)
            )
        columns = Columns(
            tuple(at),
            [numbers[tag.id] for tag in at],
            tuple(at.values()),
            time_at=self._time_at(header, rows),
            time_format=settings.time_format,
            decimal_comma=table.decimal_comma,
        )
        return columns, [tag.id for tag in self._tags if tag not in at]

    def _time_at(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> int:
        settings = self._settings
        if settings.time_column is not None and settings.time_column in header:
            return header.index(settings.time_column)
        first = rows[0] if rows else ()
        found = find_time_column(header, first, settings.time_format)
        if settings.time_column is not None or found is None:
            raise SourceUnavailableError(
                f"{settings.file}: no time column in {', '.join(header)!r}; "
                "set time_column (and time_format)"
            )
        return found

    def _batch(self, columns: Columns, moments: Sequence[Moment], pace: _Pace) -> Batch:
        return columns.batch(
            moments,
            shift_ns=pace.shift_ns,
            group=self._group,
            receive_ns=self._clock.utc_ns(),
        )

    @property
    def _group(self) -> str:
        return f"{self.name}.rows"


class _Pace:
    """When a recorded moment is due again."""

    def __init__(self, settings: ReplaySettings, clock: Clock) -> None:
        self.shift_ns = 0
        self._settings = settings
        self._clock = clock
        self._begin: tuple[int, float] | None = None

    def due_in_s(self, moment: Moment) -> float:
        """Return how long until the moment is due; negative when it is overdue."""
        if self._settings.speed == "fastest":
            return 0.0
        first_ns, began_s = self._began(moment)
        due_s = began_s + (moment.time_ns - first_ns) / 1e9 / self._settings.speed
        return due_s - self._clock.now_s()

    async def wait_for(self, moment: Moment) -> None:
        """Sleep until the moment is due."""
        self._began(moment)
        left_s = self.due_in_s(moment)
        if left_s > 0:
            await self._clock.sleep(left_s)

    def _began(self, moment: Moment) -> tuple[int, float]:
        if self._begin is None:
            self._begin = (moment.time_ns, self._clock.now_s())
            if self._settings.times == "shifted":
                self.shift_ns = self._clock.utc_ns() - moment.time_ns
        return self._begin
