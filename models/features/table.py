"""A table of feature vectors: what training is given."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from appliance.runtime.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from models.features.vector import FeatureVector

FloatTable: TypeAlias = NDArray[np.float64]

_TIME_COLUMN = "time_ns"


class TableError(ValueError):
    """The file is not a feature table; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """Rows of features: `time_ns` [n] (the windows' ends), `values` [n, names].

    `coverage` [n, names] says how much of each was seen; NaN values are gaps.
    """

    names: tuple[str, ...]
    time_ns: NDArray[np.int64]
    values: FloatTable
    coverage: FloatTable

    def __post_init__(self) -> None:
        shape = (len(self.time_ns), len(self.names))
        if self.values.shape != shape or self.coverage.shape != shape:
            raise TableError(f"rows and names ask for the shape {shape}")
        if len(set(self.names)) != len(self.names):
            raise TableError("a feature name occurs twice")

    @classmethod
    def of(
        cls, names: tuple[str, ...], rows: Sequence[tuple[int, FeatureVector]]
    ) -> FeatureTable:
        """Stack vectors that carry `names`, each with the end of its window (ns)."""
        if any(vector.names != names for _, vector in rows):
            raise TableError("a vector has other names")
        shape = (len(rows), len(names))
        return cls(
            names=names,
            time_ns=np.array([time_ns for time_ns, _ in rows], dtype=np.int64),
            values=np.array([v.values for _, v in rows], dtype=float).reshape(shape),
            coverage=np.array([v.coverage for _, v in rows], dtype=float).reshape(
                shape
            ),
        )

    def __len__(self) -> int:
        return len(self.time_ns)


def write_table(path: Path, table: FeatureTable) -> None:
    """Write a table as .npz, whole or not at all."""
    content = io.BytesIO()
    np.savez_compressed(
        content,
        names=np.array(table.names, dtype=np.str_),
        time_ns=table.time_ns,
        values=table.values,
        coverage=table.coverage,
    )
    write_whole(path, content.getvalue())


def read_table(path: Path) -> FeatureTable:
    """Read a table from .npz, or from .csv (column `time_ns`, then one per feature).

    Raises:
        TableError: Not a table, with the reason.
        OSError: The file cannot be read.
    """
    match path.suffix:
        case ".npz":
            return _read_npz(path)
        case ".csv":
            return _read_csv(path)
        case other:
            raise TableError(f"{path.name}: {other!r} is not .npz or .csv")


def _read_npz(path: Path) -> FeatureTable:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return FeatureTable(
                names=tuple(str(name) for name in archive["names"]),
                time_ns=archive["time_ns"].astype(np.int64),
                values=archive["values"].astype(np.float64),
                coverage=archive["coverage"].astype(np.float64),
            )
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        raise TableError(f"{path.name}: {error}") from error


def _read_csv(path: Path) -> FeatureTable:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    if header[:1] != [_TIME_COLUMN]:
        raise TableError(f"{path.name}: the first column is not {_TIME_COLUMN}")
    if any(len(row) != len(header) for row in rows):
        raise TableError(f"{path.name}: a row is longer or shorter than the header")
    try:
        time_ns = np.array([int(row[0]) for row in rows], dtype=np.int64)
        values = np.array(
            [[float(cell) if cell else np.nan for cell in row[1:]] for row in rows]
        ).reshape(len(rows), len(header) - 1)
    except (ValueError, OverflowError) as error:
        raise TableError(f"{path.name}: {error}") from error
    known = np.isfinite(values).astype(np.float64)
    return FeatureTable(tuple(header[1:]), time_ns, values, known)
