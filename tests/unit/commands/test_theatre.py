"""The demonstration's own lines go elsewhere while the dashboard has the terminal."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from appliance.commands import dashboard
from appliance.commands.demo import theatre
from appliance.commands.exits import CommandError

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_go_to_the_log_and_then_to_where_they_went_before(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "demo.log"
    os.write(1, b"before\n")
    with theatre.lines_to(log) as terminal:
        os.write(1, b"behind\n")
        os.write(2, b"trouble\n")
        os.write(terminal.out, b"on stage\n")
    os.write(1, b"after\n")
    assert log.read_text() == "behind\ntrouble\n"
    assert capfd.readouterr().out == "before\non stage\nafter\n"


def test_an_error_behind_the_scenes_gives_the_terminal_back(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError), theatre.lines_to(tmp_path / "log"):
        raise RuntimeError("fell off the stage")
    os.write(1, b"after\n")
    assert capfd.readouterr().out == "after\n"


def test_there_is_an_audience_only_before_a_whole_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not theatre.has_audience(headless=False)  # pytest's streams are none
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    assert theatre.has_audience(headless=False)
    assert not theatre.has_audience(headless=True)
    monkeypatch.setattr(theatre, "find_spec", lambda _name: None)
    assert not theatre.has_audience(headless=False)


def test_the_dashboard_says_what_it_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from argparse import ArgumentParser  # noqa: PLC0415 - of this case alone

    parser = ArgumentParser()
    dashboard.configure(parser, "dashboard")
    args = parser.parse_args(["--run-dir", str(tmp_path)])
    with pytest.raises(CommandError, match="needs a terminal"):
        dashboard.run(args)
    monkeypatch.setattr(dashboard, "find_spec", lambda _name: None)
    with pytest.raises(CommandError, match=r"wheeltapper\[dashboard\]"):
        dashboard.run(args)
