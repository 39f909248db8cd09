"""Columns of float64 as few bytes, bit for bit: NaN payloads and -0.0 included.

Instruments count: their values lie on a grid, `step * k + offset`. Such a column is
kept as the integers, plus how many representable numbers each value lies beside its
grid point (mostly none), plus the rows that are not on the grid at all. A column
that knows few values becomes a dictionary. Everything else is kept as its bits,
mapped so that neighbours in value are neighbours as integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from appliance.storage.integers import pack_integers, unpack_integers
from appliance.storage.packing import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.storage.integers import Integers
    from appliance.storage.packing import Packer, Unpacker

Floats: TypeAlias = NDArray[np.float64]

_BITS, _WORDS, _DIVIDED, _MULTIPLIED = range(4)
_DECIMALS = 9
_WORDS_MAX = 256
_PROBE_ROWS = 48
_GRID_POINTS_MAX = 2.0**40
_BESIDE_MAX = 2**12
_STRAYS_PART = 8  # at most one row in eight may lie beside the grid
_FINER = (1, 2, 3)  # the nearest levels seen may lie two or three steps apart
_MAGNITUDE = np.int64(2**63 - 1)


@dataclass(frozen=True, slots=True)
class _Grid:
    """`value = k / step` (divided) or `value = k * step + offset`."""

    step: float
    offset: float = 0.0
    divided: bool = False

    def nearest(self, values: Floats) -> Floats:
        if self.divided:
            return np.rint(values * self.step)
        return np.rint((values - self.offset) / self.step)

    def at(self, points: Floats) -> Floats:
        if self.divided:
            return points / self.step
        return points * self.step + self.offset


def pack_floats(out: Packer, column: Floats) -> None:
    """Append a column; the reader must know its length."""
    words = _ordered(column)
    packed = [_packed_bits(out.child(), words)]
    unique = np.unique(words)
    if 1 < len(unique) <= min(_WORDS_MAX, len(words) // 2):
        packed.append(_packed_words(out.child(), words, unique))
    if len(unique) > 1:
        grid = _grid_of(column[np.isfinite(column)])
        on_grid = None if grid is None else _packed_grid(out.child(), column, grid)
        packed += [on_grid] if on_grid is not None else []
    out.extend(min(packed, key=len))


def unpack_floats(source: Unpacker, rows: int) -> Floats:
    """Return a column of that length.

    Raises:
        DamagedError: Not what `pack_floats` writes.
    """
    kind = source.number()
    if kind == _BITS:
        return _floats(unpack_integers(source, rows))
    if kind == _WORDS:
        size = source.number()
        if size > rows:
            raise DamagedError("a dictionary of more words than rows")
        dictionary = unpack_integers(source, size)
        chosen = unpack_integers(source, rows)
        if len(chosen) and not 0 <= chosen.min() <= chosen.max() < len(dictionary):
            raise DamagedError("a dictionary is too short")
        return _floats(dictionary[chosen])
    if kind in {_DIVIDED, _MULTIPLIED}:
        return _unpacked_grid(source, rows, divided=kind == _DIVIDED)
    raise DamagedError(f"floats of the unknown kind {kind}")


def _packed_bits(out: Packer, words: Integers) -> bytes:
    out.number(_BITS)
    pack_integers(out, words)
    return out.content()


def _packed_words(out: Packer, words: Integers, unique: Integers) -> bytes:
    out.number(_WORDS)
    out.number(len(unique))
    pack_integers(out, unique)
    pack_integers(out, np.searchsorted(unique, words).astype(np.int64))
    return out.content()


def _packed_grid(out: Packer, column: Floats, grid: _Grid) -> bytes | None:
    """Return the packed column, or None where too much lies beside the grid."""
    points, beside = _fit(grid, column)
    stray = np.abs(beside) > _BESIDE_MAX
    if stray.sum() * _STRAYS_PART > len(column):
        return None
    places = np.flatnonzero(stray).astype(np.int64)
    points[stray], beside[stray] = points[~stray][0], 0
    out.number(_DIVIDED if grid.divided else _MULTIPLIED)
    out.extend(np.array([grid.step, grid.offset]).tobytes())
    pack_integers(out, points.astype(np.int64))
    pack_integers(out, beside)
    out.number(len(places))
    pack_integers(out, places)
    pack_integers(out, _ordered(column[places]))
    return out.content()


def _unpacked_grid(source: Unpacker, rows: int, *, divided: bool) -> Floats:
    step, offset = np.frombuffer(source.take(16), np.float64).tolist()
    grid = _Grid(step, offset, divided)
    points = unpack_integers(source, rows).astype(np.float64)
    beside = unpack_integers(source, rows)
    with np.errstate(all="ignore"):
        words = _ordered(grid.at(points)) + beside
    strays = source.number()
    if strays > rows:
        raise DamagedError("more strays than rows")
    places = unpack_integers(source, strays)
    if len(places) and not 0 <= places.min() <= places.max() < rows:
        raise DamagedError("a stray lies outside its column")
    words[places] = unpack_integers(source, strays)
    return _floats(words)


def _fit(grid: _Grid, column: Floats) -> tuple[Floats, Integers]:
    """Return each row's grid point, and how many floats it lies beside it.

    A row that cannot lie on the grid gets a distance that is refused.
    """
    with np.errstate(all="ignore"):
        points = grid.nearest(column)
        usable = np.abs(points) < _GRID_POINTS_MAX
        points = np.where(usable, points, 0.0) + 0.0  # no -0.0
        beside = _ordered(column) - _ordered(grid.at(points))
    return points, np.where(usable, beside, np.int64(2 * _BESIDE_MAX))


def _grid_of(values: Floats) -> _Grid | None:
    if len(values) < 2:  # noqa: PLR2004 - two points make a step
        return None
    probe = values[:: max(1, len(values) // _PROBE_ROWS)]
    for grid in _candidates(values):
        _, beside = _fit(grid, probe)
        if (np.abs(beside) <= _BESIDE_MAX).mean() > 1 - 1 / _STRAYS_PART:
            return grid
    return None


def _candidates(values: Floats) -> Iterator[_Grid]:
    """Yield decimal grids, coarse first, then the grid the values themselves show."""
    for digits in range(_DECIMALS + 1):
        yield _Grid(10.0**digits, divided=True)
    levels = np.unique(values)
    if len(levels) < 2:  # noqa: PLR2004 - two points make a step
        return
    with np.errstate(all="ignore"):
        span = levels[-1] - levels[0]
        steps = np.rint(span / np.diff(levels).min())
    if not 0 < steps < _GRID_POINTS_MAX:
        return
    for finer in _FINER:
        step = float(span / (steps * finer))
        yield _Grid(step)
        yield _Grid(step, offset=float(levels[0]))


def _ordered(column: Floats) -> Integers:
    """Map bits to integers that are ordered as the values are; its own inverse."""
    bits = np.ascontiguousarray(column).view(np.int64)
    return bits ^ ((bits >> 63) & _MAGNITUDE)


def _floats(words: Integers) -> Floats:
    return (words ^ ((words >> 63) & _MAGNITUDE)).view(np.float64)
