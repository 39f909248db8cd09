"""The shape of a text table, told from its beginning: separator, header. Pure."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from appliance.commands.backtest.export import ExportError
from appliance.commands.backtest.moments import notations_of
from appliance.commands.backtest.numbers import MISSING, has_decimal_comma, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SAMPLE_LINES = 2000
"""How many lines are looked at before the rest is read."""

MAX_COLUMNS = 4096
WHITESPACE = ""
"""The separator of a table whose columns stand apart by blanks."""

_SEPARATORS = ("\t", ";", "|", ",")
_ALIKE = 0.8  # of the lines have as many cells as the table has columns
_SOME = 0.5  # of the lines: then it is the separator, and some rows are torn
_LONGEST_CELL_LINES = 20


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the table begins in a text, and how it is written.

    `first_line` counts from 1 and is the first line of the rows; a `header` that the
    file does not give is made up.
    """

    separator: str
    header: tuple[str, ...]
    first_line: int
    decimal_comma: bool
    notes: tuple[str, ...] = ()


def shape_of(lines: Sequence[str]) -> Shape:
    """Tell the shape from the first lines of a file.

    Raises:
        ExportError: There is no table in it.
    """
    separator, skipped = _told(lines)
    body = lines[skipped:]
    if separator is None:
        separator = _separator_of(body)
    rows = [row for row in cells_of(body, separator, first_line=skipped + 1) if row[1]]
    if not rows:
        raise ExportError("there is no row in it")
    width = _width(rows)
    if width > MAX_COLUMNS:
        raise ExportError(f"{width} columns; at most {MAX_COLUMNS} can be judged")
    begin = next(at for at, row in enumerate(rows) if len(row[1]) == width)
    notes = [f"{begin} lines before the table were skipped"] if begin else []
    table = rows[begin:]
    comma = has_decimal_comma(
        cell for _, row in table for cell in row if separator != "," or "," in cell
    )
    header, behind = _header(table, comma=comma)
    if behind == 0:
        notes.append("no header: the columns are numbered from 1")
    if behind == 2:  # noqa: PLR2004 - a row of names and one of units
        notes.append("the row of units below the header was skipped")
    first_line = table[behind][0] if behind < len(table) else table[-1][0] + 1
    return Shape(separator, header, first_line, comma, tuple(notes))


def cells_of(
    lines: Iterable[str], separator: str, *, first_line: int = 1
) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty with the number of its first line.

    Raises:
        ExportError: A cell has no end; the line is named.
    """
    if separator == WHITESPACE:
        for at, line in enumerate(lines, start=first_line):
            if row := line.split():
                yield at, row
        return
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    ended = 0
    try:
        for row in reader:
            began, ended = ended, reader.line_num
            if ended - began > _LONGEST_CELL_LINES:
                raise _open_quotation(first_line + began)
            if any(cell.strip() for cell in row):
                yield first_line + began, row
    except csv.Error as error:
        raise _open_quotation(first_line + ended) from error


def _open_quotation(line: int) -> ExportError:
    return ExportError(
        f"line {line}: a cell that does not end; is a quotation mark never closed?"
    )


def _told(lines: Sequence[str]) -> tuple[str | None, int]:
    """Return the separator that a first line `sep=;` names, and the lines to skip."""
    skipped = 0
    told = None
    for line in lines:
        found = re.fullmatch(r'"?sep=(.|\\t)"?', line.strip(), re.IGNORECASE)
        if found:
            told = "\t" if found[1] in ("\\t", "\t") else found[1]
        elif line.strip() and not line.startswith(("#", "%", "//")):
            break
        skipped += 1
    if skipped and told is None and skipped < len(lines):
        # `#time,flow` is a header written as a remark: its cells are as many
        for separator in _SEPARATORS:
            above, below = lines[skipped - 1], lines[skipped]
            if 0 < above.count(separator) == below.count(separator):
                return None, skipped - 1
    return told, skipped


def _separator_of(lines: Sequence[str]) -> str:
    """Return the separator that divides most lines alike."""
    best, agreed = ",", 0.0
    for separator in _SEPARATORS:
        try:
            rows = [row for _, row in cells_of(lines, separator)]
        except ExportError:
            continue
        share = _share_alike(rows)
        if share > agreed + 0.01:
            best, agreed = separator, share
    if agreed >= _SOME:
        return best
    blank = [line.split() for line in lines if line.strip()]
    if _share_alike(blank) > agreed and not any('"' in line for line in lines):
        return WHITESPACE
    return best


def _share_alike(rows: Sequence[Sequence[str]]) -> float:
    """Return the share of the rows with the commonest number of cells over one."""
    counts = Counter(len(row) for row in rows)
    counts.pop(1, None)
    return max(counts.values(), default=0) / max(1, len(rows))


def _width(rows: Sequence[tuple[int, list[str]]]) -> int:
    """Return the number of cells that most rows have; of equals the larger."""
    counts = Counter(len(row) for _, row in rows)
    return max(counts, key=lambda width: (counts[width], width))


def _header(
    table: Sequence[tuple[int, list[str]]], *, comma: bool
) -> tuple[tuple[str, ...], int]:
    """Return the names of the columns, and how many rows stand above the measurements.

    The first row is a header if it holds no number and no time, or a word where the
    rows below have numbers or times.
    """
    first = table[0][1]
    below = [row for _, row in islice(table, 1, 50)]
    if not _is_measured(first, comma=comma) or _differs(first, below, comma=comma):
        names = [cell.strip().lstrip("#").strip() for cell in first]
        units = len(below) > 1 and _is_units(below[0], below[1:], comma=comma)
        return _unique(names), 2 if units else 1
    return _unique([""] * len(first)), 0


def _is_measured(row: Sequence[str], *, comma: bool) -> bool:
    return any(_is_value(cell, comma=comma) for cell in row)


def _is_value(cell: str, *, comma: bool) -> bool:
    text = cell.strip()
    if text.lower() in MISSING:
        return False
    return number(text, comma=comma) is not None or bool(notations_of([text]))


def _differs(
    first: Sequence[str], below: Sequence[Sequence[str]], *, comma: bool
) -> bool:
    """Say whether the first row has a word above a column of numbers or times."""
    for at, cell in enumerate(first):
        if not cell.strip() or _is_value(cell, comma=comma):
            continue
        column = [row[at] for row in below if at < len(row) and row[at].strip()]
        values = sum(_is_value(each, comma=comma) for each in column)
        if column and values >= _ALIKE * len(column):
            return cell.strip().lower() not in MISSING
    return False


def _is_units(
    row: Sequence[str], below: Sequence[Sequence[str]], *, comma: bool
) -> bool:
    return (
        not _is_measured(row, comma=comma)
        and any(cell.strip().lower() not in MISSING for cell in row)
        and all(_is_measured(each, comma=comma) for each in below)
        and _differs(row, below, comma=comma)
    )


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Return names none of which is empty or occurs twice."""
    found: dict[str, None] = {}
    for at, name in enumerate(names, start=1):
        plain = name or f"column_{at}"
        free, count = plain, 2
        while free in found:
            free, count = f"{plain}_{count}", count + 1
        found[free] = None
    return tuple(found)
