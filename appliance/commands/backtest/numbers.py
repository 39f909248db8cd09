"""Cells of an export to numbers: a whole column at a time. Pure."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STATES = {
    "true": 1.0, "on": 1.0, "yes": 1.0, "open": 1.0,
    "false": 0.0, "off": 0.0, "no": 0.0, "closed": 0.0,
}  # fmt: skip
"""Words that are numbers: a contact is closed or open, a motor on or off."""

MISSING = frozenset((
    "", "-", "--", "---", "?", ".", "*", "nan", "na", "n/a", "#n/a", "#na", "nil",
    "null", "none", "missing", "no data", "nodata", "bad", "bad input", "bad data",
    "i/o timeout", "comm fail", "not connect", "scan off", "shutdown", "pt created",
    "configure", "inf", "+inf", "-inf", "infinity", "-infinity", "#value!", "#div/0!",
    "#num!", "1.#qnan", "1.#ind", "-1.#ind", "unknown", "(null)", "<null>",
))  # fmt: skip
"""How exports spell that there is no value."""

_COMMA = re.compile(r"[+-]?\d[\d.' \u00a0\u202f]*,\d+(?:[eE][+-]?\d+)?|[+-]?,\d+")
_POINT = re.compile(r"[+-]?\d[\d,' \u00a0\u202f]*\.\d+(?:[eE][+-]?\d+)?|[+-]?\.\d+")
_GROUPS = str.maketrans("", "", "' \u00a0\u202f")
_ODD = re.compile(r"[^0-9eE.,+\-' \u00a0\u202f]")


class Cells(NamedTuple):
    """Numbers of some cells (NaN: missing), and where a word stood instead."""

    values: list[float]
    words: tuple[int, ...] = ()


def has_decimal_comma(cells: Iterable[str]) -> bool:
    """Say whether 1,5 is one and a half in this file; a point would be seen more."""
    commas = points = 0
    for cell in cells:
        text = cell.strip()
        commas += _COMMA.fullmatch(text) is not None
        points += _POINT.fullmatch(text) is not None
    return commas > points


def number(cell: str, *, comma: bool) -> float | None:
    """Return the number in a cell, NaN where it is missing, None for a word.

    >>> number("1.234,5", comma=True)
    1234.5
    >>> number("Bad", comma=False)
    nan
    """
    text = cell.strip()
    low = text.lower()
    if low in MISSING:
        return math.nan
    if low in STATES:
        return STATES[low]
    if _ODD.search(text):
        return None
    plain = text.translate(_GROUPS)
    plain = plain.replace(".", "").replace(",", ".") if comma else plain
    try:
        return _finite(float(plain.replace(",", "")))
    except ValueError:
        return None


def column(cells: Sequence[str], *, comma: bool) -> Cells:
    """Return the numbers of a column's cells."""
    if not comma:
        try:
            values = list(map(float, cells))
        except ValueError:
            pass
        else:
            return Cells([_finite(value) for value in values])
    found = [number(cell, comma=comma) for cell in cells]
    words = tuple(at for at, value in enumerate(found) if value is None)
    return Cells([math.nan if value is None else value for value in found], words)


def _finite(value: float) -> float:
    return value if math.isfinite(value) else math.nan
