"""Whether two spellings mean the same engineering unit. Pure."""

from __future__ import annotations

import unicodedata
from typing import Final

_SAME: Final = (
    ("degC", "CEL", "celsius", "degree celsius", "C"),
    ("degF", "FAH", "fahrenheit", "degree fahrenheit", "F"),
    ("K", "KEL", "kelvin"),
    ("rpm", "1/min", "min-1", "r/min", "rev/min", "u/min"),
    ("Hz", "HZ", "HTZ", "hertz", "1/s", "s-1"),
    ("%", "P1", "pct", "percent"),
    ("m3/h", "MQH", "m3/hr", "cbm/h", "cubic metre per hour"),
    ("m3/s", "MQS"),
    ("l/min", "L2", "lpm", "ltr/min"),
    ("l/s", "G51", "lps"),
    ("mm/s", "C16", "millimetre per second"),
    ("m/s", "MTS", "metre per second"),
    ("m/s2", "MSK", "metre per second squared"),
    ("A", "AMP", "ampere"),
    ("V", "VLT", "volt"),
    ("W", "WTT", "watt"),
    ("kW", "KW", "KWT", "kilowatt"),
    ("kWh", "KWH", "kilowatt hour"),
    ("Pa", "PAL", "pascal"),
    ("kPa", "KPA", "kilopascal"),
    ("bar", "bars"),
    ("mbar", "MBR", "millibar"),
    ("h", "HUR", "hr", "hour", "hours"),
    ("s", "SEC", "second", "seconds"),
    ("min", "minute", "minutes"),
    ("mm", "MM", "MMT", "millimetre"),
    ("m", "MTR", "metre", "meter"),
    ("um", "4H", "micron", "micrometre"),
    ("Nm", "NU", "newton metre"),
    ("kg", "KG", "KGM", "kilogram"),
)
"""Spellings by unit: ours, the UNECE code (Recommendation 20), and what PLCs say."""

_CASE_COUNTS = 2  # in so short a spelling: s is a second, and S a siemens
_EXACT: Final = {spelling: row[0] for row in _SAME for spelling in row}
_ANY_CASE: Final = {
    spelling.lower(): unit
    for spelling, unit in _EXACT.items()
    if len(spelling) > _CASE_COUNTS
}
_WRITTEN: Final = str.maketrans(
    {"^": None, "*": None, "\u00b7": None, "\u22c5": None, "\u03bc": "u", "\u2212": "-"}
)


def same_unit(one: str, other: str) -> bool:
    """Whether both are the same unit, as far as their spelling tells.

    >>> same_unit("1/min", "rpm"), same_unit("CEL", "degC"), same_unit("bar", "psi")
    (True, True, False)
    """
    return one == other or _meaning(one) == _meaning(other)


def _meaning(unit: str) -> str:
    plain = unicodedata.normalize("NFKC", unit.strip().replace("\u00b0", "deg"))
    plain = plain.translate(_WRITTEN)
    exact = _EXACT.get(plain)
    if exact is not None or len(plain) <= _CASE_COUNTS:
        return exact or plain
    if plain[0] == "M" and plain[1].islower():  # mega is not milli
        return plain
    return _ANY_CASE.get(plain.lower(), plain)
