"""Read a table from disk piece by piece; everything here blocks."""

from __future__ import annotations

import csv
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.replay.config import ReplaySettings

_SEPARATORS = ";,\t|"


class TableError(Exception):
    """The file cannot be read as a table."""


class Table(Protocol):
    """An open table."""

    @property
    def header(self) -> Sequence[str]:
        """Names of the columns."""
        ...

    @property
    def decimal_comma(self) -> bool:
        """Whether `1,5` is one and a half."""
        ...

    def rows(self, count: int) -> list[Sequence[object]]:
        """Return at most `count` further rows; an empty list at the end.

        Raises:
            TableError: The file cannot be read on.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...


def open_table(settings: ReplaySettings) -> Table:
    """Open a CSV, or a Parquet file by its suffix.

    Raises:
        TableError: No such file, or not a table.
    """
    if settings.file.suffix.lower() in (".parquet", ".pq"):
        return ParquetTable(settings)
    return CsvTable(settings)


class CsvTable:
    """A CSV file; the separator is the one its header has most of."""

    def __init__(self, settings: ReplaySettings) -> None:
        try:
            self._file = settings.file.open(encoding=settings.encoding, newline="")
        except (OSError, LookupError) as error:
            raise TableError(f"{settings.file}: {error}") from error
        try:
            first = self._file.readline()
            self._file.seek(0)
            separator = settings.separator or _separator_of(first)
            self._reader = csv.reader(self._file, delimiter=separator)
            self.header: Sequence[str] = next(self._reader, [])
        except (OSError, ValueError, csv.Error) as error:
            self._file.close()
            raise TableError(f"{settings.file}: {error}") from error
        self.decimal_comma = separator != ","

    def rows(self, count: int) -> list[Sequence[object]]:
        """Return at most `count` further rows without the empty ones.

        Raises:
            TableError: The file cannot be read on.
        """
        try:
            while taken := list(islice(self._reader, count)):
                if filled := [row for row in taken if any(row)]:
                    return list(filled)
        except (OSError, ValueError, csv.Error) as error:
            raise TableError(str(error)) from error
        return []

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ParquetTable:
    """A Parquet file, through duckdb where that is installed."""

    decimal_comma = False

    def __init__(self, settings: ReplaySettings) -> None:
        try:
            import duckdb  # noqa: PLC0415 - optional: only for Parquet
        except ImportError as error:
            raise TableError(
                f"{settings.file}: Parquet needs duckdb; install wheeltapper[fleet], "
                "or export CSV"
            ) from error
        self._failure: type[Exception] = duckdb.Error
        self._database: Any = duckdb.connect()
        try:
            self._cursor = self._database.execute(
                "SELECT * FROM read_parquet(?)", [str(settings.file)]
            )
        except duckdb.Error as error:
            self._database.close()
            raise TableError(f"{settings.file}: {error}") from error
        self.header = [column[0] for column in self._cursor.description]

    def rows(self, count: int) -> list[Sequence[object]]:
        """Return at most `count` further rows.

        Raises:
            TableError: The file cannot be read on.
        """
        try:
            return list(self._cursor.fetchmany(count))
        except self._failure as error:
            raise TableError(str(error)) from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _separator_of(line: str) -> str:
    return max(_SEPARATORS, key=line.count)
