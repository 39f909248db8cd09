"""From a plain buffer to an encrypted one, and from one key to the next.

Both need the hub stopped. The new file is complete and checked before it takes the
place of the old one, which stays beside it until a person destroys it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from appliance.runtime.files import sync_folder
from appliance.storage.cipher import (
    Key,
    connect_keyed,
    is_plain,
    key_to_read,
    load_key,
    require_library,
    write_note,
)
from appliance.storage.connection import StoreOpenError, writing_alone
from appliance.storage.fresh import complete
from appliance.storage.quarantine import remove

if TYPE_CHECKING:
    from pathlib import Path


def encrypt(path: Path, key_file: str, *, now_ns: int) -> Path:
    """Encrypt a buffer, or give an encrypted one another key; return the old file.

    Backups, wrecks and the old file are as readable as before: the caller says so.

    Raises:
        StoreOpenError: A hub writes it, a key is missing or wrong, or it is damaged;
            nothing was changed.
        OSError: The disk refused; nothing was changed.
    """
    require_library()
    with writing_alone(path):
        complete(path)
        if not path.is_file():
            raise StoreOpenError(f"{path}: there is no such buffer")
        new, old = load_key(key_file), key_to_read(path)
        if old is not None and old.fingerprint == new.fingerprint:
            raise StoreOpenError(f"{path} is encrypted with this key already")
        target = path.with_name(f".{path.name}.encrypting")
        remove(target)
        try:
            _export(path, old, target, new)
        except sqlite3.Error as error:
            remove(target)
            raise StoreOpenError(
                f"{path}: {error}; nothing was changed; run `buffer repair` first"
            ) from error
        kind = "plain" if is_plain(path) else "old-key"
        before = path.with_name(f"{path.name}.{kind}-{now_ns}")
        before.hardlink_to(path)
        write_note(path, new, old)
        target.replace(path)  # the moment it happens
        write_note(path, new)
        sync_folder(path.parent)
    return before


def _export(path: Path, old: Key | None, target: Path, new: Key) -> None:
    """Copy everything, and see that it is the same."""
    with closing(connect_keyed(str(path), old)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute(
            "ATTACH DATABASE ? AS target KEY ?",
            (str(target), f"x'{new.hexadecimal}'"),
        )
        connection.execute("PRAGMA target.auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA target.synchronous=FULL")
        connection.execute("SELECT sqlcipher_export('target')").fetchall()
        before, after = _counts(connection, "main"), _counts(connection, "target")
        connection.execute("DETACH DATABASE target")
    if before != after:
        raise sqlite3.DatabaseError("the copy differs from the original")
    with closing(connect_keyed(str(target), new)) as copy:
        (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"the copy: {verdict}")


def _counts(connection: sqlite3.Connection, schema: str) -> dict[str, int]:
    names = connection.execute(
        f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table'"  # noqa: S608 - names of ours
    ).fetchall()
    return {
        name: connection.execute(f"SELECT count(*) FROM {schema}.{name}").fetchone()[0]  # noqa: S608 - names from the schema
        for (name,) in names
    }
