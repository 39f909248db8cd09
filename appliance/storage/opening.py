"""What happens at the opening: settings, schema, and the word on how it ended last."""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from appliance.domain.event import Gap
from appliance.storage.connection import (
    SQLITE_ERRORS,
    StoreOpenError,
    Writer,
    configure,
    connect,
    is_damage,
    limit_pages,
    transaction,
)
from appliance.storage.debts import HELD_STAGES, debts
from appliance.storage.derived import derive
from appliance.storage.fresh import complete, replace_damaged
from appliance.storage.migrations import migrate, shipped
from appliance.storage.patrol import CHECKED_BYTES
from appliance.storage.records import (
    ACQUISITION,
    add_counters,
    insert_gap,
    mark,
    open_meta,
    read_counters,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from appliance.domain.ports import Clock

_TABLES_SQL = "SELECT name FROM sqlite_schema WHERE type = 'table'"
SHUTDOWN_REASON = "the last run was not shut down"


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found in the file; `wreck` is what lay there, if it was damaged."""

    epoch: str
    counters: dict[str, int]
    held: bool = False
    """A wreck still owes rows of the outbox."""
    wreck: Path | None = None
    damage: str = ""


@asynccontextmanager
async def open_writer(
    path: Path,
    quota_bytes: int,
    connect: Callable[[Path], sqlite3.Connection],
    *,
    clock: Clock,
) -> AsyncIterator[tuple[Writer, Opened]]:
    """Open the file on the writer's thread, and say what was found (`open_whole`)."""
    found: list[Opened] = []

    def opening() -> sqlite3.Connection:
        now_ns = clock.utc_ns()
        connection, opened = open_whole(path, quota_bytes, connect, now_ns)
        found.append(opened)
        return connection

    writer = Writer(opening)
    try:
        await writer.open()
        yield writer, found[-1]
    finally:
        await writer.close()


def open_whole(
    path: Path,
    quota_bytes: int,
    connect: Callable[[Path], sqlite3.Connection],
    now_ns: int,
) -> tuple[sqlite3.Connection, Opened]:
    """Open the file for writing; a damaged one is set aside, and a fresh one opened.

    Raises:
        StoreOpenError: Durability is not to be had, a newer release wrote it, or the
            disk refused.
    """
    try:
        complete(path)
        try:
            return open_and_begin(path, quota_bytes, connect, now_ns)
        except StoreOpenError as error:
            if error.__cause__ is None or not is_damage(error.__cause__):
                raise
            damage = str(error.__cause__)
        wreck = replace_damaged(path, now_ns=now_ns, connect=connect)
    except (*SQLITE_ERRORS, OSError) as error:
        raise StoreOpenError(
            f"{path} is damaged, and no other can be made: {error}"
        ) from error
    connection, opened = open_and_begin(path, quota_bytes, connect, now_ns)
    return connection, replace(opened, wreck=wreck, damage=damage)


def open_and_begin(
    path: Path,
    quota_bytes: int,
    connect: Callable[[Path], sqlite3.Connection],
    now_ns: int,
) -> tuple[sqlite3.Connection, Opened]:
    """Open the file as it is. Raises StoreOpenError."""
    if path.is_file() and path.stat().st_size == 0:
        raise _damaged(path, "it is empty")  # a new buffer has no file at all
    connection = open_connection(path, quota_bytes, connect)
    try:
        opened = begin(connection, path, now_ns, connect=connect)
        _probe(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection, opened


def open_connection(
    path: Path, quota_bytes: int, connect: Callable[[Path], sqlite3.Connection]
) -> sqlite3.Connection:
    """Open the file for writing.

    Raises:
        StoreOpenError: It is not a database, or durability is not to be had.
    """
    try:
        connection = connect(path)
    except SQLITE_ERRORS as error:
        raise StoreOpenError(f"{path}: {error}") from error
    try:
        configure(connection, quota_bytes)
        limit_pages(connection, quota_bytes)
    except SQLITE_ERRORS as error:
        connection.close()
        raise StoreOpenError(f"{path}: {error}; run `buffer verify`") from error
    except StoreOpenError:
        connection.close()
        raise
    return connection


def begin(
    connection: sqlite3.Connection,
    path: Path,
    now_ns: int,
    *,
    connect: Callable[[Path], sqlite3.Connection] = connect,
) -> Opened:
    """Migrate, and declare once what a kill or a power failure lost.

    Raises:
        StoreOpenError: A newer release wrote it, or it cannot be read or written.
    """
    try:
        migrate(connection, path, migrations=shipped(), now_ns=now_ns, connect=connect)
        with transaction(connection):
            return _begun(connection, now_ns)
    except SQLITE_ERRORS as error:
        raise StoreOpenError(f"{path}: {error}; run `buffer verify`") from error


def _probe(connection: sqlite3.Connection, path: Path) -> None:
    """Look at the ends of every table, and at all of a small file."""
    verdict = "ok"
    try:
        for (table,) in connection.execute(_TABLES_SQL).fetchall():
            for order in ("ASC", "DESC"):
                connection.execute(
                    f"SELECT * FROM {table} ORDER BY rowid {order} LIMIT 1"  # noqa: S608 - names of ours
                ).fetchall()
        if path.stat().st_size <= CHECKED_BYTES:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except SQLITE_ERRORS as error:
        raise StoreOpenError(f"{path}: {error}; run `buffer verify`") from error
    if verdict != "ok":
        raise _damaged(path, verdict)


def _damaged(path: Path, why: str) -> StoreOpenError:
    cause = sqlite3.DatabaseError(why)
    cause.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    error = StoreOpenError(f"{path}: {why}")
    error.__cause__ = cause
    return error


def _begun(connection: sqlite3.Connection, now_ns: int) -> Opened:
    derive(connection)
    meta = open_meta(connection, now_ns)
    if not meta.clean_shutdown:
        gap = Gap(
            what=ACQUISITION,
            reason=SHUTDOWN_REASON,
            from_ns=min(meta.last_commit_ns, now_ns),
            to_ns=max(meta.last_commit_ns, now_ns),
            count=-1,
        )
        add_counters(connection, insert_gap(connection, gap))
    mark(connection, now_ns, clean_shutdown=False)
    held = any(debt.stage < HELD_STAGES for debt in debts(connection))
    return Opened(meta.epoch, read_counters(connection), held)
