"""The how-to of a stop is checked, proven and played as it stands."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.cli import main
from appliance.commands import check, trips

if TYPE_CHECKING:
    import pytest

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "set-up-a-stop.md"
SITE = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[assets]]
id = "P-101"
"""


def blocks(kind: str) -> list[str]:
    found: list[str] = re.findall(
        rf"```{kind}\n(.*?)```", HOW_TO.read_text(), re.DOTALL
    )
    return found


def test_the_matrix_of_the_how_to_is_proven_and_plays_what_the_page_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, script = tmp_path / "plant.toml", tmp_path / "what-if.txt"
    (matrix,), (told, printed) = blocks("toml"), blocks("text")
    config.write_text(SITE + matrix)
    script.write_text(told)
    assert main(["check", str(config)]) == 0
    assert main(["trips", "prove", str(config)]) == 0
    assert "P-101 motor: proven" in capsys.readouterr().out
    assert main(["trips", "simulate", str(config), str(script)]) == 0
    assert capsys.readouterr().out == printed


def test_the_how_to_names_commands_that_there_are() -> None:
    parsers = {"trips": argparse.ArgumentParser(), "check": argparse.ArgumentParser()}
    trips.configure(parsers["trips"], "trips")
    check.configure(parsers["check"], "check")
    for shell in blocks("sh"):
        for line in shell.splitlines():
            program, command, *words = shlex.split(line)
            assert program == "wheeltapper"
            named = vars(parsers[command].parse_args(words))
            assert set(words) & {str(each) for each in named.values()}
