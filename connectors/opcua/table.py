"""The records of one notification as columns, straight from the bytes. Pure.

Records that share encoding mask and type have one size, so a run of them is a table
that numpy reads where it lies. Runs are found by looking at mask and type alone; short
ones are gathered by layout, and what has no fixed size is walked over record by record
(`Columns.loose`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from connectors.opcua import wirescan as wire
from connectors.opcua.values import EXACT_IN_A_FLOAT
from connectors.opcua.wirescan import MalformedMessageError, Scan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from appliance.domain.batch import StatusColumn, TimeColumn, ValueColumn
    from connectors.opcua.published import Records

_MASK_AT, _KIND_AT = 4, 5
_SHORT = 8  # records that are looked at one by one before numpy pays
_WIDER = 8
_UNIX_EPOCH = 116_444_736_000_000_000  # ticks of 100 ns from 1601 to 1970
_FIRST_TICKS = _UNIX_EPOCH + 10  # a microsecond, the least that a datetime can say
_LAST_TICKS = _UNIX_EPOCH + (2**63 - 1) // 100

NUMBERS = {
    wire.BOOLEAN: "u1", wire.SBYTE: "i1", wire.BYTE: "u1", wire.INT16: "<i2",
    wire.UINT16: "<u2", wire.INT32: "<i4", wire.UINT32: "<u4", wire.INT64: "<i8",
    wire.UINT64: "<u8", wire.FLOAT: "<f4", wire.DOUBLE: "<f8",
}  # fmt: skip
_EXACT = {wire.INT64, wire.UINT64}

_Run: TypeAlias = tuple[int, int, int]
"""First row, where it begins in the body, how many records."""


@dataclass(frozen=True, slots=True)
class Loose:
    """A record whose Variant lies in the body from `start` to `end`."""

    row: int
    start: int
    end: int


@dataclass(slots=True)
class Columns:
    """One row per record. A row is a number, or in `missing`, `exact` or `loose`.

    `source` and `server` are ticks of 100 ns since 1601, 0 where there is no time.
    `exact` has the integers that no float could hold.
    """

    handle: NDArray[np.uint32]
    status: StatusColumn
    value: ValueColumn
    source: TimeColumn
    server: TimeColumn
    missing: NDArray[np.bool_]
    exact: dict[int, int] = field(default_factory=dict)
    loose: list[Loose] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """What a record of this mask and type looks like; `key` is how it shows."""

    key: bytes
    kind: int
    stride: int
    record: np.dtype[np.void]


def columns_of(body: bytes, parts: Sequence[Records]) -> Columns:
    """Return the records of all parts as columns, in their order.

    Raises:
        MalformedMessageError: They are not what they claim to be.
    """
    columns = _empty(sum(part.count for part in parts))
    runs: dict[_Layout, list[_Run]] = {}
    row = 0
    for part in parts:
        scan = Scan(body, part.start, part.end)
        last = row + part.count
        while row < last:
            row += _advance(scan, columns, runs, row=row, most=last - row)
    for layout, found in runs.items():
        _fill(columns, body, layout, found)
    return columns


def times_ns(ticks: TimeColumn) -> TimeColumn:
    """Return nanoseconds since 1970, exact; 0 where there is no plausible time."""
    plausible = (ticks >= _FIRST_TICKS) & (ticks <= _LAST_TICKS)
    return np.where(plausible, ticks - _UNIX_EPOCH, 0) * 100


def _empty(rows: int) -> Columns:
    return Columns(
        handle=np.zeros(rows, np.uint32),
        status=np.zeros(rows, np.uint32),
        value=np.full(rows, np.nan),
        source=np.zeros(rows, np.int64),
        server=np.zeros(rows, np.int64),
        missing=np.zeros(rows, np.bool_),
    )


def _advance(
    scan: Scan,
    columns: Columns,
    runs: dict[_Layout, list[_Run]],
    *,
    row: int,
    most: int,
) -> int:
    """Take up what comes next: a run, or one loose record. Return how many."""
    layout = _layout_at(scan)
    if layout is None:
        _read_loose(scan, columns, row)
        return 1
    length = _run_length(scan, layout, most)
    runs.setdefault(layout, []).append((row, scan.at, length))
    scan.skip(length * layout.stride)
    return length


def _layout_at(scan: Scan) -> _Layout | None:
    at, body = scan.at, scan.body
    if scan.left <= _MASK_AT:
        raise MalformedMessageError("fewer records than announced")
    mask = body[at + _MASK_AT]
    if not mask & wire.HAS_VALUE:
        return _layout(mask, wire.NULL)
    if scan.left <= _KIND_AT:
        raise MalformedMessageError("a record without its value")
    return _layout(mask, body[at + _KIND_AT])


@cache
def _layout(mask: int, kind: int) -> _Layout | None:
    """Return the layout, or None where the size is not fixed."""
    fields: list[tuple[str, str]] = [("handle", "<u4"), ("mask", "u1")]
    key = bytes([mask])
    if mask & wire.HAS_VALUE:
        if kind not in NUMBERS and kind != wire.NULL:
            return None
        key = bytes([mask, kind])
        fields.append(("kind", "u1"))
        if kind != wire.NULL:
            fields.append(("value", NUMBERS[kind]))
    for bit, name, of in (
        (wire.HAS_STATUS, "status", "<u4"),
        (wire.HAS_SOURCE_TIME, "source", "<i8"),
        (wire.HAS_SOURCE_PICOSECONDS, "source_picoseconds", "<u2"),
        (wire.HAS_SERVER_TIME, "server", "<i8"),
        (wire.HAS_SERVER_PICOSECONDS, "server_picoseconds", "<u2"),
    ):
        if mask & bit:
            fields.append((name, of))
    record = np.dtype(fields)
    return _Layout(key, kind, record.itemsize, record)


def _run_length(scan: Scan, layout: _Layout, most: int) -> int:
    """Return how many records of one layout follow each other from here."""
    stride, at, body = layout.stride, scan.at, scan.body
    most = min(most, scan.left // stride)
    if not most:
        raise MalformedMessageError("a record that is cut off")
    length = 1
    while length < most and body.startswith(
        layout.key, at + _MASK_AT + length * stride
    ):
        length += 1
        if length == _SHORT:
            return _long_run(body, at, layout, most)
    return length


def _long_run(body: bytes, at: int, layout: _Layout, most: int) -> int:
    raw = np.frombuffer(body, np.uint8)
    stride, length = layout.stride, _SHORT
    while length < most:
        until = min(most, length * _WIDER)
        same = np.ones(until - length, np.bool_)
        for place, mark in enumerate(layout.key, start=_MASK_AT):
            first = at + length * stride + place
            same &= raw[first : at + until * stride : stride] == mark
        if not same.all():
            return length + int(same.argmin())
        length = until
    return length


def _fill(columns: Columns, body: bytes, layout: _Layout, runs: list[_Run]) -> None:
    rows, table = _gathered(body, layout, runs)
    columns.handle[rows] = table["handle"]
    if layout.kind == wire.NULL:
        columns.missing[rows] = True
    elif layout.kind == wire.BOOLEAN:
        columns.value[rows] = table["value"] != 0
    else:
        columns.value[rows] = table["value"]
    if layout.kind in _EXACT:
        _keep_exact(columns, rows, table["value"])
    for name, column in (
        ("status", columns.status),
        ("source", columns.source),
        ("server", columns.server),
    ):
        if name in layout.record.fields:  # type: ignore[operator]  # it has fields
            column[rows] = table[name]


def _gathered(
    body: bytes, layout: _Layout, runs: list[_Run]
) -> tuple[NDArray[np.int64] | slice, NDArray[np.void]]:
    """Return which rows they are, and the records as one table."""
    if len(runs) == 1:
        ((row, at, length),) = runs
        table = np.frombuffer(body, layout.record, count=length, offset=at)
        return slice(row, row + length), table
    row_at, body_at, lengths = np.array(runs, np.int64).T
    within = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    starts = np.repeat(body_at, lengths) + within * layout.stride
    raw = np.frombuffer(body, np.uint8)
    cells = raw[starts[:, None] + np.arange(layout.stride)]
    return np.repeat(row_at, lengths) + within, cells.view(layout.record)[:, 0]


def _keep_exact(
    columns: Columns, rows: NDArray[np.int64] | slice, value: NDArray[np.int64]
) -> None:
    """Note the integers beyond what a float holds."""
    big = np.flatnonzero((value > EXACT_IN_A_FLOAT) | (value < -EXACT_IN_A_FLOAT))
    if not len(big):
        return
    first = np.arange(len(columns.handle))[rows]
    for row, number in zip(first[big].tolist(), value[big].tolist(), strict=True):
        columns.exact[row] = number


def _read_loose(scan: Scan, columns: Columns, row: int) -> None:
    columns.handle[row] = scan.u32()
    mask = scan.u8()
    start = scan.at
    scan.skip_variant()
    columns.loose.append(Loose(row, start, scan.at))
    if mask & wire.HAS_STATUS:
        columns.status[row] = scan.u32()
    if mask & wire.HAS_SOURCE_TIME:
        columns.source[row] = scan.i64()
    if mask & wire.HAS_SOURCE_PICOSECONDS:
        scan.skip(2)
    if mask & wire.HAS_SERVER_TIME:
        columns.server[row] = scan.i64()
    if mask & wire.HAS_SERVER_PICOSECONDS:
        scan.skip(2)
