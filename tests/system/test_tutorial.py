"""The tutorial is run as it stands: its commands in one shell, its output compared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials" / "first-alarm.md"
MARK = "==wheeltapper-tutorial=="

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(400)]


def steps() -> list[tuple[str, list[str]]]:
    """Return each command with the lines that the page shows after it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            else:
                found[-1][1].append(line)
    return found


def replayable(command: str, folder: Path) -> str:
    """Return the command with its files in a folder of the test's own.

    The venv that runs the test stands for the one that the page makes.
    """
    if command.startswith("make setup"):
        return "true"
    if command.endswith("bin/activate"):
        return f"export PATH={Path(sys.executable).parent}:$PATH"
    return command.replace("first-run", str(folder / "first-run"))


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    wanted = steps()
    assert len(wanted) > 10
    script = "".join(
        f"{replayable(command, tmp_path)}\necho; echo {MARK}\n" for command, _ in wanted
    )
    done = subprocess.run(
        ["/bin/bash"],
        input=script,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=380,
        check=False,
    )
    printed = done.stdout.split(f"{MARK}\n")
    for (command, lines), output in zip(wanted, printed, strict=False):
        for line in lines:
            shown = line.replace("first-run", str(tmp_path / "first-run"))
            pattern = ".*".join(map(re.escape, shown.split("…")))
            assert re.search(pattern, output), (command, line, output, done.stderr)
