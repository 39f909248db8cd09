"""The page of complaints names tests that exist, and at least one for each theme."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "complaints.md"
THEMES = ("T1", "T3", "T4", "T5", "T6", "T7", "T8", "T11")


def named() -> dict[str, list[tuple[str, str]]]:
    """Return file and function of every test on the page, by theme."""
    rows = re.findall(r"^\| (T\d+) \|.*\|(.*)\|$", PAGE.read_text(), re.MULTILINE)
    return {theme: re.findall(r"`([^`]+)::(\w+)`", cell) for theme, cell in rows}


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize("theme", THEMES)
def test_each_complaint_has_tests_and_they_exist(theme: str) -> None:
    tests = named()[theme]
    assert tests
    for path, name in tests:
        assert (ROOT / path).is_file(), path
        assert name.startswith("test_"), name
        assert name in functions(ROOT / path), f"{path}::{name}"


def test_the_page_has_no_theme_twice_and_nothing_that_is_no_test() -> None:
    page = PAGE.read_text()
    assert len(re.findall(r"^\| T\d+ \|", page, re.MULTILINE)) == len(named())
    quoted = re.findall(r"`([^`]+)`", page.partition("|---")[2])
    assert all("::" in each for each in quoted)
