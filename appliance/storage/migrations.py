"""Numbered, forward-only migrations; an existing database is backed up before."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from appliance.runtime.files import sync_folder
from appliance.storage.connection import StoreOpenError, connect, transaction
from appliance.storage.quarantine import remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_SPARE_BYTES = 16 * 1024 * 1024
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_ns INTEGER NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    script: str


def shipped() -> tuple[Migration, ...]:
    """Return the migrations of this release, in order."""
    folder = files("appliance.storage.schema")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
    return tuple(
        Migration(int(name[:4]), name.removesuffix(".sql"), (folder / name).read_text())
        for name in names
    )


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    *,
    migrations: Sequence[Migration],
    now_ns: int,
    connect: Callable[[Path], sqlite3.Connection] = connect,
) -> int:
    """Bring the database to the newest version, whole or not at all; return it.

    All steps are one transaction, so a power failure leaves the old version, whole;
    the next start does it again. `connect` opens the backup.

    Raises:
        StoreOpenError: It was written by a newer release, or there is no room for
            the backup; nothing was changed.
        sqlite3.Error: A step failed; the database is as it was.
    """
    version = version_of(connection)
    newest = migrations[-1].version
    if version > newest:
        raise StoreOpenError(
            f"{path}: schema {version} is newer than this release's {newest}; "
            "install the release that wrote it, or restore the backup"
            f" {path.name}.v{newest}.bak that it made"
        )
    if version == newest:
        return version
    if version:
        target = path.with_name(f"{path.name}.v{version}.bak")
        _need_room(connection, target)
        back_up(connection, target, connect=connect)
    with transaction(connection):
        connection.execute(_LEDGER)
        for each in migrations:
            if each.version > version:
                _apply(connection, each, now_ns)
    return newest


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the schema; 0 of an empty database."""
    found = connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE name = 'schema'"
    ).fetchone()
    if found is None:
        return 0
    (version,) = connection.execute(
        "SELECT coalesce(max(version), 0) FROM schema"
    ).fetchone()
    return int(version)


def back_up(
    connection: sqlite3.Connection,
    target: Path,
    *,
    connect: Callable[[Path], sqlite3.Connection] = connect,
) -> None:
    """Copy the database, with what still lies in its WAL; it appears whole.

    Raises:
        StoreOpenError: The copy could not be written; nothing was changed.
    """
    temporary = target.with_name(f".{target.name}.tmp")
    remove(temporary)
    try:
        with closing(connect(temporary)) as copy:
            copy.execute("PRAGMA synchronous=FULL")
            connection.backup(copy)
        temporary.replace(target)
        sync_folder(target.parent)
    except (sqlite3.Error, OSError) as error:
        remove(temporary)
        raise StoreOpenError(
            f"the backup {target} could not be written, nothing was migrated: {error}"
        ) from error


def _need_room(connection: sqlite3.Connection, target: Path) -> None:
    """The backup, and what the migration writes to the log, must fit on the disk."""
    pages, page_bytes = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "page_size")
    )
    need_bytes = pages * page_bytes + _SPARE_BYTES
    free_bytes = shutil.disk_usage(target.parent).free
    if free_bytes < need_bytes:
        raise StoreOpenError(
            f"{target.parent}: {free_bytes // 10**6} MB are free, but the backup before"
            f" the migration needs {need_bytes // 10**6} MB; make room, or move"
            " older .bak files away"
        )


def statements(script: str) -> Iterator[str]:
    """Yield the statements of a script: `executescript` would commit between them."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _apply(connection: sqlite3.Connection, step: Migration, now_ns: int) -> None:
    for statement in statements(step.script):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO schema VALUES (?, ?, ?)", (step.version, step.name, now_ns)
    )
