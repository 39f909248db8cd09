"""Connections that only read, plain or with the buffer's key; they never checkpoint."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from appliance.storage.cipher import connect_keyed, key_to_read
from appliance.storage.connection import read_only_uri

if TYPE_CHECKING:
    from pathlib import Path


def connect_to_read(
    path: Path, *, shared: bool = False, immutable: bool = False
) -> sqlite3.Connection:
    """Open a buffer for reading, while its hub runs or not.

    `shared` connections may be used by several threads, one after the other;
    `immutable` ones leave the write-ahead log aside.

    Raises:
        sqlite3.Error: It cannot be opened.
        StoreOpenError: It is encrypted, and its key is not to be had here.
    """
    uri = read_only_uri(path) + ("&immutable=1" if immutable else "")
    key = key_to_read(path)
    if key is not None:
        connection = connect_keyed(uri, key, shared=shared)
    else:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=not shared
        )
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection
