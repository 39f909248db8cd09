"""Sizes and places that a reader relies on."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("appliance", "connectors", "models", "fleet", "sim_plant")
LONGEST_FILE = 500
LONG_FUNCTION = 45
SHARE_BELOW = 0.95


def sources() -> list[Path]:
    return [path for name in PACKAGES for path in sorted((ROOT / name).rglob("*.py"))]


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    }
    assert not long


def test_nineteen_functions_in_twenty_fit_on_a_screen() -> None:
    lengths = [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    short = sum(length <= LONG_FUNCTION for length in lengths)
    assert short >= SHARE_BELOW * len(lengths)


def test_every_folder_of_a_connector_has_its_sample_and_readme() -> None:
    for folder in (ROOT / "connectors").iterdir():
        if folder.is_dir() and (folder / "__init__.py").exists():
            assert (folder / "sample.toml").is_file(), folder.name
            assert (folder / "README.md").is_file(), folder.name


def test_the_lock_names_no_address() -> None:
    assert "://" not in (ROOT / "requirements.lock").read_text()


def test_no_process_is_imported_by_another() -> None:
    processes = {"hub", "safety", "inference", "sync"}
    for name in processes:
        for path in (ROOT / "appliance" / name).rglob("*.py"):
            text = path.read_text()
            others = processes - {name}
            assert not any(f"appliance.{other}" in text for other in others), path
