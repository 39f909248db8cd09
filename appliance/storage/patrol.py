"""A light walk over the whole file, again and again: damage is found before it is met.

Every step reads a few rows beside the writer, on a thread of low priority, and checks
the seal of each block and the form of each row.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

from appliance.storage.connection import StoreOpenError, is_damage
from appliance.storage.reading import connect_to_read
from appliance.storage.rescue import STAGES, is_whole
from appliance.storage.wreck import FIRST

if TYPE_CHECKING:
    from pathlib import Path

STEP_BYTES = 512 * 1024
_STEP_ROWS = 200
_NICE = 10
TABLES = (*STAGES, "times", "preview", "gap", "tag", "counter")


def background_thread() -> ThreadPoolExecutor:
    """Return a thread that leaves the processor to all others."""
    return ThreadPoolExecutor(
        1, thread_name_prefix="buffer.background", initializer=_step_back
    )


def _step_back() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


class Patrol:
    """Where the walk is. `step` belongs on the background thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._table = 0
        self._at = FIRST
        self.rounds = 0
        """How often the whole file was seen."""

    def again(self) -> None:
        """Begin anew: it is another file now."""
        self._table, self._at = 0, FIRST

    def step(self) -> str:
        """Look at the next rows; return what is damaged, or nothing."""
        table = TABLES[self._table]
        try:
            with closing(connect_to_read(self._path)) as connection:
                return self._look(connection, table)
        except sqlite3.Error as error:
            return f"{table}: {error}" if is_damage(error) else ""
        except (StoreOpenError, OSError):
            return ""  # whoever writes will meet it, and knows what to say

    def _look(self, connection: sqlite3.Connection, table: str) -> str:
        weight, seen = 0, False
        for row in connection.execute(
            f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT ?",  # noqa: S608 - names of ours
            (self._at, _STEP_ROWS),
        ):
            if not is_whole(table, row[1:]):
                return f"{table} {row[0]} is damaged"
            self._at, seen = row[0], True
            weight += sum(len(each) for each in row if isinstance(each, bytes))
            if weight >= STEP_BYTES:
                break
        if not seen:
            self._at = FIRST
            self._table = (self._table + 1) % len(TABLES)
            self.rounds += self._table == 0
        return ""
