"""A whole block of registers to columns: one numpy view per type and order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import Text, judged
from appliance.domain.sample import (
    STATUS_BAD_OUT_OF_RANGE,
    STATUS_BAD_SENSOR_FAILURE,
    quality_of_status,
)
from connectors.modbus.registers import FORMATS, RegisterType

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
_WIDE = (RegisterType.INT64, RegisterType.UINT64)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Rows of one block, and the integers too long for the column of floats."""

    tag: TagColumn
    value: ValueColumn
    quality: QualityColumn
    status: StatusColumn
    texts: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """The tags of a block that share type and orders.

    `rows` are their positions in the block, `index` the words of each, the most
    significant first; `faults` holds a raw count where `faulty` has one.
    """

    encoding: Encoding
    rows: NDArray[np.intp]
    index: NDArray[np.intp]
    bits: NDArray[np.uint16]
    faults: NDArray[np.generic]
    faulty: NDArray[np.bool_]


class BlockDecoder:
    """Everything about a block that can be prepared before its words arrive."""

    def __init__(
        self,
        block: Block,
        tags: Sequence[ModbusTagSettings],
        numbers: Sequence[int],
    ) -> None:
        mine = [tags[row] for row in block.rows]
        scalings = [tag.scaling for tag in mine]
        self._tag = np.array([numbers[row] for row in block.rows], dtype=np.uint32)
        self._factor = np.array([each.factor for each in scalings])
        self._offset = np.array([each.offset for each in scalings])
        self._low = np.array([each.low for each in scalings])
        self._high = np.array([each.high for each in scalings])
        self._runs = _runs(block, mine)

    def decode(self, words: Sequence[int], *, time_ns: int) -> Columns:
        """Return the rows of the block, in its order; `words` is one per address."""
        given = np.asarray(words, dtype=np.uint16)
        raw = np.empty(len(self._tag))
        status = np.zeros(len(self._tag), dtype=np.uint32)
        beyond: dict[int, int] = {}
        # A float register may hold any bit pattern; judging is done below.
        with np.errstate(all="ignore"):
            for run in self._runs:
                column = _raw_column(run, given)
                raw[run.rows] = column.astype(np.float64)
                failed = run.faulty & (column == run.faults)
                status[run.rows[failed]] = STATUS_BAD_SENSOR_FAILURE
                beyond |= _beyond(run, column) if run.encoding.type in _WIDE else {}
            value = raw * self._factor + self._offset
        value[status != 0] = np.nan
        quality, status = judged(value, status, low=self._low, high=self._high)
        columns = Columns(self._tag, value, quality, status)
        return self._with_texts(columns, beyond, time_ns) if beyond else columns

    def refused(self, status: int) -> Columns:
        """Return one bad row per tag of a block that the device did not give."""
        rows = len(self._tag)
        return Columns(
            tag=self._tag,
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
            if unscaled[row] and columns.status[row] != STATUS_BAD_SENSOR_FAILURE
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


def _runs(block: Block, tags: Sequence[ModbusTagSettings]) -> tuple[_Run, ...]:
    kinds: dict[tuple[str, str, str], list[int]] = {}
    for row, tag in enumerate(tags):
        each = tag.encoding
        key = each.type, each.word_order, each.byte_order
        kinds.setdefault(key, []).append(row)
    return tuple(_run(block, tags, rows) for rows in kinds.values())


def _run(block: Block, tags: Sequence[ModbusTagSettings], rows: list[int]) -> _Run:
    encoding = tags[rows[0]].encoding
    within = np.arange(encoding.words)
    if encoding.word_order == "little":
        within = within[::-1]
    starts = np.array([tags[row].address - block.address for row in rows])
    faults = [tags[row].scaling.fault_raw for row in rows]
    return _Run(
        encoding=encoding,
        rows=np.array(rows, dtype=np.intp),
        index=(starts[:, None] + within).astype(np.intp),
        bits=np.array([tags[row].encoding.bit for row in rows], dtype=np.uint16),
        faults=np.array(
            [0 if fault is None else fault for fault in faults],
            dtype=np.dtype(FORMATS[encoding.type]),
        ),
        faulty=np.array([fault is not None for fault in faults]),
    )


def _raw_column(run: _Run, words: NDArray[np.uint16]) -> NDArray[np.generic]:
    """Return the run's raw values as one array of their own type."""
    if run.encoding.byte_order == "little":
        words = words.byteswap()
    picked = words[run.index].astype(">u2")
    column = picked.view(f">{FORMATS[run.encoding.type]}").reshape(len(run.rows))
    if run.encoding.type is RegisterType.BIT:
        return column.astype(np.uint16) >> run.bits & np.uint16(1)
    return column


def _beyond(run: _Run, column: NDArray[np.generic]) -> dict[int, int]:
    """Return, by row, the integers that a float could not hold exactly."""
    whole = column.tolist()
    return {
        int(row): each
        for row, each in zip(run.rows, whole, strict=True)
        if abs(each) > _EXACT_IN_A_FLOAT
    }
