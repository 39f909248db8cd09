"""The command from its arguments to its exit code; training is in a child process."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.cli import main
from appliance.commands import backtest
from appliance.commands.backtest.export import Export, ExportError, texts
from appliance.commands.backtest.inputs import Task
from appliance.commands.backtest.judging import Share
from appliance.commands.backtest.reading import read_export
from appliance.commands.backtest.running import Done
from appliance.commands.backtest.wishes import Wishes, wishes_of
from appliance.commands.exits import EXIT_CONFIG, EXIT_USAGE, CommandError
from appliance.inference.causal import CausalSettings

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = """
config_version = 1
[site]
id = "plant"
gateway = "gw1"
[[sources]]
name = "old"
connector = "replay"
file = "export.csv"
tags = [
    {id = "P-101/flow", column = "flow"}, {id = "P-101/hours", column = "hours"},
    {id = "P-102/flow", column = "other"},
]
[[assets]]
id = "P-101"
hour_meter = "P-101/hours"
detection = {window_s = 60.0, on_delay_s = 7.0}
[[assets]]
id = "P-102"
"""


def wishes(*words: str) -> Wishes:
    parser = ArgumentParser()
    backtest.configure(parser, "backtest")
    return wishes_of(parser.parse_args(["a.csv", "--out", "out", *words]))


def export_of(*names: str) -> Export:
    time_ns = np.arange(3, dtype=np.int64)
    values = np.arange(3.0 * len(names)).reshape(3, len(names))
    said = texts(["0", "1", "2"])
    return Export(Path("a.csv"), said, time_ns, names, values)


def test_the_defaults_are_those_of_the_appliance() -> None:
    assert wishes("--train-rows", "400") == Wishes(Share(400, None), CausalSettings())


def test_window_and_budget_are_as_told() -> None:
    found = wishes(
        "--train-fraction", "0.15", "--window", "5m", "--false-alarms-per-week", "0.25",
        "--ignore", "a", "b", "--ignore", "c",
    )  # fmt: skip
    assert found.share == Share(None, 0.15)
    assert found.settings.window_s == 300.0
    assert found.settings.false_alarms_per_week == 0.25
    assert found.ignore == ("a", "b", "c")


def test_the_parts_of_the_score_are_as_told_each_once() -> None:
    found = wishes("--train-rows", "9", "--parts", "t2", "forest", "t2")
    assert found.settings.parts == ("t2", "forest")
    assert backtest._told(found).endswith("score of t2 + forest")


def test_how_values_swing_is_looked_at_where_it_is_asked_for() -> None:
    assert wishes("--train-rows", "9").settings.features == ()
    found = wishes("--train-rows", "9", "--features", "crossing_hz", "crossing_hz")
    assert found.settings.features == ("crossing_hz",)
    assert backtest._told(found).endswith("with crossing_hz")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "--train-rows N"),
        (["--train-rows", "0"], "at least 1"),
        (["--train-fraction", "1"], "less than 1"),
        (["--train-rows", "9", "--window", "soon"], "--window"),
        (["--train-rows", "9", "--window", "0"], "more than 0"),
        (["--train-rows", "9", "--false-alarms-per-week", "0"], "more than 0"),
        (["--train-rows", "9", "--asset", "P-101"], "give --config"),
        (["--train-rows", "9", "--seed", "1"], "only with --rul"),
        (["--rul", "--train-rows", "9"], "not with --rul"),
        (["--rul", "--parts", "t2"], "not with --rul"),
        (["--rul", "--features", "crossing_hz"], "not with --rul"),
        (["--rul"], "two files"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_read(
    words: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "a.csv", tmp_path / "out"
    path.write_text("time,flow\n")
    assert main(["backtest", str(path), "--out", str(out), *words]) == EXIT_USAGE
    said = capsys.readouterr().err
    assert problem in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_out_must_be_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x")
    words = ["backtest", str(path), "--out", str(path), "--train-rows", "9"]
    assert main(words) == EXIT_USAGE
    assert "is a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "out", "problem"),
    [
        (["none.csv", "a.csv"], "life.csv", "no such file"),
        (["a.csv", "a.csv"], "a.csv", "write over an input"),
        (["a.csv", "a.csv"], ".", "is a folder"),
    ],
)
def test_life_needs_two_files_and_a_third(
    files: list[str], out: str, problem: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "a.csv").write_text("unit,cycle,s1\n1,1,1\n")
    given = [str(tmp_path / name) for name in files]
    words = ["backtest", "--rul", *given, "--out", str(tmp_path / out)]
    assert main(words) == EXIT_USAGE
    assert problem in capsys.readouterr().err


def test_the_settings_of_a_configured_asset_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "wheeltapper.toml"
    path.write_text(CONFIG)
    told = ("--train-rows", "9", "-c", str(path), "--asset")
    found = wishes(*told, "P-101")
    assert found.settings.window_s == 60.0
    assert found.settings.on_delay_s == 7.0
    assert found.tags == ("P-101/flow",)
    assert wishes(*told, "P-101", "--window", "9").settings.window_s == 9.0
    with pytest.raises(CommandError, match="known: P-101, P-102"):
        wishes(*told, "P-9")
    with pytest.raises(CommandError, match="which one"):
        wishes(*told[:-1])
    path.write_text("config_version = 1\nnonsense = 2\n")
    with pytest.raises(CommandError) as refusal:
        wishes(*told, "P-101")
    assert refusal.value.exit_code == EXIT_CONFIG


def test_only_the_columns_of_the_asset_are_judged() -> None:
    asked = Wishes(
        Share(1), CausalSettings(), asset="P-101", tags=("P-101/flow", "P-101/DE/temp")
    )
    chosen = asked.chosen(export_of("flow", "P-101/DE/temp", "other"))
    assert chosen.names == ("flow", "P-101/DE/temp")
    assert chosen.values.tolist() == [[0.0, 1.0], [3.0, 4.0], [6.0, 7.0]]
    assert chosen.ignored == {"other": "no tag of P-101"}
    with pytest.raises(ExportError, match="columns: x, y; tags: P-101/flow"):
        asked.chosen(export_of("x", "y"))


def test_one_bad_file_does_not_stop_the_others_and_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "short.csv").write_text("time,flow\n1580000000,1\n1580000001,2\n")
    files = [str(tmp_path / name) for name in ("empty.csv", "short.csv")]
    out = tmp_path / "out"
    words = ["backtest", *files, "--out", str(out), "--train-rows", "400"]
    assert main([*words, "--jobs", "1", "--json", "--report"]) == 1
    said = capsys.readouterr()
    assert [line.split(": ")[0] for line in said.err.splitlines()] == files
    found = json.loads(said.out)
    assert found["files"] == []
    assert "the file is empty" in found["failures"][files[0]]
    assert "2 rows" in found["failures"][files[1]]
    assert [each.name for each in out.iterdir()] == ["report.html"]
    assert "the file is empty" in (out / "report.html").read_text()


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "export.parquet"
    with duckdb.connect() as database:
        database.execute(
            "CREATE TABLE pump AS SELECT"
            " TIMESTAMP '2020-01-26 00:53:20' + INTERVAL (i) SECOND AS time,"
            " i / 2 AS flow, i % 2 = 0 AS running, CAST(i AS DECIMAL(9, 2)) AS level,"
            " CASE WHEN i = 3 THEN NULL ELSE 1.5 END AS speed FROM range(40) t(i)"
        )
        database.table("pump").write_parquet(str(path))
    export = read_export(path)
    assert export.names == ("flow", "running", "level", "speed")
    assert export.time_ns[0] == 1_580_000_000_000_000_000
    assert export.values[3, :3].tolist() == [1.5, 0.0, 3.0]
    assert np.isnan(export.values[3, 3])
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(ExportError, match=r"export\.parquet"):
        read_export(path)


def test_parquet_without_duckdb_names_the_remedy(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ExportError, match=r"install wheeltapper\[fleet\]"):
        read_export(written(b"PAR1", "export.csv"))


@pytest.mark.parametrize(
    ("problems", "failure", "code"),
    [
        (("", ""), "", 0),
        (("not learned", ""), "", 0),
        (("not learned", "not learned"), "", 1),
        (("", ""), "cannot be read", 1),
    ],
)
def test_a_run_is_well_if_all_was_read_and_something_learned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], *, problems: tuple[str, str], failure: str,
    code: int,
) -> None:  # fmt: skip
    source = tmp_path / "a.csv"
    source.write_text("x")
    task = Task(source, "a.csv", tmp_path / "out" / "a.csv")
    summary = {
        "evaluated_rows": 4, "anomaly_rows": 1, "alarms": 1, "changepoints": 0,
        "causes": {"flow": 1.0}, "ignored": {"state": "empty", "time": "the time"},
    }  # fmt: skip
    found = [
        Done(task, {**summary, "problem": problem, "notes": [problem, f"note {n}"]})
        for n, problem in enumerate(problems)
    ]
    if failure:
        found.append(Done(task, failure=failure))
    monkeypatch.setattr(backtest, "judge_all", lambda *_, **__: found)
    words = ["backtest", str(source), "--out", str(tmp_path / "out")]
    assert main([*words, "--train-rows", "1"]) == code
    said = capsys.readouterr().out
    assert ("unknown" in said) == any(problems)
    assert "a.csv: note 1" in said
    assert "2 files: column 'state' is no sensor: empty" in said
    assert "the time" not in said
