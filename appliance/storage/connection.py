"""The one connection that writes and checkpoints, and the thread it lives on."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from appliance.runtime.startup import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_Result = TypeVar("_Result")

_FULL = 2
_PRIMARY_CODE = 0xFF
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises; the second where it quotes a broken page."""
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PAGE_BYTES = 4096
_WAL_PAGES_MAX = 1000
_WAL_PAGES_MIN = 32
_WAL_PART = 16
"""The write-ahead log may take one part in so many of the quota."""


class StoreOpenError(CannotStartError):
    """The buffer cannot be opened; the message says what to do about it."""


class StoreUnavailableError(Exception):
    """The disk refused: nothing was lost yet, and it is tried again by itself."""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commit all that is done inside, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def connect(path: Path) -> sqlite3.Connection:
    """Open the file; transactions are explicit."""
    return sqlite3.connect(path, isolation_level=None)


def read_only_uri(path: Path) -> str:
    """Return the address by which SQLite opens the file for reading alone."""
    return f"{path.absolute().as_uri()}?mode=ro"


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file itself is broken, not that it is refused.

    It may say so in words taken from the broken page, which are no text.
    """
    if isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.DatabaseError) and (
        code is not None and code & _PRIMARY_CODE in _DAMAGE
    )


def configure(connection: sqlite3.Connection, quota_bytes: int) -> None:
    """Set what durability rests on, and refuse to go on without it.

    Raises:
        StoreOpenError: SQLite or the file system does not give WAL or FULL.
    """
    connection.execute("PRAGMA busy_timeout=5000")
    # Of effect on an empty database only, hence before anything else.
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    wal_pages = wal_pages_of(quota_bytes)
    connection.execute(f"PRAGMA wal_autocheckpoint={wal_pages}")
    connection.execute(f"PRAGMA journal_size_limit={wal_bytes_of(quota_bytes)}")
    journal = str(pragma(connection, "journal_mode"))
    synchronous = pragma(connection, "synchronous")
    if journal != "wal" or synchronous != _FULL:
        raise StoreOpenError(
            f"the buffer needs journal_mode=wal and synchronous=2, but SQLite gives "
            f"{journal!r} and {synchronous!r}; put it on a local file system"
        )


def limit_pages(connection: sqlite3.Connection, quota_bytes: int) -> None:
    """Let the file never outgrow its quota: a refused commit, not a full disk."""
    pages = pages_bytes_of(quota_bytes) // _PAGE_BYTES
    connection.execute(f"PRAGMA max_page_count={pages}")


def pages_bytes_of(quota_bytes: int) -> int:
    """Return what is left of the quota beside the log, in bytes.

    The log may grow to twice its length by one large transaction.
    """
    return quota_bytes - 2 * wal_bytes_of(quota_bytes)


def wal_bytes_of(quota_bytes: int) -> int:
    """Return at which length the log is written back."""
    return wal_pages_of(quota_bytes) * _PAGE_BYTES


def wal_pages_of(quota_bytes: int) -> int:
    """Return after how many pages the log is written back."""
    pages = quota_bytes // _PAGE_BYTES // _WAL_PART
    return max(_WAL_PAGES_MIN, min(_WAL_PAGES_MAX, pages))


def pragma(connection: sqlite3.Connection, name: str) -> object:
    """Return the value of a pragma."""
    row = connection.execute(f"PRAGMA {name}").fetchone()
    return row[0] if row else None


@contextmanager
def writing_alone(path: Path) -> Iterator[None]:
    """Hold the buffer's lock file: two writers would corrupt each other's counters.

    Raises:
        StoreOpenError: Another process writes this buffer, or nobody can.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise StoreOpenError(f"{path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreOpenError(
                f"{path}: another process writes it; stop that one first"
            ) from error
        yield
    finally:
        os.close(descriptor)


class Writer:
    """Runs whole transactions, one after the other, on a thread of its own.

    SQLite is synchronous and an fsync may take a second on a tired flash card, so
    nothing of it happens on the event loop. Whole functions go over, not single
    statements: a cancelled task can never leave half a transaction open.
    """

    def __init__(self, open_connection: Callable[[], sqlite3.Connection]) -> None:
        self._open_connection = open_connection
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="buffer")
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Open the connection on its thread."""
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(self._thread, self._open_connection)
        self._connection = await opening

    async def exchange(
        self, change: Callable[[sqlite3.Connection], sqlite3.Connection]
    ) -> None:
        """Go on with the connection that `change` returns for the present one.

        Raises what `change` does; it may then be called again, even with a connection
        that it has closed already.
        """
        self._connection = await self.run(change)

    async def run(
        self,
        work: Callable[[sqlite3.Connection], _Result],
        settle: Callable[[asyncio.Future[_Result]], None] | None = None,
    ) -> _Result:
        """Return what `work` returns; once begun it ends, even when cancelled.

        A cancellation is held back until the thread is done and `settle` has seen
        the outcome, so that memory and disk never disagree about what was committed.
        """
        connection = self._connection
        assert connection is not None, "the writer is not open"
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._thread, work, connection)
        cancelled = False
        while not future.done():
            try:
                await asyncio.wait({future})
            except asyncio.CancelledError:
                cancelled = True
        error = future.exception()
        if settle is not None:
            settle(future)
        if cancelled:
            raise asyncio.CancelledError from error
        return future.result()

    async def close(self) -> None:
        """Close the connection and end the thread."""
        if self._connection is not None:
            await self.run(lambda connection: connection.close())
            self._connection = None
        self._thread.shutdown()
