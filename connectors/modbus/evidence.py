"""How much speaks for one reading of registers, in bits. Pure.

A reading of the same words as another kind of number is a hypothesis, and its evidence
is how many bits it saves in telling what was seen:

- **steadiness**: a quantity moves little between two readings; read with the wrong
  order or width the same words seem to jump;
- **sanity**: of all patterns of a float only few are magnitudes that plants have;
- **expectation**: of all patterns only few lie in a range that was expected;
- **habit**: how common the kind is in devices.

Leading words that are 0 prove nothing: registers that nobody uses are 0 too.
"""

from __future__ import annotations

import math
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from connectors.modbus.registers import FLOATS, FORMATS, RegisterType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.modbus.registers import Encoding, Raw

SANE: Final = (1e-4, 1e7)
"""Magnitudes of engineering values, besides 0."""

_WORD_BITS: Final = 16
_INSANE: Final = -20.0
_EMPTY_WORD: Final = 15.0  # of its 16 bits a leading word of 0 proves one
_EMPTY_FLOAT: Final = 4.0  # what a float with an empty low word proves at most
_ROUND_DIGITS: Final = 5
_ROUND_BITS: Final = 9.0
_CHARACTER_BITS: Final = 2.0
_BCD_BITS: Final = 0.678  # per digit: ten of sixteen patterns
_EXPONENTS: Final = {
    RegisterType.FLOAT16: 31,
    RegisterType.FLOAT32: 255,
    RegisterType.FLOAT64: 2047,
}
_DECIMALS: Final = frozenset(
    {RegisterType.BCD16, RegisterType.BCD32, RegisterType.BCD64}
)


def steadiness(encoding: Encoding, raws: Sequence[Raw]) -> float:
    """Return the bits saved by telling each reading as a step from the one before."""
    if encoding.type is RegisterType.STRING:
        same = sum(one == other for one, other in pairwise(raws))
        return float(_WORD_BITS * encoding.words * same)
    places = [_place(encoding, raw) for raw in raws]
    steps = pairwise(places)
    width = _WORD_BITS * encoding.words
    return sum(width - math.log2(2 * abs(b - a) + 1) for a, b in steps)


def sanity(encoding: Encoding, words: Sequence[int], raw: Raw) -> float:
    """Return what the value itself says for its kind, without any expectation."""
    kind = encoding.type
    if isinstance(raw, str):
        return _CHARACTER_BITS * sum(each.isalnum() for each in raw)
    if kind in _DECIMALS:
        return _BCD_BITS * 4 * encoding.words
    if kind not in FLOATS:
        return 0.0
    if raw == 0:
        return 0.0
    if not SANE[0] <= abs(raw) <= SANE[1]:
        return _INSANE
    binades = math.log2(SANE[1] / SANE[0])
    found = math.log2(_EXPONENTS[kind] / binades)
    if float(f"{raw:.{_ROUND_DIGITS}g}") == raw or _is_round32(kind, float(raw)):
        found += _ROUND_BITS
    return min(found, _EMPTY_FLOAT) if 0 in words else found


def expectation(
    encoding: Encoding, words: Sequence[int], low: float, high: float
) -> float:
    """Return what it says that a value lies in `low..high` (raw), when it does."""
    kind, width = encoding.type, float(_WORD_BITS * encoding.words)
    if kind in FLOATS:
        patterns = _float_patterns(encoding, low, high)
    elif kind in _DECIMALS:
        patterns = high - low + 1
        width = math.log2(10) * 4 * encoding.words
    else:
        patterns = high - low + 1
    bits = max(0.0, width - math.log2(max(patterns, 1.0)))
    ordered = words if encoding.word_order == "big" else tuple(reversed(words))
    for word in ordered if kind not in FLOATS else ():
        if word not in (0, 0xFFFF):
            break
        bits -= _EMPTY_WORD
    return max(bits, 0.0)


def _place(encoding: Encoding, raw: Raw) -> int:
    """Return where a number stands among all of its kind, so that steps can be seen."""
    if encoding.type not in FLOATS:
        return int(raw)
    letter = FORMATS[encoding.type]
    width = 8 * struct.calcsize(f">{letter}")
    pattern = int.from_bytes(struct.pack(f">{letter}", raw), "big")
    return pattern if pattern < 1 << (width - 1) else (1 << (width - 1)) - pattern


def _float_patterns(encoding: Encoding, low: float, high: float) -> float:
    """Return how many floats of sane size lie in a range."""
    least = max((high - low) * 1e-4, SANE[0])
    above = _between(encoding, max(low, least), high)
    below = _between(encoding, max(-high, least), -low)
    return above + below + 1


def _between(encoding: Encoding, low: float, high: float) -> float:
    if high < low:
        return 0.0
    try:
        return float(_place(encoding, high) - _place(encoding, low) + 1)
    except (OverflowError, struct.error):
        return float(1 << (_WORD_BITS * encoding.words - 1))


def _is_round32(kind: RegisterType, raw: float) -> bool:
    """Whether a float32 is the nearest to a number of few digits."""
    if kind is not RegisterType.FLOAT32:
        return False
    few = float(f"{raw:.{_ROUND_DIGITS}g}")
    return bool(struct.pack(">f", few) == struct.pack(">f", raw))
