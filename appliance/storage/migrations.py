"""Numbered, forward-only migrations; an existing database is backed up before."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from appliance.runtime.files import sync_folder
from appliance.storage.connection import StoreOpenError, transaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

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
) -> int:
    """Bring the database to the newest version, whole or not at all; return it.

    Raises:
        StoreOpenError: It was written by a newer release.
        sqlite3.Error: A step failed; the database is as it was.
    """
    version = version_of(connection)
    newest = migrations[-1].version
    if version > newest:
        raise StoreOpenError(
            f"{path}: schema {version} is newer than this release's {newest}; "
            "install the release that wrote it"
        )
    if version == newest:
        return version
    if version:
        back_up(connection, path.with_name(f"{path.name}.v{version}.bak"))
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


def back_up(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the database, with what still lies in its WAL; it appears whole."""
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.unlink(missing_ok=True)
    with closing(sqlite3.connect(temporary)) as copy:
        copy.execute("PRAGMA synchronous=FULL")
        connection.backup(copy)
    temporary.replace(target)
    sync_folder(target.parent)


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
