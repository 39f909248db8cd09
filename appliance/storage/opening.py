"""What happens at the opening: settings, schema, and the word on how it ended last."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.domain.event import Gap
from appliance.storage.connection import (
    StoreOpenError,
    configure,
    limit_pages,
    transaction,
)
from appliance.storage.migrations import migrate, shipped
from appliance.storage.records import (
    ACQUISITION,
    add_counters,
    insert_gap,
    mark,
    open_meta,
    read_counters,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHUTDOWN_REASON = "the last run was not shut down"


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found in the file."""

    epoch: str
    counters: dict[str, int]


def open_connection(
    path: Path, quota_bytes: int, connect: Callable[[Path], sqlite3.Connection]
) -> sqlite3.Connection:
    """Open the file for writing.

    Raises:
        StoreOpenError: It is not a database, or durability is not to be had.
    """
    try:
        connection = connect(path)
    except sqlite3.Error as error:
        raise StoreOpenError(f"{path}: {error}") from error
    try:
        configure(connection, quota_bytes)
        limit_pages(connection, quota_bytes)
    except sqlite3.Error as error:
        connection.close()
        raise StoreOpenError(f"{path}: {error}; run `buffer verify`") from error
    except StoreOpenError:
        connection.close()
        raise
    return connection


def begin(connection: sqlite3.Connection, path: Path, now_ns: int) -> Opened:
    """Migrate, and declare once what a kill or a power failure lost.

    Raises:
        StoreOpenError: A newer release wrote it, or it cannot be read or written.
    """
    try:
        migrate(connection, path, migrations=shipped(), now_ns=now_ns)
        with transaction(connection):
            return _begun(connection, now_ns)
    except sqlite3.Error as error:
        raise StoreOpenError(f"{path}: {error}; run `buffer verify`") from error


def _begun(connection: sqlite3.Connection, now_ns: int) -> Opened:
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
    return Opened(meta.epoch, read_counters(connection))
