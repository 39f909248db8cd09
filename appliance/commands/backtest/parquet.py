"""Parquet exports, through duckdb where that is installed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from appliance.commands.backtest.export import ExportError
from appliance.commands.backtest.shape import MAX_COLUMNS, Shape
from appliance.commands.backtest.textfile import PORTION, Portion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUFFIXES = (".parquet", ".pq")
_MAGIC = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Say whether a file is Parquet: by its name, or by how it begins."""
    if path.suffix.lower() in _SUFFIXES:
        return True
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


class ParquetFile:
    """A Parquet file; its values become the texts that a CSV would hold.

    Raises:
        ExportError: It cannot be read, or duckdb is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            import duckdb  # noqa: PLC0415 - optional: only for Parquet
        except ImportError as error:
            raise ExportError(
                "Parquet needs duckdb; install wheeltapper[fleet], or export CSV"
            ) from error
        self._failure: type[Exception] = duckdb.Error
        self._duckdb: Any = duckdb
        self._path = path
        with self._opened() as cursor:
            names = tuple(str(column[0]) for column in cursor.description)
        if len(names) > MAX_COLUMNS:
            raise ExportError(f"{len(names)} columns; at most {MAX_COLUMNS}")
        self.shape = Shape(",", names, first_line=1, decimal_comma=False)

    def portions(self) -> Iterator[Portion]:
        """Yield the rows; a line is a row, counted from 1.

        Raises:
            ExportError: It cannot be read on.
        """
        read = 0
        with self._opened() as cursor:
            while rows := self._fetched(cursor):
                lines = list(range(read + 1, read + len(rows) + 1))
                yield Portion(lines, [[_text(cell) for cell in row] for row in rows])
                read += len(rows)

    def _opened(self) -> Any:  # noqa: ANN401 - duckdb has no types
        database = self._duckdb.connect()
        try:
            return database.execute("SELECT * FROM read_parquet(?)", [str(self._path)])
        except self._failure as error:
            database.close()
            raise ExportError(_first_line(error)) from error

    def _fetched(self, cursor: Any) -> list[tuple[object, ...]]:  # noqa: ANN401
        try:
            return list(cursor.fetchmany(PORTION))
        except self._failure as error:
            raise ExportError(_first_line(error)) from error


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    return format(cell, "f") if isinstance(cell, Decimal) else str(cell)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["not a Parquet file"])[0]
