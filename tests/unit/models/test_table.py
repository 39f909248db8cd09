from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.features import (
    FeatureTable,
    FeatureVector,
    TableError,
    read_table,
    write_table,
)

if TYPE_CHECKING:
    from pathlib import Path


def vector(
    *values: float, names: tuple[str, ...] = ("a/b:mean", "a/b:std")
) -> FeatureVector:
    return FeatureVector(names, np.array(values), np.ones(len(values)))


def test_a_written_table_is_read_back_whole(tmp_path: Path) -> None:
    names = ("a/b:mean", "a/ü:std")
    rows = [(1_800_000_000_000_000_001, vector(1.0, np.nan, names=names))]
    write_table(tmp_path / "t.npz", FeatureTable.of(names, rows))
    table = read_table(tmp_path / "t.npz")
    assert table.names == names
    assert table.time_ns.tolist() == [1_800_000_000_000_000_001]
    np.testing.assert_array_equal(table.values, [[1.0, np.nan]])
    assert len(table) == 1


def test_an_empty_table_keeps_its_names() -> None:
    table = FeatureTable.of(("a/b:mean",), [])
    assert table.values.shape == (0, 1)


def test_csv_leaves_empty_cells_unknown(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("time_ns,a/b:mean,a/b:std\n5,1.5,\n6,2.5,0.5\n")
    table = read_table(path)
    assert table.time_ns.tolist() == [5, 6]
    np.testing.assert_array_equal(table.values, [[1.5, np.nan], [2.5, 0.5]])
    np.testing.assert_array_equal(table.coverage, [[1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", b"when,a\n1,2\n", "first column"),
        ("t.csv", b"", "first column"),
        ("t.csv", b"time_ns,a\n1\n", "longer or shorter"),
        ("t.csv", b"time_ns,a\nx,1\n", "invalid literal"),
        ("t.csv", b"time_ns,a,a\n1,1,1\n", "twice"),
        ("t.npz", b"not a zip", "t.npz"),
        ("t.parquet", b"", "not .npz or .csv"),
    ],
)
def test_what_is_no_table_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=reason):
        read_table(tmp_path / name)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", names=np.array(["a"]), time_ns=np.array([1]))
    with pytest.raises(TableError, match="values"):
        read_table(tmp_path / "t.npz")


def test_rows_of_other_names_are_refused() -> None:
    with pytest.raises(TableError, match="other names"):
        FeatureTable.of(("a/b:mean",), [(1, vector(1.0, 2.0))])


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TableError, match="shape"):
        FeatureTable(("a",), np.array([1]), np.ones((2, 1)), np.ones((2, 1)))
