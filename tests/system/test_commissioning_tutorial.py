"""The tutorial is run as it stands; every tag it arrives at is held to the plant."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sim_plant.tags import HOURS_RUN, RUNNING, SCAN_COUNT, TRANSMITTERS
from tests.contract.wires import free_port

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorials" / "commission-a-plant.md"
MARK = "==wheeltapper-tutorial=="
TRUTH = Path(__file__).with_name("plant_truth.py")

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def steps() -> list[tuple[str, list[str]]]:
    """Return each command, with its continuations, and the lines shown after it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line.removeprefix("$ "), []))
            elif line.startswith("> "):
                command, shown = found[-1]
                found[-1] = (f"{command}\n{line.removeprefix('> ')}", shown)
            else:
                found[-1][1].append(line)
    return found


def localised(text: str, folder: Path, ports: dict[str, str]) -> str:
    """Return a text with a folder and ports of the test's own.

    The venv that runs the test stands for the one that the page names.
    """
    if text == ". .venv/bin/activate":
        return f"export PATH={Path(sys.executable).parent}:$PATH"
    text = re.sub(r"\bcommissioning\b", str(folder / "commissioning"), text)
    for shown, own in ports.items():
        text = text.replace(shown, own)
    return text


def allowance(name: str) -> float:
    """Return how far a tag may be from what the plant showed before and after."""
    if name == HOURS_RUN:
        return 2.0  # an hour of wear a second
    if name == SCAN_COUNT:
        return 50.0  # fifty a second
    instrument = next(each for each in TRANSMITTERS if each.tag == name)
    span = instrument.range_high - instrument.range_low
    return 8 * instrument.noise + instrument.resolution + 0.04 * span


def test_an_unknown_plant_comes_to_all_its_tags_right(tmp_path: Path) -> None:
    wanted = steps()
    assert len(wanted) > 15
    ports = {"48400": str(free_port()), "50200": str(free_port())}
    own = tmp_path / "commissioning"
    script = ""
    for command, _ in wanted:
        if command.startswith("kill"):
            look = f"{sys.executable} {TRUTH} opc.tcp://127.0.0.1:{ports['48400']}/"
            script += (
                f"{look} > {tmp_path}/before.json\n"
                f"wheeltapper read --all --json -c {own}/plant.toml"
                f" > {tmp_path}/t.json\n"
                f"{look} > {tmp_path}/after.json\n"
            )
        script += f"{localised(command, tmp_path, ports)}\necho; echo {MARK}\n"
    done = subprocess.run(
        ["/bin/bash"],
        input=script,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        timeout=380,
        check=False,
    )
    printed = done.stdout.split(f"{MARK}\n")
    for (command, lines), output in zip(wanted, printed, strict=False):
        for line in lines:
            pattern = ".*".join(
                map(re.escape, localised(line, tmp_path, ports).split("…"))
            )
            assert re.search(pattern, output), (command, line, output, done.stderr)
    judge(tmp_path)


def judge(folder: Path) -> None:
    """Every tag of the configuration is what the plant shows, by both protocols."""
    before, after = (
        json.loads((folder / f"{when}.json").read_text())
        for when in ("before", "after")
    )
    read = {row["tag"]: row for row in json.loads((folder / "t.json").read_text())}
    assert {row["quality"] for row in read.values()} == {"good"}
    compared = 0
    for name, value in before.items():
        if name == RUNNING:
            assert read[name]["value"] == value
            continue
        modbus = f"skid/{name.rpartition('/')[2]}"
        lowest, highest = sorted((value, after[name]))
        for tag in (name, modbus):
            near = lowest - allowance(name), highest + allowance(name)
            assert near[0] <= read[tag]["value"] <= near[1], (tag, read[tag], near)
            compared += 1
    assert compared == 2 * (len(TRANSMITTERS) + 2)
    units = {each.tag: each.unit.symbol for each in TRANSMITTERS}
    assert all(read[tag]["engineering_units"] == unit for tag, unit in units.items())
