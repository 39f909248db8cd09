"""Exports of any shape become the same columns."""

from __future__ import annotations

import gzip
import math
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.commands.backtest.export import Export, ExportError
from appliance.commands.backtest.reading import read_export

if TYPE_CHECKING:
    from pathlib import Path


class Written(Protocol):
    """The writer of one file."""

    def __call__(self, content: str | bytes, name: str = "export.csv") -> Path:
        """Write it; return where."""
        ...


PLAIN = (
    "timestamp,flow,speed\n2020-01-26 00:53:20,1.5,1480\n2020-01-26 00:53:21,2.5,1481\n"
)
FIRST_NS = 1_580_000_000_000_000_000

SHAPES = {
    "comma": PLAIN,
    "semicolon, decimal comma": (
        "Zeitstempel;flow;speed\n26.01.2020 00:53:20;1,5;1480\n"
        "26.01.2020 00:53:21;2,5;1.481\n"
    ),
    "tab": PLAIN.replace(",", "\t"),
    "bar": PLAIN.replace(",", "|"),
    "quoted, decimal comma": (
        'timestamp,flow,speed\n"2020-01-26 00:53:20","1,5","1480"\n'
        '"2020-01-26 00:53:21","2,5","1481"\n'
    ),
    "separator told": "sep=;\n" + PLAIN.replace(",", ";"),
    "lines before the table": "Report of the week\n\nPlant,7\n" + PLAIN,
    "remarks": "# made by a historian\n# for you\n" + PLAIN,
    "the header is a remark": "#" + PLAIN,
    "units below the header": PLAIN.replace("speed\n", "speed\n,m3/h,rpm\n"),
    "carriage returns": PLAIN.replace("\n", "\r"),
    "both line ends": PLAIN.replace("\n", "\r\n"),
    "empty lines and a comma too many": PLAIN.replace("\n", ",\n\n"),
    "zone": PLAIN.replace("00:53:20", "01:53:20+01:00").replace(
        "00:53:21", "00:53:21Z"
    ),
    "the letter T": PLAIN.replace("26 00", "26T00"),
    "slashes, month first": PLAIN.replace("2020-01-26", "01/26/2020"),
    "half days": PLAIN.replace("2020-01-26 00:53:20", "1/26/2020 12:53:20 AM").replace(
        "2020-01-26 00:53:21", "1/26/2020 12:53:21 AM"
    ),
    "a month's name": PLAIN.replace("2020-01-26", "26-Jan-2020"),
    "two digits of the year": PLAIN.replace("2020-01-26", "26.01.20"),
    "digits alone": PLAIN.replace("2020-01-26 00:53:", "202001260053"),
    "seconds": PLAIN.replace("2020-01-26 00:53:20", "1580000000").replace(
        "2020-01-26 00:53:21", "1580000001"
    ),
    "milliseconds": PLAIN.replace("2020-01-26 00:53:20", "1580000000000").replace(
        "2020-01-26 00:53:21", "1580000001000"
    ),
    "nanoseconds, no name": PLAIN.replace("timestamp", "when")
    .replace("2020-01-26 00:53:20", "1580000000000000000")
    .replace("2020-01-26 00:53:21", "1580000001000000000"),
    "day and time apart": (
        "flow,speed,Date,Time\n1.5,1480,26.01.2020,00:53:20\n2.5,1481,26.01.2020,00:53:21\n"
    ),
    "index of a table program": (
        ",timestamp,flow,speed\n0,2020-01-26 00:53:20,1.5,1480\n"
        "1,2020-01-26 00:53:21,2.5,1481\n"
    ),
    "one value per row": (
        "Time;TagName;Value;Quality\n"
        "26.01.2020 00:53:20;flow;1,5;192\n26.01.2020 00:53:20;speed;1480;192\n"
        "26.01.2020 00:53:21;speed;1481;192\n26.01.2020 00:53:21;flow;2,5;192\n"
    ),
}


@pytest.mark.parametrize("text", SHAPES.values(), ids=SHAPES.keys())
def test_every_shape_says_the_same(written: Written, text: str) -> None:
    export = read_export(written(text))
    assert export.names == ("flow", "speed")
    assert export.values.tolist() == [[1.5, 1480.0], [2.5, 1481.0]]
    assert export.time_ns.tolist() == [FIRST_NS, FIRST_NS + 1_000_000_000]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-32"]
)
def test_every_encoding_says_the_same(written: Written, encoding: str) -> None:
    text = PLAIN.replace("flow", "Öltemperatur °C")
    export = read_export(written(text.encode(encoding)))
    assert export.names == ("Öltemperatur °C", "speed")
    assert export.values[:, 1].tolist() == [1480.0, 1481.0]


def test_a_packed_file_is_read_as_it_lies(written: Written) -> None:
    export = read_export(written(gzip.compress(PLAIN.encode()), "export.csv.gz"))
    assert export.names == ("flow", "speed")


def test_the_text_of_the_time_stays_as_it_was(written: Written) -> None:
    export = read_export(written(SHAPES["half days"]))
    assert export.time_text.tolist()[0] == "1/26/2020 12:53:20 AM"
    export = read_export(written(SHAPES["day and time apart"]))
    assert export.time_text.tolist()[0] == "26.01.2020 00:53:20"


def test_without_a_time_rows_are_one_second_apart_and_it_is_said(
    written: Written,
) -> None:
    export = read_export(written("  1.5   1480\n  2.5   1481\n  3.5   1482\n"))
    assert export.names == ("column_1", "column_2")
    assert np.diff(export.time_ns).tolist() == [1_000_000_000] * 2
    assert export.time_text.tolist() == ["0", "1", "2"]
    assert any("1 s apart" in note for note in export.notes)
    assert any("no header" in note for note in export.notes)


def test_a_time_that_only_counts_is_taken_by_its_unit(written: Written) -> None:
    text = "time [min],flow\n0,1.5\n3,2.5\n6,3.5\n"
    export = read_export(written(text))
    assert export.names == ("flow",)
    assert (
        np.diff(export.time_ns).tolist() == [3_000_000_000] * 2
        or np.diff(export.time_ns).tolist() == [180_000_000_000] * 2
    )


def test_day_or_month_first_is_told_by_the_steps(written: Written) -> None:
    days = "".join(f"{day:02}/01/2026 00:00,{day}.5\n" for day in range(1, 13))
    export = read_export(written("time,flow\n" + days))
    assert set(np.diff(export.time_ns).tolist()) == {86_400_000_000_000}


@pytest.mark.parametrize(
    "word", ["", "NaN", "n/a", "NULL", "-", "Bad Input", "#N/A", "inf", "No Data"]
)
def test_a_value_that_is_not_there_is_missing(written: Written, word: str) -> None:
    rows = "".join(f"2020-01-26 00:53:{20 + n},{n}.5\n" for n in range(9))
    export = read_export(written(f"time,flow\n{rows}2020-01-26 00:53:30,{word}\n"))
    assert math.isnan(export.values[-1, 0])
    assert np.isfinite(export.values[:-1]).all()
    assert any("missing" in note for note in export.notes)


def test_a_word_among_numbers_is_named_with_its_line(written: Written) -> None:
    rows = "".join(f"2020-01-26 00:53:{20 + n},{n}.5\n" for n in range(9))
    export = read_export(written(f"time,flow\n{rows}2020-01-26 00:53:30,Kaputt\n"))
    assert any("'Kaputt' in line 11" in note for note in export.notes)


def test_states_are_numbers(written: Written) -> None:
    text = "time,running,flow\n2020-01-26 00:53:20,ON,1.5\n2020-01-26 00:53:21,off,2\n"
    export = read_export(written(text))
    assert export.values[:, 0].tolist() == [1.0, 0.0]


def test_what_is_no_sensor_is_named_with_its_reason(written: Written) -> None:
    text = (
        "id,time,operator,flow,nothing,label_1\n"
        "7,2020-01-26 00:53:20,Ann,1.5,,0\n8,2020-01-26 00:53:21,Bob,2.5,,1\n"
        "9,2020-01-26 00:53:22,Bob,2.5,,1\n"
    )
    export = read_export(written(text), ignore=["label*"])
    assert export.names == ("flow",)
    assert export.ignored == {
        "time": "the time",
        "operator": "text, such as 'Ann'",
        "label_1": "as told",
        "id": "it counts the rows",
        "nothing": "empty",
    }


def test_a_constant_column_is_said_to_be_constant(written: Written) -> None:
    text = PLAIN.replace("1481", "1480")
    assert "column 'speed': constant at 1480" in read_export(written(text)).notes


def test_short_and_long_rows_are_read_as_far_as_they_go(written: Written) -> None:
    more = "2020-01-26 00:53:22,3.5\n2020-01-26 00:53:23,4.5,1483,oops\n"
    export = read_export(written(PLAIN + more))
    assert math.isnan(export.values[2, 1])
    assert export.values[3].tolist() == [4.5, 1483.0]
    assert any("more cells than columns" in n and "line 5" in n for n in export.notes)


def test_rows_keep_their_order_and_their_doubles(written: Written) -> None:
    later = "2020-01-26 00:53:30,3.5,1\n"
    export = read_export(written(PLAIN.replace("speed\n", "speed\n" + later) + later))
    assert export.time_text.tolist()[0] == export.time_text.tolist()[3]
    assert export.values[:, 0].tolist() == [3.5, 1.5, 2.5, 3.5]


def test_a_row_without_a_time_stands_at_the_moment_before(written: Written) -> None:
    rows = "".join(f"2020-01-26 00:53:{20 + n},{n}.5\n" for n in range(20))
    export = read_export(written("time,flow\n" + rows + "Total,99\n"))
    assert len(export) == 21
    assert export.time_ns[20] == export.time_ns[19]
    assert any("without a readable time" in note for note in export.notes)


def test_one_value_per_row_holds_until_the_next_and_a_bad_one_ends_it(
    written: Written,
) -> None:
    text = (
        "time,tag,value\n2020-01-26 00:53:20,flow,1.5\n2020-01-26 00:53:20,speed,1480\n"
        "2020-01-26 00:53:22,flow,Bad\n2020-01-26 00:53:21,speed,1481\n"
        "2020-01-26 00:53:23,flow,2.5\n2020-01-26 00:53:23,flow,3.5\n"
    )
    export = read_export(written(text))
    assert export.time_text.tolist()[1] == "2020-01-26 00:53:21"
    flow, speed = export.values.T.tolist()
    assert flow[:2] == [1.5, 1.5]
    assert math.isnan(flow[2])
    assert flow[3] == 3.5
    assert speed == [1480.0, 1481.0, 1481.0, 1481.0]


def test_many_rows_are_read_in_portions_and_told(written: Written) -> None:
    rows = "".join(f"{1_580_000_000 + n},{n % 7}\n" for n in range(45_000))
    heard: list[int] = []
    export = read_export(written("timestamp,flow\n" + rows), told=heard.append)
    assert len(export) == 45_000
    assert heard == [20_000, 40_000, 45_000]
    assert export.values[44_999, 0] == 44_999 % 7


NOT_TABLES = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\n \n", "the file is empty"),
    "a workbook": (b"PK\x03\x04 and more", "save the sheet as CSV"),
    "bytes": (bytes(range(256)) * 8, "not a text file"),
    "words": (b"a,b\nc,d\n", "no column holds numbers"),
    "a header alone": (b"time,flow\n", "no row"),
    "an open quotation": (b'time,flow\n"2020,' + b"1\n" * 40, "line 2"),
    "a torn archive": (gzip.compress(PLAIN.encode())[:30], ""),
    "an endless line": (b"1," * 2_000_000, ""),
}


@pytest.mark.parametrize(("content", "words"), NOT_TABLES.values(), ids=NOT_TABLES)
def test_what_is_no_table_is_refused_in_one_line(
    written: Written, content: bytes, words: str
) -> None:
    path = written(content)
    with pytest.raises(ExportError) as refusal:
        read_export(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="No such file"):
        read_export(tmp_path / "none.csv")


def read_or_refused(path: Path) -> Export | None:
    try:
        return read_export(path)
    except ExportError:
        return None


TABLE_LIKE = st.lists(
    st.lists(
        st.sampled_from((
            "", "1", "1.5", "1,5", "-3e5", "1.234,5", "nan", "Bad", "2020-01-26",
            "2020-01-26 00:53:20", "31.12.2026 23:59", "1580000000", "time", "flow",
            "tag", "value", '"', "\x00", "٣", "9" * 400, "°C", "on",
        )),
        max_size=5,
    ),
    max_size=12,
)  # fmt: skip
CALM = [HealthCheck.function_scoped_fixture]


@settings(max_examples=150, deadline=None, suppress_health_check=CALM)
@given(content=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(written: Written, content: bytes) -> None:
    read_or_refused(written(content))


@settings(max_examples=200, deadline=None, suppress_health_check=CALM)
@given(rows=TABLE_LIKE, mark=st.sampled_from(",;\t| "))
def test_whatever_looks_like_a_table_is_read_or_refused(
    written: Written, rows: list[list[str]], mark: str
) -> None:
    export = read_or_refused(written("\n".join(mark.join(row) for row in rows)))
    if export is not None:
        count = len(export.time_ns)
        assert export.values.shape == (count, len(export.names))
        assert len(export.time_text) == count
        assert not np.isinf(export.values).any()
