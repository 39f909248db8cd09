"""A historian's export as columns of numbers: what reading gives and judging takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TimeColumn: TypeAlias = NDArray[np.int64]
ValueTable: TypeAlias = NDArray[np.float64]
TextColumn: TypeAlias = NDArray[Any]
"""Of `numpy.dtypes.StringDType`: numpy's own types cannot say so yet."""


class ExportError(Exception):
    """The file cannot be read as a table of measurements: place, problem, remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """Rows of one file in their own order.

    `time_text` [n] is the input's own text of the time, `time_ns` [n] what it means,
    `values` [n, names] the numbers (NaN: missing). `ignored` says why a column is no
    sensor, `notes` what is worth knowing of the file.
    """

    path: Path
    time_text: TextColumn
    time_ns: TimeColumn
    names: tuple[str, ...]
    values: ValueTable
    ignored: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.time_ns)


def texts(cells: Sequence[str]) -> TextColumn:
    """Return cells as a compact column."""
    return np.array(cells, dtype=np.dtypes.StringDType())
