"""Reading run-to-failure histories."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.train.life_runs import read_runs
from models.train.settings import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = "unit,cycle,os1,s1\nA,1,0.1,5\nA,2,0.2,6\nB,1,0.3,7\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "runs.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " ").replace("\n", "  \n"),
        "\ufeff" + PLAIN.replace("unit", "Unit") + "\n\n",
        "unit,cycle,os1,s1\nA,2,0.2,6\nB,1,0.3,7\nA,1,0.1,5\n",  # another order
    ],
)
def test_units_are_read_in_the_order_of_their_cycles(tmp_path: Path, text: str) -> None:
    runs = read_runs(written(tmp_path, text))
    assert runs.units == ("A", "B")
    assert runs.names == ("os1", "s1")
    assert runs.settings == ("os1",)
    assert runs.values.tolist() == [[0.1, 5], [0.2, 6], [0.3, 7]]
    assert runs.left.tolist() == [1, 0, 0]
    assert runs.last_rows.tolist() == [1, 2]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv.gz"
    path.write_bytes(gzip.compress(PLAIN.encode()))
    assert read_runs(path).units == ("A", "B")


def test_published_sets_have_no_header(tmp_path: Path) -> None:
    rows = "\n".join(f"1 {cycle} " + " ".join(["0.5"] * 24) for cycle in (1, 2))
    runs = read_runs(written(tmp_path, rows))
    assert runs.settings == ("os1", "os2", "os3")
    assert (runs.names[-1], len(runs.cycle)) == ("s21", 2)


def test_a_missing_value_is_the_last_of_its_unit(tmp_path: Path) -> None:
    text = "unit,cycle,s1\nA,1,\nA,2,6\nA,3,n/a\nB,1,NaN\nB,2,inf\n"
    values = read_runs(written(tmp_path, text)).values[:, 0]
    np.testing.assert_array_equal(values, [np.nan, 6, 6, np.nan, np.nan])


@pytest.mark.parametrize(
    ("name", "set_by_somebody"),
    [
        ("os1", True), ("op_setting_1", True), ("Setting 3", True), ("setting", True),
        ("oil_temperature", False), ("oscillation", False), ("condenser", False),
        ("s1", False), ("output", False),
    ],
)  # fmt: skip
def test_settings_are_known_by_their_names(
    tmp_path: Path, name: str, *, set_by_somebody: bool
) -> None:
    runs = read_runs(written(tmp_path, f"unit,cycle,{name}\nA,1,1\n"))
    assert bool(runs.settings) == set_by_somebody


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "runs.csv: the file is empty"),
        ("a,b\n1,2\n", "no column 'unit'"),
        ("unit,s1\n1,2\n", "no column 'cycle'"),
        ("unit,cycle\n1,2\n", "no column besides"),
        ("unit,cycle,s1,s1\n1,2,3,4\n", "'s1' appears twice"),
        ("unit,cycle,s1\n", "no rows"),
        ("unit,cycle,s1\n1,2\n", "line 2: 2 cells, but the header has 3"),
        ("unit,cycle,s1\n1,2,x\n", "line 2, column 's1': 'x' is no number"),
        ("unit,cycle,s1\n1,,4\n", "a cycle is missing"),
        ("unit,cycle,s1\n,1,4\n", "line 2: the unit has no name"),
        ("unit,cycle,s1\n7,1,4\n7,1,5\n", "unit 7: cycle 1 appears twice"),
        (b"unit,cycle,s1\n\xff\xfe\n", "not a table of text"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, text: str | bytes, why: str
) -> None:
    with pytest.raises(TrainingError, match=why):
        read_runs(written(tmp_path, text))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80), head=st.booleans())
def test_any_bytes_are_read_or_refused(
    tmp_path: Path, content: bytes, *, head: bool
) -> None:
    path = written(tmp_path, (b"unit,cycle,s1\n" if head else b"") + content)
    try:
        runs = read_runs(path)
    except TrainingError:
        return
    assert len(runs.cycle) == runs.starts[-1] == len(runs.values)
