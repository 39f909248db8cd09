"""Columns of int64 as few bytes, exactly: predict, take the rest, split into planes.

The unit all values share (µs in a column of ns) is divided out first. Arithmetic is
modulo 2**64, so every column survives, whatever it holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from appliance.storage.packing import DamagedError

if TYPE_CHECKING:
    from appliance.storage.packing import Packer, Unpacker

Integers: TypeAlias = NDArray[np.int64]

_RAW, _DELTA, _DELTA_OF_DELTA, _LINE = range(4)
_HEADS = {_RAW: 0, _DELTA: 0, _DELTA_OF_DELTA: 1, _LINE: 1}
_WORD_BYTES = 8
_LARGEST_DIVISOR = 2**62


def pack_integers(out: Packer, column: Integers) -> None:
    """Append a column; the reader must know its length."""
    if len(column) == 0:
        return
    out.signed(int(column[0]))
    from_first = column - column[:1]
    divisor = _common_divisor(from_first)
    out.number(divisor)
    if divisor == 0:
        return
    units = from_first // divisor
    method, rest = min(
        ((method, _rest(units, method)) for method in _methods(len(units))),
        key=lambda candidate: _cost(candidate[1]),
    )
    out.number(method)
    for head in _heads(units, method):
        out.signed(head)
    _pack_rest(out, rest)


def unpack_integers(source: Unpacker, rows: int) -> Integers:
    """Return a column of that length.

    Raises:
        DamagedError: Not what `pack_integers` writes.
    """
    if rows == 0:
        return np.empty(0, np.int64)
    first = np.full(rows, _wrapped(source.signed()), np.int64)
    divisor = source.number()
    if divisor == 0:
        return first
    if divisor >= _LARGEST_DIVISOR:
        raise DamagedError("integers with an impossible divisor")
    return first + _unpack_units(source, rows) * np.int64(divisor)


def _unpack_units(source: Unpacker, rows: int) -> Integers:
    method = source.number()
    if method not in _HEADS or rows <= _HEADS[method]:
        raise DamagedError(f"integers of the unknown method {method}")
    heads = [_wrapped(source.signed()) for _ in range(_HEADS[method])]
    if method == _RAW:
        return _unpack_rest(source, rows)
    if method == _LINE:
        return _unpack_rest(source, rows) + _line(heads[0], rows)
    rest = _unpack_rest(source, rows - len(heads) - 1)
    for head in reversed(heads):
        rest = _summed(rest, head)
    return _summed(rest, 0)


def _methods(rows: int) -> tuple[int, ...]:
    return (_RAW, _DELTA, _DELTA_OF_DELTA, _LINE) if rows > 2 else (_RAW,)  # noqa: PLR2004 - a head is two


def _common_divisor(from_first: Integers) -> int:
    """Return the unit of the column: 0 of a constant one, 1 where there is none."""
    divisor = int(np.gcd.reduce(np.abs(from_first).view(np.uint64)))
    return divisor if divisor < _LARGEST_DIVISOR else 1


def _heads(units: Integers, method: int) -> tuple[int, ...]:
    if method == _DELTA_OF_DELTA:
        return (int(units[1]),)
    return (int(units[-1]),) if method == _LINE else ()


def _rest(units: Integers, method: int) -> Integers:
    if method == _DELTA:
        return np.diff(units)
    if method == _DELTA_OF_DELTA:
        return np.diff(units, 2)
    return units - _line(int(units[-1]), len(units)) if method == _LINE else units


def _line(last: int, rows: int) -> Integers:
    """Return the straight line from 0 to the last point."""
    whole, part = divmod(last, rows - 1)
    steps = np.arange(rows, dtype=np.int64)
    return steps * np.int64(whole) + steps * np.int64(part) // (rows - 1)


def _summed(steps: Integers, first: int) -> Integers:
    return np.cumsum(np.concatenate((np.array([first], np.int64), steps)))


def _cost(rest: Integers) -> float:
    """Return about how many bits a value of the rest takes."""
    spread = np.abs((rest - _middle(rest)).astype(np.float64))
    return float(np.log2(spread + 1).mean())


def _middle(rest: Integers) -> Integers:
    """Return the median, as a column of one: numpy warns where scalars wrap."""
    half = len(rest) // 2
    return np.partition(rest, half)[half : half + 1]


def _pack_rest(out: Packer, rest: Integers) -> None:
    """Append middle and width, then one block per byte plane."""
    middle = _middle(rest)
    offset = rest - middle
    folded = ((offset << 1) ^ (offset >> 63)).view(np.uint64)
    width = (int(folded.max()).bit_length() + 7) // 8
    out.signed(int(middle[0]))
    out.number(width)
    planes = folded.view(np.uint8).reshape(-1, _WORD_BYTES)
    for plane in range(width):
        out.block(planes[:, plane].tobytes())


def _unpack_rest(source: Unpacker, rows: int) -> Integers:
    middle, width = _wrapped(source.signed()), source.number()
    if width > _WORD_BYTES:
        raise DamagedError("integers with an impossible width")
    planes = np.zeros((rows, _WORD_BYTES), np.uint8)
    for plane in range(width):
        planes[:, plane] = np.frombuffer(source.block(rows), np.uint8)
    folded = planes.reshape(-1).view(np.uint64)
    half = (folded >> np.uint64(1)).view(np.int64)
    sign = -(folded & np.uint64(1)).view(np.int64)
    return (half ^ sign) + np.full(rows, middle, np.int64)


def _wrapped(value: int) -> int:
    """Return the value modulo 2**64 as a signed word."""
    return (value + 2**63) % 2**64 - 2**63
