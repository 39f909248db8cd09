"""Reading a damaged buffer: every row that can be had, in bounded portions.

A table is read by its row numbers. Where a page is broken, the next number that can be
read is searched for (doubling, then halving), so one broken page costs its own rows.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.storage.connection import SQLITE_ERRORS
from appliance.storage.reading import connect_to_read

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

_ROWS = 500
_LAST = 2**62
FIRST = -(2**62)
"""Before the first row of a table."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Rows of a table, each with its number in front; `at` is how far it was read.

    `problem` says why the next rows were passed over; None at `at` ends the table.
    """

    rows: list[tuple[Any, ...]]
    at: int | None
    problem: str = ""


class Wreck:
    """A damaged file, opened for reading. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = _opened(path)
        self.tables = self._read_tables()

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def portion(self, table: str, at: int, *, limit_bytes: int) -> Portion:
        """Return the next rows beyond row `at`."""
        connection = self._connection
        if table not in self.tables or connection is None:
            return Portion([], None)
        rows: list[tuple[Any, ...]] = []
        weight, last = 0, at
        try:
            for row in self._select(table, at, _ROWS):
                if row[0] <= last:
                    return self._disordered(table, at, rows, row[0])
                rows.append(row)
                last = row[0]
                weight += sum(len(each) for each in row if isinstance(each, bytes))
                if weight >= limit_bytes:
                    break
        except SQLITE_ERRORS as error:
            # The library reads one row ahead: the one before the damage may be whole.
            rows = rows or self._next_row(table, at)
            if rows:
                return Portion(rows, rows[-1][0])
            return Portion([], self._beyond(table, at), f"{table}: {error}")
        return Portion(rows, last if rows else None)

    def _disordered(
        self, table: str, at: int, rows: list[tuple[Any, ...]], number: int
    ) -> Portion:
        """A row number is wrong: the one before `number`, which was too high."""
        kept = rows[:-1]
        reached = max([number - 1, *(row[0] for row in kept[-1:])])
        problem = f"{table}: rows out of order at {number}"
        if reached > at:
            return Portion(kept, reached, problem)
        return Portion(rows, self._beyond(table, rows[-1][0] if rows else at), problem)

    def every(self, table: str) -> Iterator[tuple[Any, ...]]:
        """Yield all rows of a small table that can be read, without their number."""
        at: int | None = FIRST
        while at is not None:
            portion = self.portion(table, at, limit_bytes=2**20)
            for row in portion.rows:
                yield row[1:]
            at = portion.at

    def one(self, sql: str, *parameters: object) -> tuple[Any, ...] | None:
        """Return the first row of a query; None where there is none, or it breaks."""
        if self._connection is None:
            return None
        try:
            row: tuple[Any, ...] | None = self._connection.execute(
                sql, parameters
            ).fetchone()
        except SQLITE_ERRORS:
            return None
        return row

    def _select(self, table: str, at: int, limit: int) -> sqlite3.Cursor:
        assert self._connection is not None, "open"
        return self._connection.execute(
            f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?",  # noqa: S608 - names from the schema
            (at, limit),
        )

    def _beyond(self, table: str, at: int) -> int | None:
        """Return the lowest row number beyond which a row can be read again."""
        step = 1
        while not self._reads(table, at + step):
            step *= 2
            if at + step > _LAST:
                return None
        low, high = at + step // 2, at + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._reads(table, middle) else (middle, high)
        return high

    def _next_row(self, table: str, at: int) -> list[tuple[Any, ...]]:
        try:
            rows = self._select(table, at, 1).fetchall()
        except SQLITE_ERRORS:
            return []
        return [row for row in rows if row[0] > at]

    def _reads(self, table: str, at: int) -> bool:
        """Whether there is a row beyond `at` to be read, or none at all."""
        try:
            rows = self._select(table, at, 1).fetchall()
        except SQLITE_ERRORS:
            return False
        return all(row[0] > at for row in rows)

    def _read_tables(self) -> frozenset[str]:
        if self._connection is None:
            return frozenset()
        try:
            rows = self._connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table'"
            ).fetchall()
        except SQLITE_ERRORS:
            return frozenset()
        return frozenset(row[0] for row in rows)


def _opened(path: Path) -> sqlite3.Connection | None:
    """Open it with its log; without, where the log is what breaks it."""
    for immutable in (False, True):
        try:
            connection = connect_to_read(path, shared=True, immutable=immutable)
        except SQLITE_ERRORS:
            continue
        try:
            # Lets SQLite open what is shorter than it should be, or has a bad entry.
            connection.execute("PRAGMA writable_schema=ON")
            with closing(connection.execute("SELECT name FROM sqlite_schema")) as found:
                found.fetchall()
        except SQLITE_ERRORS:
            connection.close()
            continue
        return connection
    return None
