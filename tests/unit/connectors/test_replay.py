from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import STATUS_BAD_NOT_A_NUMBER
from connectors.replay.cells import NoTimeError, find_time_column, time_ns, value_of
from connectors.replay.config import ReplaySettings
from connectors.replay.source import ReplaySource
from tests.unit.connectors.fakes import START_NS

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.domain.batch import Batch
    from tests.unit.connectors.fakes import SetClock

MARCH_NS = 1_772_366_400 * 10**9


def settings_of(file: Path, **keys: object) -> ReplaySettings:
    tags = [{"id": "a/flow", "column": "Flow"}, {"id": "a/level", "column": "Level"}]
    source = {"name": "old", "connector": "replay", "file": str(file), "tags": tags}
    return ReplaySettings.model_validate(source | {"speed": "fastest"} | keys)


async def replay(settings: ReplaySettings, clock: SetClock) -> list[Batch]:
    source = ReplaySource(settings, clock)
    tags = [tag for group in source.groups.values() for tag in group]
    numbers = {tag: row for row, tag in enumerate(tags)}
    async with source.open(numbers) as batches:
        return [batch async for batch in batches]


def export(folder: Path, text: str) -> Path:
    file = folder / "export.csv"
    file.write_text(text, encoding="utf-8")
    return file


def rows(batches: list[Batch]) -> list[tuple[int, int, float]]:
    """Return (tag number, seconds since March 1st, noon, value) of every row."""
    return [
        (int(tag), (int(at) - MARCH_NS) // 10**9, float(value))
        for batch in batches
        for tag, at, value in zip(
            batch.tag, batch.source_time_ns, batch.value, strict=True
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,Flow,Level\n2026-03-01T12:00:01Z,1.5,2\n",
        "Flow;Level;Zeit\n1,5;2;01.03.2026 12:00:01\n",
        "ts\tFlow\tLevel\n1772366401\t1.5\t2\n",
        "time|Flow|Level\n1772366401000|1.5|2\n",
        "\ufeffTime, Flow ,Level\r\n2026-03-01 13:00:01+01:00,1.5,2\r\n\r\n",
        '"date","Flow","Level"\n"2026-03-01 12:00:01.0","1.5","2"\n',
    ],
    ids=["iso", "german", "epoch-s", "epoch-ms", "bom-and-zone", "quoted"],
)
async def test_odd_exports_say_the_same(
    tmp_path: Path, clock: SetClock, text: str
) -> None:
    found = await replay(settings_of(export(tmp_path, text)), clock)
    assert rows(found) == [(0, 1, 1.5), (1, 1, 2.0)]
    assert found[0].confirms


async def test_an_empty_cell_is_no_sample_and_a_word_is_a_bad_one(
    tmp_path: Path, clock: SetClock
) -> None:
    text = "time,Flow,Level\n2026-03-01 12:00:00,,Bad Input\n"
    (batch,) = await replay(settings_of(export(tmp_path, text)), clock)
    assert batch.tag.tolist() == [1]
    assert batch.status.tolist() == [STATUS_BAD_NOT_A_NUMBER]
    assert not batch.confirms


async def test_rows_without_a_time_are_left_out_and_counted(
    tmp_path: Path, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    text = "time,Flow,Level\n2026-03-01 12:00:00,1,2\nnever,3,4\n,,\n"
    found = await replay(settings_of(export(tmp_path, text)), clock)
    assert rows(found) == [(0, 0, 1.0), (1, 0, 2.0)]
    assert "1 rows had no time" in caplog.text


async def test_a_short_row_lacks_its_last_cells(
    tmp_path: Path, clock: SetClock
) -> None:
    text = "time,Flow,Level\n2026-03-01 12:00:00,1\n"
    found = await replay(settings_of(export(tmp_path, text)), clock)
    assert rows(found) == [(0, 0, 1.0)]


async def test_a_missing_column_is_bad_and_the_others_are_read(
    tmp_path: Path, clock: SetClock
) -> None:
    text = "time,Flow\n2026-03-01 12:00:00,1\n"
    bad, good = await replay(settings_of(export(tmp_path, text)), clock)
    assert (bad.tag.tolist(), bad.confirms) == ([1], False)
    assert rows([good]) == [(0, 0, 1.0)]


LINES = "time,Flow,Level\n" + "".join(
    f"2026-03-01 12:{minute:02}:00,{minute},0\n" for minute in range(10)
)


async def test_rows_come_at_the_recorded_pace_divided_by_speed(
    tmp_path: Path, clock: SetClock
) -> None:
    settings = settings_of(export(tmp_path, LINES), speed=60.0)
    found = await replay(settings, clock)
    assert len(found) == 10
    assert clock.elapsed_s == pytest.approx(9.0)
    received = [batch.receive_time_ns - START_NS for batch in found]
    assert received == sorted(received)


async def test_rows_that_fall_due_together_make_one_batch(
    tmp_path: Path, clock: SetClock
) -> None:
    (batch,) = await replay(settings_of(export(tmp_path, LINES)), clock)
    assert len(batch) == 20
    assert clock.elapsed_s == 0.0


async def test_times_can_be_shifted_to_now(tmp_path: Path, clock: SetClock) -> None:
    settings = settings_of(export(tmp_path, LINES), times="shifted")
    (batch,) = await replay(settings, clock)
    assert batch.source_time_ns.min() == START_NS
    assert batch.source_time_ns.max() == START_NS + 9 * 60 * 10**9


async def test_a_long_file_is_read_in_portions(tmp_path: Path, clock: SetClock) -> None:
    lines = [f"{1_772_366_400 + second},1,2" for second in range(1200)]
    text = "\n".join(["time,Flow,Level", *lines])
    found = await replay(settings_of(export(tmp_path, text)), clock)
    assert sum(len(batch) for batch in found) == 2400
    assert max(len(batch) for batch in found) <= 1000


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        ("Flow,Level\n1,2\n", {}, "no time column"),
        ("", {}, "it has: "),
        ("time,Flow,Level\n01/02/2026,1,2\n", {}, "no time column"),
        (
            "time,Flow,Level\n2026-03-01,1,2\n",
            {"time_column": "Zeit"},
            "set time_column",
        ),
        ("time,a,b\n2026-03-01,1,2\n", {}, "it has: time, a, b"),
        ("time,Flow,Level\n2026-03-01,1,2\n", {"encoding": "klingon"}, "klingon"),
    ],
)
async def test_what_cannot_be_replayed_is_unavailable(
    tmp_path: Path, clock: SetClock, text: str, keys: dict[str, str], message: str
) -> None:
    with pytest.raises(SourceUnavailableError, match=message):
        await replay(settings_of(export(tmp_path, text), **keys), clock)


async def test_bytes_that_are_no_text_are_unavailable(
    tmp_path: Path, clock: SetClock
) -> None:
    file = tmp_path / "export.csv"
    file.write_bytes(b"time,Flow,Level\n2026-03-01,1,2\n" + b"\xff\xfe" * 9)
    with pytest.raises(SourceUnavailableError):
        await replay(settings_of(file), clock)


async def test_a_time_format_settles_what_is_ambiguous(
    tmp_path: Path, clock: SetClock
) -> None:
    text = "when,Flow,Level\n03/01/2026 12:00,1,2\n"
    settings = settings_of(
        export(tmp_path, text), time_format="%m/%d/%Y %H:%M", time_column="when"
    )
    assert rows(await replay(settings, clock)) == [(0, 0, 1.0), (1, 0, 2.0)]


async def test_parquet_is_replayed_too(tmp_path: Path, clock: SetClock) -> None:
    duckdb = pytest.importorskip("duckdb")
    file = tmp_path / "export.parquet"
    with duckdb.connect() as database:
        database.execute(
            "COPY (SELECT TIMESTAMP '2026-03-01 12:00:01' AS time, "
            f"1.5 AS Flow, NULL AS Level) TO '{file}' (FORMAT parquet)"
        )
    assert rows(await replay(settings_of(file), clock)) == [(0, 1, 1.5)]


async def test_a_parquet_file_that_is_none_is_unavailable(
    tmp_path: Path, clock: SetClock
) -> None:
    pytest.importorskip("duckdb")
    with pytest.raises(SourceUnavailableError, match=r"export\.parquet"):
        await replay(settings_of(tmp_path / "export.parquet"), clock)


async def test_parquet_without_duckdb_says_what_to_install(
    tmp_path: Path, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(SourceUnavailableError, match=r"wheeltapper\[fleet\]"):
        await replay(settings_of(tmp_path / "export.parquet"), clock)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2026-03-01T12:00:00Z", MARCH_NS),
        ("2026-03-01 12:00:00.000001", MARCH_NS + 1000),
        ("1772366400.5", MARCH_NS + 500_000_000),
        ("1772366400000000", MARCH_NS),
        ("1772366400000000001", MARCH_NS + 1),
        (1_772_366_400, MARCH_NS),
        (datetime(2026, 3, 1, 12, tzinfo=UTC), MARCH_NS),
        (date(2026, 3, 1), MARCH_NS - 12 * 3600 * 10**9),
    ],
)
def test_times_are_exact(cell: object, expected: int) -> None:
    assert time_ns(cell) == expected


@pytest.mark.parametrize("cell", ["", "soon", "nan", "-5", None, "1e400", b"x", "0"])
def test_what_is_no_time_is_refused(cell: object) -> None:
    with pytest.raises(NoTimeError):
        time_ns(cell)


@given(st.text())
def test_any_text_is_a_time_or_refused(text: str) -> None:
    try:
        found = time_ns(text)
    except NoTimeError:
        return
    assert 0 < found < 2**63


@given(st.text(), st.booleans())
def test_any_text_is_a_value_or_none(text: str, decimal_comma: bool) -> None:
    value = value_of(text, decimal_comma=decimal_comma)
    assert value is None or isinstance(value, float)
    assert (value is None) == (not text.strip())


def test_words_for_on_and_off_are_numbers() -> None:
    assert value_of("TRUE", decimal_comma=False) == 1.0
    assert value_of("off", decimal_comma=False) == 0.0
    assert value_of(None, decimal_comma=False) is None
    assert value_of(7, decimal_comma=True) == 7.0
    assert value_of("1.234,5", decimal_comma=True) == 1234.5
    assert math.isnan(value_of("1,5", decimal_comma=False) or 0.0)


def test_a_column_of_numbers_is_a_time_only_by_its_name() -> None:
    assert find_time_column(["a", "b"], ["1772366400", "5"]) is None
    assert find_time_column(["a", "ts"], ["5", "1772366400"]) == 1
    assert find_time_column(["a", "b"], ["5", "2026-03-01"]) == 1
