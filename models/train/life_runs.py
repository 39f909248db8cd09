"""Run-to-failure histories: a CSV of unit, cycle, then settings and sensors.

Comma, semicolon, tab, bar or blanks between cells; `.gz` too. Without a header, the 26
columns that turbofan sets are published with are known by their places.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.train.settings import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.features.asset import FloatColumn
    from models.features.table import FloatTable

UNIT, CYCLE = "unit", "cycle"
_PUBLISHED = (
    UNIT, CYCLE,
    *(f"os{n}" for n in range(1, 4)),
    *(f"s{n}" for n in range(1, 22)),
)  # fmt: skip
_SEPARATORS = (",", ";", "\t", "|")
_MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "?"})
_SETTING = re.compile(
    r"(os|op|oc)[ _-]*\d+|(op\w*[ _-]*)?(set|setting|cond|condition)s?[ _-]*\d*|mode",
    re.IGNORECASE,
)
_ROWS_MAX = 5_000_000


@dataclass(frozen=True)
class Runs:
    """Histories of units, each in the order of its cycles; `values` is [n, k].

    `units` are the labels as they were read; unit `i` has the rows
    `starts[i]:starts[i + 1]`. A missing value is the unit's last one before it.
    """

    units: tuple[str, ...]
    starts: NDArray[np.int64]
    cycle: FloatColumn
    names: tuple[str, ...]
    values: FloatTable

    @property
    def unit_of_row(self) -> NDArray[np.int64]:
        """The number of the unit of each row."""
        return np.repeat(np.arange(len(self.units)), np.diff(self.starts))

    @property
    def last_rows(self) -> NDArray[np.int64]:
        """The row of each unit's last cycle."""
        return np.asarray(self.starts[1:] - 1)

    @property
    def left(self) -> FloatColumn:
        """Cycles that were left at each row, if the unit failed at its last one."""
        last = self.cycle[self.last_rows]
        return np.asarray(last[self.unit_of_row] - self.cycle)

    @property
    def settings(self) -> tuple[str, ...]:
        """Columns whose names say that somebody sets them."""
        return tuple(name for name in self.names if _SETTING.fullmatch(name))

    def columns(self, names: Sequence[str]) -> FloatTable:
        """Return columns by name."""
        return self.values[:, [self.names.index(name) for name in names]]


def read_runs(path: Path) -> Runs:
    """Read a file.

    Raises:
        TrainingError: With file, line and column.
        OSError: It cannot be read.
    """
    try:
        return _runs(path)
    except (UnicodeDecodeError, csv.Error, EOFError, zlib.error) as error:
        raise TrainingError(f"{path.name}: not a table of text: {error}") from error


def _runs(path: Path) -> Runs:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as lines:
        rows = _cells(lines)
        head, rows = _head(path.name, rows)
        labels, numbers = [], []
        unit_at = head.index(UNIT)
        for at, (line, row) in enumerate(rows):
            if at >= _ROWS_MAX:
                raise TrainingError(f"{path.name}: more than {_ROWS_MAX} rows")
            if len(row) != len(head):
                raise TrainingError(
                    f"{path.name}: line {line}: {len(row)} cells, "
                    f"but the header has {len(head)}"
                )
            labels.append(_label(path.name, line, row.pop(unit_at)))
            numbers.append(_numbers(path.name, line, row, head))
    if not labels:
        raise TrainingError(f"{path.name}: no rows")
    names = [name for name in head if name != UNIT]
    return _sorted(path.name, labels, np.array(numbers, dtype=np.float64), names)


def _cells(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each line that is not empty."""
    first = next(lines, "")
    found = [s for s in _SEPARATORS if s in first]
    everything = _again(first, lines)
    if not found:
        for number, text in enumerate(everything, start=1):
            if text.strip():
                yield number, text.split()
        return
    reader = csv.reader(everything, delimiter=max(found, key=first.count))
    for row in reader:
        if any(cell.strip() for cell in row):
            yield reader.line_num, [cell.strip() for cell in row]


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _head(
    name: str, rows: Iterator[tuple[int, list[str]]]
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    first = next(rows, None)
    if first is None:
        raise TrainingError(f"{name}: the file is empty")
    head = [
        cell.lower() if cell.lower() in {UNIT, CYCLE} else cell for cell in first[1]
    ]
    if UNIT in head and CYCLE in head:
        twice = {each for each in head if head.count(each) > 1}
        if twice:
            raise TrainingError(f"{name}: column {min(twice)!r} appears twice")
        if len(head) == len({UNIT, CYCLE}):
            raise TrainingError(f"{name}: no column besides unit and cycle")
        return head, rows
    if len(head) == len(_PUBLISHED) and all(_is_number(cell) for cell in head):
        return list(_PUBLISHED), _with(first, rows)
    missing = UNIT if UNIT not in head else CYCLE
    raise TrainingError(
        f"{name}: no column {missing!r}; name the columns unit, cycle, then settings "
        "and sensors"
    )


def _with(
    first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _label(name: str, line: int, cell: str) -> str:
    if not cell:
        raise TrainingError(f"{name}: line {line}: the unit has no name")
    return cell


def _numbers(name: str, line: int, row: list[str], head: list[str]) -> list[float]:
    try:
        return [float(cell) for cell in row]
    except ValueError:
        pass
    names = [each for each in head if each != UNIT]
    found = []
    for column, cell in zip(names, row, strict=True):
        if cell.lower() in _MISSING:
            found.append(math.nan)
        elif _is_number(cell):
            found.append(float(cell))
        else:
            raise TrainingError(
                f"{name}: line {line}, column {column!r}: {cell!r} is no number"
            )
    return found


def _sorted(
    name: str, labels: list[str], numbers: FloatTable, names: list[str]
) -> Runs:
    units = tuple(dict.fromkeys(labels))
    place = {label: at for at, label in enumerate(units)}
    unit = np.array([place[label] for label in labels])
    at = names.index(CYCLE)
    cycle = numbers[:, at]
    if not np.isfinite(cycle).all():
        raise TrainingError(f"{name}: a cycle is missing or not finite")
    order = np.lexsort((cycle, unit))
    unit, cycle, numbers = unit[order], cycle[order], numbers[order]
    again = (np.diff(unit) == 0) & (np.diff(cycle) == 0)
    if again.any():
        row = int(np.flatnonzero(again)[0])
        raise TrainingError(
            f"{name}: unit {units[unit[row]]}: cycle {cycle[row]:g} appears twice"
        )
    starts = np.searchsorted(unit, np.arange(len(units) + 1)).astype(np.int64)
    values = np.delete(numbers, at, axis=1)
    values[~np.isfinite(values)] = np.nan
    sensors = tuple(each for each in names if each != CYCLE)
    return Runs(units, starts, cycle, sensors, _held(values, starts))


def _held(values: FloatTable, starts: NDArray[np.int64]) -> FloatTable:
    """Return values where a missing one is the unit's last before it, if any."""
    known = np.isfinite(values)
    if known.all():
        return values
    rows = np.arange(len(values))[:, np.newaxis]
    newest = np.maximum.accumulate(np.where(known, rows, -1), axis=0)
    first = np.repeat(starts[:-1], np.diff(starts))[:, np.newaxis]
    held = np.take_along_axis(values, np.maximum(newest, 0), axis=0)
    return np.where(newest >= first, held, np.nan)
