"""Verify a buffer, and salvage a damaged one: nothing is deleted, losses are said.

`verify` reads beside a running hub. `salvage` needs the hub stopped; a running hub does
the same by itself (`mending`) as soon as it meets the damage.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from appliance.storage.audit import audit
from appliance.storage.cipher import connect_keyed, key_to_read
from appliance.storage.connection import (
    SQLITE_ERRORS,
    StoreOpenError,
    configure,
    connect,
    transaction,
    writing_alone,
)
from appliance.storage.debts import Debt, debts
from appliance.storage.finds import read_portion
from appliance.storage.fresh import complete, replace_damaged
from appliance.storage.reading import connect_to_read
from appliance.storage.rescue import merge

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.storage.cipher import Key

_STEP_BYTES = 1024 * 1024
_QUOTA_BYTES = 2**40  # retention, not the rescue, brings it under its quota


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What a salvage did: where the damaged file is, records by table, problems."""

    quarantined: Path
    copied: dict[str, int]
    problems: tuple[str, ...]
    lost: int


def verify(path: Path) -> tuple[str, ...]:
    """Return every problem of a buffer, as sentences; none means it is whole.

    Raises:
        StoreOpenError: There is no such file, or its key is not to be had.
    """
    if not path.is_file():
        raise StoreOpenError(f"{path}: there is no such buffer")
    try:
        with closing(connect_to_read(path)) as connection:
            connection.execute("BEGIN")
            return (*audit(connection), *_owing(connection))
    except SQLITE_ERRORS as error:
        return (f"SQLite cannot read it: {error}",)


def salvage(path: Path, *, now_ns: int) -> Salvaged:
    """Move the buffer aside and bring what can be read into a new one.

    The acquisition's interval of uncertainty is declared when the new one is opened.
    A salvage that was cut short goes on, here or in the hub.

    Raises:
        StoreOpenError: A hub still writes it, or there is no such file.
        OSError: The disk refused; the damaged file is still there.
    """
    with writing_alone(path):
        complete(path)
        if not path.is_file():
            raise StoreOpenError(f"{path}: there is no such buffer")
        key = key_to_read(path)
        opening = connect if key is None else partial(_keyed, key=key)
        wreck = replace_damaged(path, now_ns=now_ns, connect=opening)
        with closing(opening(path)) as connection:
            configure(connection, _QUOTA_BYTES)
            done = _salvage_all(connection, path, wreck)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return done


def _salvage_all(connection: sqlite3.Connection, path: Path, wreck: Path) -> Salvaged:
    copied: dict[str, int] = {}
    problems: list[str] = []
    lost = 0
    for debt in _debts(connection):
        place = path.with_name(debt.file)
        before = debt.owed.merged
        found = read_portion(place, debt, limit_bytes=_STEP_BYTES)
        with transaction(connection):
            merge(connection, debt, found)
        merged = debt.owed.merged - before
        copied[debt.table] = copied.get(debt.table, 0) + merged
        problems += found.problems
        lost = debt.owed.samples + sum(debt.owed.rows.values())
    return Salvaged(wreck, copied, tuple(problems), lost)


def _debts(connection: sqlite3.Connection) -> Iterator[Debt]:
    while owing := debts(connection):
        yield owing[0]


def _owing(connection: sqlite3.Connection) -> Iterator[str]:
    for debt in debts(connection):
        yield f"{debt.file} is not salvaged to its end: {debt.table} is being read"


def _keyed(path: Path, key: Key) -> sqlite3.Connection:
    return connect_keyed(str(path), key)
