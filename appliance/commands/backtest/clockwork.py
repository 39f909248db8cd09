"""Which column of an export holds the time, and how to read it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.commands.backtest.moments import (
    NoMomentError,
    Notation,
    is_date_only,
    is_time_of_day,
    moment_ns,
    most_regular,
    notations_of,
    time_of_day_ns,
    unit_ns_of,
)
from appliance.commands.backtest.numbers import MISSING, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START_NS = 946_684_800_000_000_000
"""Where time begins that the file only counts (2000-01-01): a year people recognise."""

_NS = 1_000_000_000
_NAMES = (
    "timestamp", "time stamp", "time_stamp", "datetime", "date_time", "date time",
    "date/time", "time", "date", "ts", "t", "utc", "utc time", "local time",
    "zeitstempel", "zeitpunkt", "datum", "zeit", "horodatage", "fecha", "elapsed",
    "elapsed time", "elapsed_time", "seconds", "sec", "time_ms", "time_s", "_time",
)  # fmt: skip
_SAMPLE = 500
_EVENLY = 5000
_KNOWN = 0.5
_COUNT = "a count since 1970"


@dataclass(frozen=True, slots=True)
class Clockwork:
    """The time of the rows.

    `at` are the columns that hold it: one, or day and time of day, or none (then rows
    come at 1 s). `read` turns the text of a row's time into ns since 1970, None where
    it cannot be read.
    """

    at: tuple[int, ...]
    read: Callable[[str], int | None]
    notes: tuple[str, ...] = ()

    def said(self, cells: Sequence[Sequence[str]], first: int, count: int) -> list[str]:
        """Return the rows' own text of the time; without one their numbers."""
        if not self.at:
            return [str(number) for number in range(first, first + count)]
        return [
            " ".join(parts)
            for parts in zip(*(cells[at] for at in self.at), strict=True)
        ]


def clockwork_of(
    names: Sequence[str], columns: Sequence[Sequence[str]], *, comma: bool
) -> Clockwork:
    """Find the time in a sample of the columns' cells."""
    for at in _candidates(names):
        named = _plain(names[at]) in _NAMES
        cells = _known(columns[at])
        if len(cells) < _KNOWN * len(columns[at]):
            continue
        fitting = [
            each for each in notations_of(_thinned(cells, _SAMPLE))
            if named or each.words != _COUNT or _goes_on(cells)
        ]  # fmt: skip
        if fitting:
            return _calendar(at, fitting, cells, columns)
    for at in _candidates(names):
        if _plain(names[at]) in _NAMES and _counts_up(columns[at], comma=comma):
            return _elapsed(at, names[at], comma=comma)
    return Clockwork(
        (),
        lambda text: START_NS + int(text) * _NS,
        ("no column holds the time: rows are taken to be 1 s apart",),
    )


def _candidates(names: Sequence[str]) -> list[int]:
    """Return all columns, those with a name of the time first."""
    plain = [_plain(name) for name in names]
    named = [at for each in _NAMES for at, name in enumerate(plain) if name == each]
    return named + [at for at in range(len(names)) if at not in named]


def _plain(name: str) -> str:
    return re.sub(r"\s*[\[(].*?[\])]", "", name).strip().lower()


def _known(cells: Sequence[str]) -> list[str]:
    return [cell for cell in cells if cell.strip().lower() not in MISSING]


def _thinned(cells: Sequence[str], count: int) -> Sequence[str]:
    return cells[:: max(1, len(cells) // count)]


def _calendar(
    at: int,
    fitting: Sequence[Notation],
    cells: Sequence[str],
    columns: Sequence[Sequence[str]],
) -> Clockwork:
    notation = most_regular(fitting, cells[:_EVENLY])
    notes: tuple[str, ...] = ()
    words = {each.words for each in fitting}
    if notation.words in ("day first", "month first") and (
        {"day first", "month first"} <= words
    ):
        notes = (f"a date such as {cells[0]!r} was read {notation.words}",)
    if all(is_date_only(cell) for cell in _thinned(cells, _SAMPLE)):
        for other, column in enumerate(columns):
            clock = _thinned(_known(column), _SAMPLE)
            if other != at and clock and all(is_time_of_day(cell) for cell in clock):
                return Clockwork((at, other), _day_and_time(notation), notes)
    return Clockwork((at,), lambda text: moment_ns(notation, text), notes)


def _day_and_time(notation: Notation) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        day, _, clock = text.partition(" ")
        day_ns = moment_ns(notation, day)
        try:
            return None if day_ns is None else day_ns + time_of_day_ns(clock)
        except NoMomentError:
            return None

    return read


def _elapsed(at: int, name: str, *, comma: bool) -> Clockwork:
    unit_ns = unit_ns_of(name)

    def read(text: str) -> int | None:
        value = number(text, comma=comma)
        if value is None or not abs(value) * unit_ns < START_NS:
            return None
        return START_NS + round(value * unit_ns)

    words = {_NS: "seconds", 1_000_000: "milliseconds", 60 * _NS: "minutes"}
    unit = words.get(unit_ns, f"steps of {unit_ns / _NS:g} s")
    return Clockwork((at,), read, (f"column {name!r} was read as {unit} from a start",))


def _goes_on(cells: Sequence[str]) -> bool:
    """Say whether whole numbers never fall: a count since 1970 without a name."""
    if not all(cell.strip().isdigit() for cell in cells):
        return False
    counts = [int(cell) for cell in cells]
    return counts == sorted(counts) and counts[0] < counts[-1]


def _counts_up(cells: Sequence[str], *, comma: bool) -> bool:
    values = [number(cell, comma=comma) for cell in cells]
    known = [value for value in values if value is not None and value == value]  # noqa: PLR0124 - not NaN
    if len(known) < _KNOWN * len(cells) or len(known) < 2:  # noqa: PLR2004 - a step
        return False
    return known == sorted(known) and known[0] < known[-1]
