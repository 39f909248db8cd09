"""Cells of an export to times and values: pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST_NS = 2**63

_TIME_NAMES = ("timestamp", "datetime", "date_time", "time", "date", "ts", "t")

_FORMATS = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M")

_WORDS = {"true": 1.0, "on": 1.0, "false": 0.0, "off": 0.0}


class NoTimeError(ValueError):
    """The cell holds no time; the message shows it."""


def time_ns(cell: object, time_format: str | None = None) -> int:
    """Return nanoseconds since 1970; a time without a zone is UTC.

    Understands ISO 8601, `31.12.2026 23:59:59`, and seconds, milliseconds,
    microseconds or nanoseconds since 1970 (told apart by their size).

    Raises:
        NoTimeError: Not a time, or not after 1970.
    """
    if isinstance(cell, str):
        found = _of_text(cell.strip(), time_format)
    elif isinstance(cell, datetime):
        found = _of_datetime(cell)
    elif isinstance(cell, date):
        found = _of_datetime(datetime(cell.year, cell.month, cell.day, tzinfo=UTC))
    elif isinstance(cell, int | float):
        found = _of_number(str(cell))
    else:
        found = None
    if found is None or not 0 < found < _LATEST_NS:
        raise NoTimeError(f"{cell!r} is not a time")
    return found


def value_of(cell: object, *, decimal_comma: bool) -> float | None:
    """Return the number in a cell, NaN for what is none, None for an empty cell."""
    if cell is None:
        return None
    if isinstance(cell, int | float | Decimal):
        return float(cell)
    text = str(cell).strip()
    if not text:
        return None
    if decimal_comma and "," in text:
        text = text.replace(".", "").replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return _WORDS.get(text.lower(), float("nan"))


def find_time_column(
    header: Sequence[str], row: Sequence[object], time_format: str | None = None
) -> int | None:
    """Return which column holds the time, told by its name or by what is in it.

    A column that merely holds numbers is taken only by its name.
    """
    lowered = [name.strip().lower() for name in header]
    named = [lowered.index(name) for name in _TIME_NAMES if name in lowered]
    others = [
        at for at, cell in enumerate(row) if at not in named and not _is_number(cell)
    ]
    for at in (*named, *others):
        if at < len(row) and _is_time(row[at], time_format):
            return at
    return None


def _is_time(cell: object, time_format: str | None) -> bool:
    try:
        time_ns(cell, time_format)
    except NoTimeError:
        return False
    return True


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True


def _of_text(text: str, time_format: str | None) -> int | None:
    if time_format is not None:
        return _of_format(text, time_format)
    if _is_number(text):
        return _of_number(text)
    try:
        return _of_datetime(datetime.fromisoformat(text))
    except ValueError:
        pass
    for each in _FORMATS:
        found = _of_format(text, each)
        if found is not None:
            return found
    return None


def _of_format(text: str, time_format: str) -> int | None:
    try:
        return _of_datetime(datetime.strptime(text, time_format))  # noqa: DTZ007 - the zone is set below
    except ValueError:
        return None


def _of_datetime(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND * 1000


def _of_number(text: str) -> int | None:
    """Return nanoseconds of a count since 1970, whose size tells its unit."""
    try:
        count = Decimal(text)
    except InvalidOperation:
        return None
    if not count.is_finite() or count <= 0:
        return None
    for digits, unit_ns in ((11, 10**9), (14, 10**6), (17, 10**3)):
        if count.adjusted() < digits:
            return int(count * unit_ns)
    return int(count) if count < _LATEST_NS else None
