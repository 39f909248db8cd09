"""What registers may mean: every plausible type and order, the likeliest first. Pure.

Nothing here is sure, and nothing is decided: a person sees the live value of each
reading beside what is expected, and chooses. See `evidence.py` for how they are ranked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from connectors.modbus.evidence import expectation, sanity, steadiness
from connectors.modbus.places import ORDERS
from connectors.modbus.registers import (
    BCD,
    FLOATS,
    Encoding,
    Raw,
    RegisterType,
    UndecodableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.modbus.registers import Table


FACTORS: Final = ((1.0, 0.0), (0.1, -0.5), (0.01, -1.0), (0.001, -1.5), (10.0, -4.0))
"""Scalings that devices use, and what habit says for each, in bits."""

_HABIT: Final = {
    RegisterType.UINT16: 0.0,
    RegisterType.INT16: -1.0,
    RegisterType.FLOAT32: -1.0,
    RegisterType.UINT32: -4.0,
    RegisterType.INT32: -5.0,
    RegisterType.FLOAT64: -3.0,
    RegisterType.UINT64: -8.0,
    RegisterType.INT64: -9.0,
    RegisterType.BCD16: -6.0,
    RegisterType.BCD32: -7.0,
    RegisterType.FLOAT16: -10.0,
}
_ORDER_HABIT: Final = {"ABCD": 0.0, "CDAB": -1.0, "BADC": -8.0, "DCBA": -8.0}
_SIGNED: Final = frozenset(
    {RegisterType.INT16, RegisterType.INT32, RegisterType.INT64} | FLOATS
)
_UINT16: Final = Encoding(RegisterType.UINT16)
_SIGN: Final = 1.0
_SWAPPED_WORD: Final = -6.0  # nobody swaps the bytes of one register
_TEXT_HABIT: Final = -4.0
_STEADIER: Final = 6.0  # more would be chance: a step of 256 looks small when swapped
_UNLIKELY: Final = -3.0
_TEXT_WORDS: Final = range(2, 33)


@dataclass(frozen=True, slots=True)
class Expectation:
    """A quantity that must be there, between `low` and `high` now.

    `place` is where, if that is known: device, table and zero-based address.
    """

    name: str
    low: float
    high: float
    engineering_units: str = ""
    place: tuple[int | None, Table, int] | None = None

    def holds(self, values: Sequence[Raw]) -> bool:
        """Say whether every one of these values is as expected."""
        return all(
            not isinstance(value, str) and self.low <= value <= self.high
            for value in values
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read the registers from `address` on; `values` are scaled.

    `bits` is what speaks for it beyond plain unsigned registers. `fits` says whether
    it is as expected (always, if nothing is).
    """

    address: int
    encoding: Encoding
    order: str
    factor: float
    values: tuple[Raw, ...]
    bits: float
    fits: bool = True

    @property
    def end(self) -> int:
        """The address behind the last."""
        return self.address + self.encoding.words

    @property
    def words(self) -> str:
        """Name it as people do: `float32 CDAB`, `uint16 x0.01`."""
        kind = self.encoding.type
        parts = [f"string[{2 * self.encoding.words}]" if self.is_text else str(kind)]
        if self.encoding.words > 1 or self.order == "BADC":
            parts.append(self.order)
        if self.factor != 1.0:
            parts.append(f"x{self.factor:g}")
        return " ".join(parts)

    @property
    def is_likely(self) -> bool:
        """Whether it may be suggested where nobody has said that it is there."""
        return self.bits > _UNLIKELY

    @property
    def is_text(self) -> bool:
        """Whether it is a string."""
        return self.encoding.type is RegisterType.STRING


def candidates(
    readings: Sequence[Mapping[int, int]],
    address: int,
    expected: Expectation | None = None,
) -> tuple[Candidate, ...]:
    """Return every way to read what begins at an address, the likeliest first.

    With an expectation, those that fit stand before all others.
    """
    found = [
        candidate
        for encoding, order in _encodings(readings, address)
        for candidate in _read_as(readings, address, encoding, order, expected)
    ]
    return tuple(sorted(found, key=_rank))


def _rank(candidate: Candidate) -> tuple[bool, float, int]:
    return (not candidate.fits, -candidate.bits, candidate.encoding.words)


@lru_cache(maxsize=1)
def _numbers() -> tuple[tuple[Encoding, str], ...]:
    found: list[tuple[Encoding, str]] = []
    for kind in _HABIT:
        for name, (word_order, byte_order) in ORDERS.items():
            encoding = Encoding(kind, word_order, byte_order)
            if encoding.words > 1 or word_order == "big":
                found.append((encoding, name))
    return tuple(found)


def _encodings(
    readings: Sequence[Mapping[int, int]], address: int
) -> Iterator[tuple[Encoding, str]]:
    last = readings[-1]
    for encoding, order in _numbers():
        if all(at in last for at in range(address, address + encoding.words)):
            yield encoding, order
    for order in ("ABCD", "BADC"):
        count = _text_words(last, address, swapped=order == "BADC")
        if count in _TEXT_WORDS:
            word_order, byte_order = ORDERS[order]
            text = Encoding(
                RegisterType.STRING, word_order, byte_order, registers=count
            )
            yield text, order


def _text_words(words: Mapping[int, int], address: int, *, swapped: bool) -> int:
    """Return how many registers from an address on look like a text."""
    count, ended = 0, False
    while address + count in words and count < _TEXT_WORDS.stop - 1:
        high, low = divmod(words[address + count], 256)
        pair = (low, high) if swapped else (high, low)
        if ended and any(pair):
            break
        if not ended and not all(_is_of_text(each) or not each for each in pair):
            break
        if not count and not all(_is_of_text(each) for each in pair):
            break
        if pair[0] == 0 and pair[1]:
            break
        if ended or not pair[0]:
            break  # what follows the end is padding, or something else
        ended = not pair[1]
        count += 1
    return count


def _is_of_text(byte: int) -> bool:
    return (chr(byte).isalnum() and byte < 0x80) or chr(byte) in " -_./:()"  # noqa: PLR2004 - ASCII


def _read_as(
    readings: Sequence[Mapping[int, int]],
    address: int,
    encoding: Encoding,
    order: str,
    expected: Expectation | None,
) -> Iterator[Candidate]:
    span = range(address, address + encoding.words)
    told = [tuple(words[at] for at in span) for words in readings]
    try:
        raws = [encoding.decode(words) for words in told]
    except UndecodableError:
        return
    if any(not isinstance(raw, str) and not math.isfinite(raw) for raw in raws):
        return
    habit = _habit(encoding, order, expected)
    plain = sum(
        steadiness(_UINT16, [words[at] for words in told]) for at in range(len(span))
    )
    seen = min(steadiness(encoding, raws) - plain, _STEADIER)
    sane = sanity(encoding, told[-1], raws[-1])
    bits = habit + seen + sane
    if expected is None or encoding.type is RegisterType.STRING:
        fits = expected is None
        yield Candidate(address, encoding, order, 1.0, tuple(raws), bits, fits=fits)
        return
    for factor, usual in FACTORS:
        if factor != 1.0 and encoding.type in FLOATS:
            continue
        values = tuple(_scaled(raw, factor) for raw in raws)
        fits = expected.holds(values)
        low, high = expected.low / factor, expected.high / factor
        said = expectation(encoding, told[-1], low, high) if fits else 0.0
        yield Candidate(
            address, encoding, order, factor, values, bits + usual + said, fits=fits
        )


def _habit(encoding: Encoding, order: str, expected: Expectation | None) -> float:
    if encoding.type is RegisterType.STRING:
        return _TEXT_HABIT + _ORDER_HABIT[order]
    bits = _HABIT[encoding.type] + _ORDER_HABIT[order]
    if encoding.words == 1 and order == "BADC":
        bits += _SWAPPED_WORD
    if encoding.type in BCD:
        return bits
    if expected is not None and expected.low < 0 and encoding.type not in FLOATS:
        bits += 2 * _SIGN if encoding.type in _SIGNED else -_SIGN
    return bits


def _scaled(raw: Raw, factor: float) -> float:
    assert not isinstance(raw, str)
    # Twelve digits: 852 * 0.1 shall read 85.2.
    return float(f"{raw * factor:.12g}")
