"""Rows of one stream laid out as columns, so that a few bytes say each value.

The first column groups: numbers follow each other by that text (all of one tag, then
all of the next), and each is told as its change from the one before. Nothing is
rounded here: what comes out is what went in.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    Values: TypeAlias = list[Any]

_EXACT = 2**53
_SCALE_MAX = 22
"""Below both, mantissa / 10**scale is the nearest double of the decimal."""
_AS_IT_IS = -1


class Texts(msgspec.Struct, frozen=True, array_like=True):
    """Each text once; `which` of them in each row, or empty where there is but one."""

    known: tuple[str | None, ...]
    which: tuple[int, ...]


class Numbers(msgspec.Struct, frozen=True, array_like=True):
    """Decimals: a scale and a mantissa, or the change of the mantissa, per number.

    A scale of None is no number; one of -1 has the number itself as its mantissa.
    """

    scales: tuple[int | None, ...]
    mantissas: tuple[int | float, ...]


class _Form(Enum):
    TEXT = auto()
    WHOLE = auto()
    NUMBER = auto()
    ANY = auto()


@cache
def _forms(kind: type[msgspec.Struct]) -> tuple[tuple[str, _Form], ...]:
    """Return name and form of each field; asking msgspec takes a while."""
    forms = {
        str: _Form.TEXT, str | None: _Form.TEXT, int: _Form.WHOLE,
        float: _Form.NUMBER, float | None: _Form.NUMBER,
    }  # fmt: skip
    fields = msgspec.structs.fields(kind)
    return tuple((each.name, forms.get(each.type, _Form.ANY)) for each in fields)


def pack(rows: Sequence[msgspec.Struct], kind: type[msgspec.Struct]) -> list[Any]:
    """Return the columns of rows of one kind, ready for msgpack."""
    columns: list[Any] = []
    order: list[int] = []
    for name, form in _forms(kind):
        values = [getattr(row, name) for row in rows]
        match form:
            case _Form.TEXT:
                packed = _texts(values)
                columns.append(packed)
                order = order or _order(packed.which, len(rows))
            case _Form.WHOLE:
                columns.append(_changes([values[place] for place in order]))
            case _Form.NUMBER:
                columns.append(_numbers([values[place] for place in order]))
            case _Form.ANY:
                columns.append(values)
    return columns


def unpack(columns: Sequence[Any], kind: type[msgspec.Struct], count: int) -> Values:
    """Return the `count` rows, each a list of values in the order of the fields.

    Raises:
        ValueError: The columns do not fit together, or not to the kind.
    """
    forms = _forms(kind)
    if len(columns) != len(forms):
        raise ValueError(f"{len(columns)} columns instead of {len(forms)}")
    found: list[Values] = []
    order: list[int] = []
    for (_, form), column in zip(forms, columns, strict=True):
        match form:
            case _Form.TEXT:
                texts = msgspec.convert(column, Texts)
                found.append(_all_texts(texts, count))
                order = order or _order(texts.which, count)
            case _Form.WHOLE:
                values = _sums(msgspec.convert(column, list[int]))
                found.append(_in_place(values, order))
            case _Form.NUMBER:
                numbers = _all_numbers(msgspec.convert(column, Numbers))
                found.append(_in_place(numbers, order))
            case _Form.ANY:
                found.append(msgspec.convert(column, list))
        if len(found[-1]) != count:
            raise ValueError(f"{len(found[-1])} values instead of {count}")
    return [list(row) for row in zip(*found, strict=True)]


def _order(which: Sequence[int], count: int) -> list[int]:
    return sorted(range(count), key=which.__getitem__) if which else list(range(count))


def _in_place(values: Values, order: Sequence[int]) -> Values:
    if len(values) != len(order):
        raise ValueError(f"{len(values)} values instead of {len(order)}")
    placed: Values = [None] * len(values)
    for place, value in zip(order, values, strict=True):
        placed[place] = value
    return placed


def _texts(values: Sequence[str | None]) -> Texts:
    known = {text: place for place, text in enumerate(dict.fromkeys(values))}
    which = () if len(known) == 1 else tuple(known[text] for text in values)
    return Texts(tuple(known), which)


def _all_texts(texts: Texts, count: int) -> Values:
    if not texts.which:
        if len(texts.known) != 1:
            raise ValueError("several texts, and nothing says which")
        return list(texts.known) * count
    if not 0 <= min(texts.which) <= max(texts.which) < len(texts.known):
        raise ValueError("a text that is not there")
    return [texts.known[place] for place in texts.which]


def _changes(values: Sequence[int]) -> list[int]:
    """Return the first value, the first change, then the changes of the change."""
    changes, before, step = [], 0, 0
    for place, value in enumerate(values):
        change = value - before
        changes.append(change - step if place > 1 else change)
        before, step = value, change
    return changes


def _sums(changes: Sequence[int]) -> Values:
    values: Values = []
    before = step = 0
    for place, change in enumerate(changes):
        step = change + (step if place > 1 else 0)
        before += step
        values.append(before)
    return values


def _numbers(values: Sequence[float | None]) -> Numbers:
    scales: list[int | None] = []
    mantissas: list[int | float] = []
    before = before_scale = 0
    for value in values:
        if value is None:
            scales.append(None)
            continue
        scale, mantissa = _decimal(value)
        scales.append(scale)
        if scale == _AS_IT_IS:
            mantissas.append(value)
            continue
        assert isinstance(mantissa, int)
        mantissas.append(mantissa - before if scale == before_scale else mantissa)
        before, before_scale = mantissa, scale
    return Numbers(tuple(scales), tuple(mantissas))


def _all_numbers(numbers: Numbers) -> Values:
    values: Values = []
    before = before_scale = 0
    told = iter(numbers.mantissas)
    for scale in numbers.scales:
        if scale is None:
            values.append(None)
            continue
        mantissa = next(told, None)
        if mantissa is None:
            raise ValueError("more scales than mantissas")
        if scale == _AS_IT_IS:
            values.append(float(mantissa))
            continue
        if not isinstance(mantissa, int) or not 0 <= scale <= _SCALE_MAX:
            raise ValueError("a number that is none")
        mantissa += before if scale == before_scale else 0
        before, before_scale = mantissa, scale
        values.append(mantissa / 10**scale)
    return values


def _decimal(value: float) -> tuple[int, int | float]:
    """Return (scale, mantissa) of the shortest decimal, or (-1, value)."""
    if not math.isfinite(value) or (value == 0.0 and math.copysign(1.0, value) < 0):
        return _AS_IT_IS, value
    digits, _, power = repr(value).partition("e")
    whole, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    scale = len(fraction) - int(power or 0)
    mantissa = int(whole + fraction)
    if scale < 0:
        mantissa, scale = mantissa * 10**-scale, 0
    if abs(mantissa) >= _EXACT or scale > _SCALE_MAX:
        return _AS_IT_IS, value
    return scale, mantissa
