"""A light walk over the whole file, again and again: damage is found before it is met.

Every step reads a few rows beside the writer, on a thread of low priority, and checks
the seal of each block and the form of each row.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from appliance.storage.connection import SQLITE_ERRORS, StoreOpenError, is_damage
from appliance.storage.finds import is_whole
from appliance.storage.reading import connect_to_read
from appliance.storage.wreck import FIRST

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

STEP_BYTES = 512 * 1024
_STEP_ROWS = 200
_STEPS_MAX = 100
_ROW_BYTES = 32
_STEP_ENTRIES = 2000
_NICE = 10
CHECKED_BYTES = 32 * 1024 * 1024
"""Files up to this are checked by SQLite as a whole."""


def background_thread() -> ThreadPoolExecutor:
    """Return a thread that leaves the processor to all others."""
    return ThreadPoolExecutor(
        1, thread_name_prefix="buffer.background", initializer=_step_back
    )


def _step_back() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


class Patrol:
    """Where the walk is: every table, then every index. For the background thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rounds = 0
        """How often the whole file was seen."""
        self._weight = 0
        self.again()

    def again(self) -> None:
        """Begin anew: it may be another file now."""
        self._walks: list[_Walk] = []

    def walk(self) -> str:
        """Look at the next `STEP_BYTES` or so; return what is damaged, or nothing."""
        self._weight, rounds = 0, self.rounds
        for _ in range(_STEPS_MAX):
            damage = self.step()
            if damage or self.rounds > rounds or self._weight >= STEP_BYTES:
                return damage
        return ""

    def step(self) -> str:
        """Look at the next rows of one table or index; return what is damaged."""
        try:
            with closing(connect_to_read(self._path)) as connection:
                if not self._walks:
                    self._walks = list(_walks(connection))
                return self._look(connection, self._walks[0])
        except SQLITE_ERRORS as error:
            return str(error) if is_damage(error) else ""
        except (StoreOpenError, OSError):
            return ""  # whoever writes will meet it, and knows what to say

    def _look(self, connection: sqlite3.Connection, walk: _Walk) -> str:
        before = walk.at
        for row in connection.execute(walk.sql, walk.at):
            at = row[: len(walk.at)]
            walk.at = at
            if not walk.index and not is_whole(walk.name, row[1:]):
                return f"{walk.name} {row[0]} is damaged"
            self._weight += _ROW_BYTES
            self._weight += sum(len(each) for each in row if isinstance(each, bytes))
            if self._weight >= STEP_BYTES:
                break
        if walk.at != before:
            return ""
        del self._walks[0]
        self.rounds += not self._walks
        return "" if self._walks else self._look_at_all(connection)

    def _look_at_all(self, connection: sqlite3.Connection) -> str:
        """A small file is looked at whole too: what is free, what points where."""
        if self._path.stat().st_size > CHECKED_BYTES:
            return ""
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        return "" if verdict == "ok" else str(verdict)


@dataclass(slots=True)
class _Walk:
    """One table or index, in its own order, and up to where it was seen."""

    name: str
    sql: str
    at: tuple[Any, ...]
    index: bool = False


def _walks(connection: sqlite3.Connection) -> Iterator[_Walk]:
    for (table,) in connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table'"
    ).fetchall():
        sql = (
            f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid"  # noqa: S608 - names of ours
            f" LIMIT {_STEP_ROWS}"
        )
        yield _Walk(table, sql, (FIRST,))
    for index, table in connection.execute(
        "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index' AND sql NOT NULL"
    ).fetchall():
        found = connection.execute(f"PRAGMA index_info({index})").fetchall()
        columns = ", ".join([*(name for _, _, name in found), "rowid"])
        marks = ", ".join("?" * (len(found) + 1))
        sql = (
            f"SELECT {columns} FROM {table} INDEXED BY {index}"  # noqa: S608 - names from the schema
            f" WHERE ({columns}) > ({marks}) ORDER BY {columns} LIMIT {_STEP_ENTRIES}"
        )
        yield _Walk(index, sql, (*[FIRST] * len(found), FIRST), index=True)
