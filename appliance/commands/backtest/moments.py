"""Cells of an export to moments: the way a whole column writes its times. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_LATEST_NS = 1 << 62
_YEAR_DIGITS = 4
_NEARLY_ALL = 0.9  # of the cells: a footer or a torn line is no other notation
_PIVOT_YEAR = 70
_MONTHS = (
    "jan", "feb", "mar", "apr", "may", "jun",
    "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip

_CLOCK = (
    r"(?P<h>\d{1,2}):(?P<mi>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d+))?)?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?"
)
_ZONE = r"(?:\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2}))?"
_DATE = (
    r"(?P<a>\d{1,4})(?P<mark>[-./ ])(?P<b>\d{1,2}|[A-Za-z]{3})(?P=mark)(?P<c>\d{1,4})"
)
_MOMENT = re.compile(rf"{_DATE}(?:(?:\s*[T,]\s*|\s+){_CLOCK}{_ZONE})?")
_TIME_OF_DAY = re.compile(_CLOCK)
_COMPACT = re.compile(
    r"(\d{4})(\d\d)(\d\d)[T_ ]?(\d\d)(\d\d)(\d\d)(?:[.,](\d+))?" + _ZONE
)


class NoMomentError(ValueError):
    """The cell holds no time."""


@dataclass(frozen=True, slots=True)
class Notation:
    """How a column writes its times: a sentence for people, and the reading of it."""

    words: str
    read: Callable[[str], int]


def notations() -> tuple[Notation, ...]:
    """Return every way to write a moment, the likeliest first."""
    return (
        Notation("ISO 8601", _iso),
        Notation("year first", lambda cell: _calendar(cell, "ymd")),
        Notation("day first", lambda cell: _calendar(cell, "dmy")),
        Notation("month first", lambda cell: _calendar(cell, "mdy")),
        Notation("digits, year first", _compact),
        Notation("a count since 1970", _count),
    )


def notations_of(cells: Sequence[str]) -> list[Notation]:
    """Return the notations in which nearly all cells are moments (none for none)."""
    enough = _NEARLY_ALL * len(cells)
    return [each for each in notations() if cells and _readable(each, cells) >= enough]


def most_regular(fitting: Sequence[Notation], cells: Sequence[str]) -> Notation:
    """Return the notation that makes time go forward most evenly; on a tie the first.

    So 01/02/2026 is told: read the wrong way, time jumps to and fro by months.
    """

    def roughness(each: Notation) -> tuple[int, int, int]:
        read = [moment_ns(each, cell) for cell in cells]
        times_ns = [time_ns for time_ns in read if time_ns is not None]
        steps = [b - a for a, b in pairwise(times_ns)]
        backwards = sum(step < 0 for step in steps)
        return (
            len(cells) - len(times_ns),
            min(backwards, len(steps) - backwards),
            max(map(abs, steps), default=0),
        )

    return min(fitting, key=roughness)


def moment_ns(notation: Notation, cell: str) -> int | None:
    """Return the nanoseconds since 1970; None where the cell holds no such moment."""
    try:
        time_ns = notation.read(cell)
    except NoMomentError:
        return None
    return time_ns if abs(time_ns) < _LATEST_NS else None


def is_date_only(cell: str) -> bool:
    """Say whether a cell is a day without a time."""
    found = _MOMENT.fullmatch(cell.strip())
    return found is not None and found["h"] is None


def is_time_of_day(cell: str) -> bool:
    """Say whether a cell is a time without a day."""
    return _TIME_OF_DAY.fullmatch(cell.strip()) is not None


def unit_ns_of(name: str) -> int:
    """Return the unit a column of elapsed time counts in, by its name; else seconds."""
    low = name.lower()
    found = re.search(
        r"(?:^|[\W_])(ns|us|µs|ms|min|minutes?|h|hours?|d|days?)\W*$", low
    )
    unit = found[1] if found else "s"
    if unit.startswith("min"):
        return 60 * _NS
    lengths = {"n": 1, "u": 1000, "µ": 1000, "m": 1_000_000, "h": 3600, "d": 86_400}
    length = lengths.get(unit[0], _NS)
    return length * _NS if unit[0] in "hd" else length


def _readable(notation: Notation, cells: Sequence[str]) -> int:
    return sum(moment_ns(notation, cell) is not None for cell in cells)


def _iso(cell: str) -> int:
    text = cell.strip()
    if not (len(text) >= 10 and text[4] == "-"):  # noqa: PLR2004 - 2026-11-21
        raise NoMomentError
    try:
        return _since_1970(datetime.fromisoformat(text))
    except ValueError as error:
        raise NoMomentError from error


def _calendar(cell: str, order: str) -> int:
    found = _MOMENT.fullmatch(cell.strip())
    if found is None:
        raise NoMomentError
    parts = dict(zip(order, (found["a"], found["b"], found["c"]), strict=True))
    full = len(parts["y"]) == _YEAR_DIGITS
    if (order == "ymd" and not full) or (order == "mdy" and found["mark"] == "."):
        raise NoMomentError  # 26.01.20 is a day of 2020
    try:
        year = _year(parts["y"])
        day = datetime(year, _month(parts["m"]), int(parts["d"]), tzinfo=UTC)
        within_ns = 0 if found["h"] is None else _of_clock(found)
        shift = _zone(found["zone"])
    except (ValueError, OverflowError) as error:
        raise NoMomentError from error
    return _since_1970(day) + within_ns - shift


def _year(text: str) -> int:
    if len(text) == _YEAR_DIGITS:
        return int(text)
    if len(text) == 2:  # noqa: PLR2004 - two digits of a year
        return int(text) + (1900 if int(text) >= _PIVOT_YEAR else 2000)
    raise NoMomentError


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS.index(text.lower()) + 1


def time_of_day_ns(cell: str) -> int:
    """Return the nanoseconds since midnight.

    Raises:
        NoMomentError: Not a time of day.
    """
    found = _TIME_OF_DAY.fullmatch(cell.strip())
    if found is None:
        raise NoMomentError
    return _of_clock(found)


def _of_clock(found: re.Match[str]) -> int:
    hour, minute, second = int(found["h"]), int(found["mi"]), int(found["s"] or 0)
    if found["half"] is not None:
        hour = hour % 12 + (12 if found["half"] in "pP" else 0)
    if hour > 24 or minute > 59 or second > 60:  # noqa: PLR2004 - a clock's numbers
        raise NoMomentError
    fraction = (found["f"] or "")[:9].ljust(9, "0")
    return (hour * 3600 + minute * 60 + second) * _NS + int(fraction)


def _zone(text: str | None) -> int:
    if text is None or text in ("Z", "UTC", "GMT"):
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if text[0] == "-" else minutes) * 60 * _NS


def _compact(cell: str) -> int:
    found = _COMPACT.fullmatch(cell.strip())
    if found is None:
        raise NoMomentError
    try:
        moment = datetime(*(int(found[n]) for n in range(1, 7)), tzinfo=UTC)  # type: ignore[misc,arg-type] # six numbers: year to second
    except ValueError as error:
        raise NoMomentError from error
    fraction = (found[7] or "")[:9].ljust(9, "0")
    return _since_1970(moment) + int(fraction) - _zone(found["zone"])


def _count(cell: str) -> int:
    """Return the moment of a count whose size tells its unit (2001 and later)."""
    try:
        count = Decimal(cell.strip().replace(",", "."))
    except InvalidOperation as error:
        raise NoMomentError from error
    if not count.is_finite() or count < _NS:
        raise NoMomentError
    for digits, unit_ns in ((11, _NS), (14, 1_000_000), (17, 1000)):
        if count.adjusted() < digits:
            return int(count * unit_ns)
    if count >= _LATEST_NS:
        raise NoMomentError
    return int(count)


def _since_1970(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - _EPOCH
    whole = since // _SECOND
    return whole * _NS + (since - whole * _SECOND).microseconds * 1000
