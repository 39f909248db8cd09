"""A whole block of registers to columns: one numpy view per type and order.

Strings are the exception: each is decoded by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import Text, judged
from appliance.domain.sample import (
    STATUS_BAD_OUT_OF_RANGE,
    STATUS_BAD_SENSOR_FAILURE,
    Quality,
    quality_of_status,
)
from connectors.modbus.registers import (
    BCD,
    FORMATS,
    NIBBLE_MAX,
    STATUS_BAD_DECODING,
    RegisterType,
    UndecodableError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from appliance.domain.batch import (
        QualityColumn,
        StatusColumn,
        TagColumn,
        ValueColumn,
    )
    from connectors.modbus.config import ModbusTagSettings
    from connectors.modbus.planner import Block
    from connectors.modbus.registers import Encoding

_EXACT_IN_A_FLOAT = 2**53
_LARGEST = np.finfo(np.float64).max
_WIDE = (RegisterType.INT64, RegisterType.UINT64, RegisterType.BCD64)
_STRING = RegisterType.STRING
_NO_VALUE = (STATUS_BAD_SENSOR_FAILURE, STATUS_BAD_DECODING)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Rows of one block, and what is no float: strings and too long integers."""

    tag: TagColumn
    value: ValueColumn
    quality: QualityColumn
    status: StatusColumn
    texts: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """The tags of a block that share type and orders.

    `rows` are their positions in the block, `index` the words of each, the most
    significant first, `shift` the lowest bit that counts; `faults` holds a raw count
    where `faulty` has one.
    """

    encoding: Encoding
    rows: NDArray[np.intp]
    index: NDArray[np.intp]
    shift: NDArray[np.uint64]
    faults: NDArray[np.generic]
    faulty: NDArray[np.bool_]
    has_faults: bool
    part: slice | None

    @property
    def is_plain(self) -> bool:
        """Whether every bit pattern is a value like any other, as wide as it looks."""
        kind = self.encoding
        odd = kind.is_partial or kind.type in BCD or kind.type in _WIDE
        return not (odd or self.has_faults)


class BlockDecoder:
    """Everything about a block that can be prepared before its words arrive."""

    def __init__(
        self,
        block: Block,
        tags: Sequence[ModbusTagSettings],
        numbers: Sequence[int],
    ) -> None:
        mine = [(tags[row], numbers[row]) for row in block.rows]
        rows = [(tag, each) for tag, each in mine if tag.encoding.type is not _STRING]
        strings = [(tag, each) for tag, each in mine if tag.encoding.type is _STRING]
        scalings = [tag.scaling for tag, _ in rows]
        self._numbers = [number for _, number in mine]
        self._tag = np.array([number for _, number in rows], dtype=np.uint32)
        self._factor = np.array([each.factor for each in scalings])
        self._offset = np.array([each.offset for each in scalings])
        self._low = np.array([each.low for each in scalings])
        self._high = np.array([each.high for each in scalings])
        # What is not finite lies in no range that ends at the largest number.
        self._lowest = np.maximum(self._low, -_LARGEST)
        self._highest = np.minimum(self._high, _LARGEST)
        self._good = np.full(len(rows), Quality.GOOD, dtype=np.uint8)
        self._runs = _runs(block, [tag for tag, _ in rows])
        self._strings = [_Words(block, tag, number) for tag, number in strings]

    def decode(self, words: Sequence[int], *, time_ns: int) -> Columns:
        """Return the rows of the block, in its order; `words` is one per address."""
        given = np.asarray(words, dtype=np.uint16)
        status = np.zeros(len(self._tag), dtype=np.uint32)
        beyond: dict[int, int] = {}
        # A float register may hold any bit pattern; judging is done below.
        with np.errstate(all="ignore"):
            raw = self._raw(given, status, beyond)
            value = raw * self._factor + self._offset
        if self._all_good(value, status):
            quality = self._good.copy()
        else:
            value[status != 0] = np.nan
            quality, status = judged(value, status, low=self._low, high=self._high)
        columns = Columns(self._tag, value, quality, status)
        columns = self._with_texts(columns, beyond, time_ns) if beyond else columns
        if not self._strings:
            return columns
        strings = tuple(each.text(words, time_ns) for each in self._strings)
        return replace(columns, texts=columns.texts + strings)

    def _raw(
        self, given: NDArray[np.uint16], status: StatusColumn, beyond: dict[int, int]
    ) -> ValueColumn:
        """Return the raw values; note in `status` and `beyond` what is none."""
        if len(self._runs) == 1 and self._runs[0].is_plain:
            return _picked(self._runs[0], given).astype(np.float64)
        raw = np.empty(len(self._tag))
        for run in self._runs:
            column, undecodable = _raw_column(run, given)
            raw[run.rows] = column
            if run.has_faults:
                failed = run.faulty & (column == run.faults)
                status[run.rows[failed]] = STATUS_BAD_SENSOR_FAILURE
            if undecodable is not None:
                status[run.rows[undecodable]] = STATUS_BAD_DECODING
            if run.encoding.type in _WIDE:
                beyond |= _beyond(run, column)
        return raw

    def _all_good(self, value: ValueColumn, status: StatusColumn) -> bool:
        """Say at little cost what is the rule: every value is inside its range."""
        inside = (value >= self._lowest) & (value <= self._highest)
        return bool(inside.all()) and not status.any()

    def refused(self, status: int) -> Columns:
        """Return one bad row per tag of a block that the device did not give."""
        rows = len(self._numbers)
        return Columns(
            tag=np.array(self._numbers, dtype=np.uint32),
            value=np.full(rows, np.nan),
            quality=np.zeros(rows, dtype=np.uint8),
            status=np.full(rows, status, dtype=np.uint32),
        )

    def _with_texts(
        self, columns: Columns, beyond: dict[int, int], time_ns: int
    ) -> Columns:
        """Move unscaled integers beyond 2**53 from the rows to the texts."""
        unscaled = (self._factor == 1.0) & (self._offset == 0.0)
        moved = [
            row
            for row in beyond
            if unscaled[row] and columns.status[row] not in _NO_VALUE
        ]
        texts = tuple(self._text(row, beyond[row], time_ns) for row in moved)
        kept = np.ones(len(self._tag), dtype=np.bool_)
        kept[moved] = False
        return Columns(
            columns.tag[kept],
            columns.value[kept],
            columns.quality[kept],
            columns.status[kept],
            texts,
        )

    def _text(self, row: int, content: int, time_ns: int) -> Text:
        inside = self._low[row] <= content <= self._high[row]
        status = 0 if inside else STATUS_BAD_OUT_OF_RANGE
        quality = quality_of_status(status)
        return Text(int(self._tag[row]), time_ns, content, quality, status)


class _Words:
    """A string of a block."""

    def __init__(self, block: Block, tag: ModbusTagSettings, number: int) -> None:
        place = tag.place
        start = place.address - block.address
        self._words = slice(start, start + place.count)
        self._encoding = tag.encoding
        self._number = number

    def text(self, words: Sequence[int], time_ns: int) -> Text:
        try:
            content = str(self._encoding.decode(words[self._words]))
        except UndecodableError as error:
            status = STATUS_BAD_DECODING
            quality = quality_of_status(status)
            return Text(self._number, time_ns, str(error), quality, status)
        return Text(self._number, time_ns, content)


def _runs(block: Block, tags: Sequence[ModbusTagSettings]) -> tuple[_Run, ...]:
    kinds: dict[Encoding, list[int]] = {}
    for row, tag in enumerate(tags):
        kinds.setdefault(replace(tag.encoding, bit=0), []).append(row)
    return tuple(_run(block, tags, rows) for rows in kinds.values())


def _run(block: Block, tags: Sequence[ModbusTagSettings], rows: list[int]) -> _Run:
    encoding = tags[rows[0]].encoding
    within = np.arange(encoding.words)
    if encoding.word_order == "little":
        within = within[::-1]
    starts = np.array([tags[row].place.address - block.address for row in rows])
    faults = [tags[row].scaling.fault_raw for row in rows]
    return _Run(
        encoding=encoding,
        rows=np.array(rows, dtype=np.intp),
        index=(starts[:, None] + within).astype(np.intp),
        shift=np.array([tags[row].encoding.bit for row in rows], dtype=np.uint64),
        faults=np.array(
            [0 if fault is None else fault for fault in faults],
            dtype=_dtype_of(encoding),
        ),
        faulty=np.array([fault is not None for fault in faults]),
        has_faults=any(fault is not None for fault in faults),
        part=_contiguous(starts[:, None] + within),
    )


def _contiguous(index: NDArray[np.intp]) -> slice | None:
    """Return the slice that is the same as an index, where there is one."""
    start, size = int(index.flat[0]), index.size
    same = np.array_equal(index.ravel(), np.arange(start, start + size))
    return slice(start, start + size) if same else None


def _dtype_of(encoding: Encoding) -> np.dtype[np.generic]:
    signed_byte = encoding.type is RegisterType.INT8
    return np.dtype("i1" if signed_byte else FORMATS[encoding.type])


def _raw_column(
    run: _Run, words: NDArray[np.uint16]
) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
    """Return raw values as one array of their own type, and which are none (if any)."""
    encoding = run.encoding
    column = _picked(run, words)
    if encoding.type in BCD:
        return _from_bcd(column.astype(np.uint64), digits=4 * encoding.words)
    if encoding.is_partial:
        part = column.astype(np.uint64) >> run.shift & np.uint64(encoding.mask)
        if encoding.type is RegisterType.INT8:
            return part.astype(np.uint8).view(np.int8), None
        return part.astype(_dtype_of(encoding)), None
    return column, None


def _picked(run: _Run, words: NDArray[np.uint16]) -> NDArray[np.generic]:
    """Return the registers of the run as one array of their container's type."""
    encoding = run.encoding
    given = words[run.index.ravel() if run.part is None else run.part]
    if encoding.byte_order == "little":
        given = given.byteswap()
    return given.astype(">u2").view(f">{FORMATS[encoding.type]}")


def _from_bcd(
    column: NDArray[np.uint64], *, digits: int
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    value = np.zeros_like(column)
    wrong = np.zeros(len(column), dtype=np.bool_)
    for place in reversed(range(digits)):
        digit = column >> np.uint64(4 * place) & np.uint64(0xF)
        wrong |= digit > NIBBLE_MAX
        value = value * np.uint64(10) + digit
    return value, wrong


def _beyond(run: _Run, column: NDArray[np.generic]) -> dict[int, int]:
    """Return, by row, the integers that a float could not hold exactly."""
    whole = column.tolist()
    return {
        int(row): each
        for row, each in zip(run.rows, whole, strict=True)
        if abs(each) > _EXACT_IN_A_FLOAT
    }
