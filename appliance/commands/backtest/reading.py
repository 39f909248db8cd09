"""Read an export of any shape into columns of numbers."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol

import numpy as np

from appliance.commands.backtest.clockwork import clockwork_of
from appliance.commands.backtest.columns import Column
from appliance.commands.backtest.export import Export, ExportError, texts
from appliance.commands.backtest.parquet import ParquetFile, is_parquet
from appliance.commands.backtest.tall import pivoted, tall_columns
from appliance.commands.backtest.textfile import TextTable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from appliance.commands.backtest.clockwork import Clockwork
    from appliance.commands.backtest.export import TextColumn, TimeColumn
    from appliance.commands.backtest.shape import Shape
    from appliance.commands.backtest.textfile import Portion

_COUNTERS = re.compile(r"|index|row|rows|no|nr|n|id|#|sample|seq|unnamed: \d+|column_1")


class Table(Protocol):
    """An open table of texts."""

    @property
    def shape(self) -> Shape:
        """What is known of it: names, decimals."""
        ...

    def portions(self) -> Iterator[Portion]:
        """Yield the rows."""
        ...


def read_export(
    path: Path,
    *,
    ignore: Sequence[str] = (),
    told: Callable[[int], None] = lambda _rows: None,
) -> Export:
    """Read a file; `ignore` are names (or patterns) of columns that are no sensors.

    `told` hears from time to time how many rows were read.

    Raises:
        ExportError: It is no table of measurements; file, place and remedy are named.
    """
    try:
        table: Table = ParquetFile(path) if is_parquet(path) else TextTable(path)
        return _Reading(path, table, ignore).export(told)
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from error
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror or error}") from error


class _Reading:
    """One file on its way to columns."""

    def __init__(self, path: Path, table: Table, ignore: Sequence[str]) -> None:
        self._path = path
        self._table = table
        self._names = table.shape.header
        self._comma = table.shape.decimal_comma
        self._told_to_ignore = ignore
        self._ignored: dict[str, str] = {}
        self._notes = list(table.shape.notes)
        self._odd_rows: list[int] = []
        self._count = 0
        self._time_text: list[TextColumn] = []
        self._time_ns: list[TimeColumn] = []
        self._known: list[NDArray[np.bool_]] = []

    def export(self, told: Callable[[int], None]) -> Export:
        portions = self._table.portions()
        first = next(portions, None)
        if first is None:
            raise ExportError("it has a header, and no row")
        cells = self._cells(first)
        clock = clockwork_of(self._names, cells, comma=self._comma)
        self._notes += clock.notes
        for at in clock.at:
            self._ignored[self._names[at]] = "the time"
        tall = tall_columns(self._names, cells, clock.at)
        columns = self._columns(cells, keep=() if tall is None else tall)
        lines = first.lines
        while True:
            self._take(clock, cells, lines, columns.items())
            told(self._count)
            portion = next(portions, None)
            if portion is None:
                break
            lines, cells = portion.lines, self._cells(portion)
        if self._odd_rows:
            self._notes.append(
                f"{len(self._odd_rows)} rows have more cells than columns, the first "
                f"in line {self._odd_rows[0]}"
            )
        if tall is not None:
            return self._tall(columns.values())
        return self._wide(columns.values())

    def _cells(self, portion: Portion) -> list[Sequence[str]]:
        """Return the cells by column; short rows end in missing cells."""
        width = len(self._names)
        for line, row in zip(portion.lines, portion.rows, strict=True):
            if len(row) > width:
                if any(cell.strip() for cell in row[width:]):
                    self._odd_rows.append(line)
                del row[width:]
        cells: list[Sequence[str]] = list(zip_longest(*portion.rows, fillvalue=""))
        nothing = ("",) * len(portion.rows)
        return cells + [nothing] * (width - len(cells))

    def _columns(
        self, cells: Sequence[Sequence[str]], *, keep: Sequence[int]
    ) -> dict[int, Column]:
        """Return what is read of each column that is not ignored."""
        found: dict[int, Column] = {}
        for at, name in enumerate(self._names):
            if name in self._ignored:
                continue
            if any(
                name == each or fnmatchcase(name, each) for each in self._told_to_ignore
            ):
                self._ignored[name] = "as told"
                continue
            column = Column(name, comma=self._comma, as_text=at in keep[:1])
            if at in keep or column.looks_numeric(cells[at]):
                found[at] = column
            else:
                self._ignored[name] = f"text, such as {column.example(cells[at])!r}"
        return found

    def _take(
        self,
        clock: Clockwork,
        cells: Sequence[Sequence[str]],
        lines: Sequence[int],
        columns: Iterable[tuple[int, Column]],
    ) -> None:
        said = clock.said(cells, self._count, len(lines))
        read = [clock.read(text) for text in said]
        self._time_text.append(texts(said))
        self._known.append(np.array([each is not None for each in read]))
        self._time_ns.append(np.array([each or 0 for each in read], dtype=np.int64))
        for at, column in columns:
            column.take(cells[at], lines)
        self._count += len(lines)

    def _times(self) -> TimeColumn:
        """Return the times; a row without one has that of the row before."""
        known, time_ns = np.concatenate(self._known), np.concatenate(self._time_ns)
        lost = int(np.count_nonzero(~known))
        if lost == len(known):
            raise ExportError("no row has a time that can be read")
        if lost:
            row = int(np.argmin(known)) + 1
            self._notes.append(
                f"{lost} rows without a readable time (the first is row {row}) count "
                "to the moment of the row before"
            )
            latest = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
            time_ns = time_ns[np.where(latest < 0, np.argmax(known), latest)]
        return time_ns

    def _wide(self, columns: Iterable[Column]) -> Export:
        time_ns = self._times()
        kept: list[Column] = []
        for column in columns:
            why = column.refusal() or self._counter(column)
            if why:
                self._ignored[column.name] = why
            else:
                kept.append(column)
                self._notes += column.remarks()
        if not kept:
            raise ExportError(
                "no column holds numbers; columns: " + ", ".join(self._names[:12])
            )
        return Export(
            self._path,
            np.concatenate(self._time_text),
            time_ns,
            tuple(column.name for column in kept),
            np.column_stack([column.values() for column in kept]),
            self._ignored,
            tuple(self._notes),
        )

    def _tall(self, columns: Collection[Column]) -> Export:
        moments = pivoted(self._times(), columns)
        self._notes.append(
            f"one value per row: {len(moments.names)} tags were put side by side, "
            "each holding until its next value"
        )
        for column in columns:
            self._ignored[column.name] = "part of tag and value"
        said = np.concatenate(self._time_text)[moments.first]
        return Export(
            self._path, said, moments.time_ns, moments.names, moments.values,
            self._ignored, tuple(self._notes),
        )  # fmt: skip

    def _is_ignored(self, name: str) -> bool:
        return any(
            name == each or fnmatchcase(name, each) for each in self._told_to_ignore
        )

    def _counter(self, column: Column) -> str:
        """Say why a column is no sensor that merely counts the rows."""
        if _COUNTERS.fullmatch(column.name.lower()) is None:
            return ""
        values = column.values()
        steps = np.diff(values)
        whole = bool((values == np.floor(values)).all())
        counts = whole and len(steps) > 0 and bool((steps == steps[0]).all())
        return "it counts the rows" if counts and steps[0] != 0.0 else ""
