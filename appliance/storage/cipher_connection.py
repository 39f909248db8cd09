"""SQLCipher's connection with the errors of `sqlite3`, so that callers know only one.

Imported only where a buffer is encrypted: its library is an extra.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlcipher3 import dbapi2

if TYPE_CHECKING:
    from collections.abc import Iterator


class CipherCursor(dbapi2.Cursor):  # type: ignore[misc] # the library has no types
    """See `sqlite3.Cursor`."""

    def execute(self, *args: Any) -> Any:  # noqa: ANN401 - as sqlite3 has it
        """See `sqlite3`."""
        with _as_sqlite3():
            return super().execute(*args)

    def executemany(self, *args: Any) -> Any:  # noqa: ANN401 - as sqlite3 has it
        """See `sqlite3`."""
        with _as_sqlite3():
            return super().executemany(*args)

    def fetchone(self) -> Any:  # noqa: ANN401 - as sqlite3 has it
        """See `sqlite3`."""
        with _as_sqlite3():
            return super().fetchone()

    def fetchmany(self, *args: Any) -> Any:  # noqa: ANN401 - as sqlite3 has it
        """See `sqlite3`."""
        with _as_sqlite3():
            return super().fetchmany(*args)

    def fetchall(self) -> Any:  # noqa: ANN401 - as sqlite3 has it
        """See `sqlite3`."""
        with _as_sqlite3():
            return super().fetchall()

    def __next__(self) -> Any:  # noqa: ANN401 - as sqlite3 has it
        with _as_sqlite3():
            return super().__next__()


class CipherConnection(dbapi2.Connection):  # type: ignore[misc] # the library has no types
    """See `sqlite3.Connection`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as sqlite3 has it
        with _as_sqlite3():
            super().__init__(*args, **kwargs)

    def cursor(self, factory: type[CipherCursor] = CipherCursor) -> Any:  # noqa: ANN401 - as sqlite3 has it
        """See `sqlite3`."""
        with _as_sqlite3():
            return super().cursor(factory)

    def execute(self, *args: Any) -> Any:  # noqa: ANN401 - as sqlite3 has it
        """See `sqlite3`."""
        return self.cursor().execute(*args)

    def executemany(self, *args: Any) -> Any:  # noqa: ANN401 - as sqlite3 has it
        """See `sqlite3`."""
        return self.cursor().executemany(*args)

    def backup(self, target: Any, **options: Any) -> None:  # noqa: ANN401 - as sqlite3 has it
        """See `sqlite3`."""
        with _as_sqlite3():
            super().backup(target, **options)

    def close(self) -> None:
        """See `sqlite3`."""
        with _as_sqlite3():
            super().close()


@contextmanager
def _as_sqlite3() -> Iterator[None]:
    try:
        yield
    except dbapi2.Error as error:
        kind = getattr(sqlite3, type(error).__name__, sqlite3.DatabaseError)
        same: sqlite3.Error = kind(str(error))
        for name in ("sqlite_errorcode", "sqlite_errorname"):
            if hasattr(error, name):
                setattr(same, name, getattr(error, name))
        raise same from error
