"""What mutation testing has left is explained, and is still in the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.mutation.mutants import mutants, mutated
from tests.mutation.run import EVERY, every, explained
from tests.mutation.suites import LEFT_OUT, SUITES, modules

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "safety-mutants.md"

SOURCE = """\
def may_run(value, setpoint=7.0):
    \"\"\"Say 1.\"\"\"
    if value is None or setpoint:
        return False
    told.append(value)
    return min(value, -setpoint) <= 2 + 1
"""


def test_every_kind_of_change_is_made_once_at_each_place() -> None:
    found = [(each.before, each.after) for each in mutants("any", SOURCE)]
    assert sorted(found) == sorted(
        [
            ("7.0", "8.0"),
            ("value is None or setpoint", "not (value is None or setpoint)"),
            ("value is None or setpoint", "value is None and setpoint"),
            ("value is None", "value is not None"),
            ("False", "True"),
            (
                "min(value, -setpoint) <= 2 + 1",
                "min(value, -setpoint) < 2 + 1",
            ),
            ("min(value, -setpoint)", "max(value, -setpoint)"),
            ("-setpoint", "setpoint"),
            ("2 + 1", "2 - 1"),
            ("2", "3"),
            ("1", "2"),
            ("told.append(value)", "pass"),
        ]
    )


def test_a_mutant_differs_in_nothing_but_its_change() -> None:
    sound = ast.unparse(ast.parse(SOURCE)).splitlines()
    for mutant in mutants("any", SOURCE):
        wrong = ast.unparse(mutated(SOURCE, mutant)).splitlines()
        changed = [line for line in wrong if line not in sound]
        assert len(changed) == 1
        assert mutant.after in changed[0]


def test_a_mutant_has_a_name_of_its_own() -> None:
    keys = [each.key for name in SUITES for each in every(name)]
    assert len(keys) == len(set(keys))


def test_the_explanations_are_of_code_that_is_still_there() -> None:
    keys = {each.key for name in SUITES for each in every(name)}
    assert explained().keys() <= keys
    assert all(explained().values())


def test_the_tests_that_notice_exist() -> None:
    for name in EVERY:
        assert (Path(__file__).parent / name).exists()


def test_every_module_of_safety_is_mutated_or_left_out_for_a_reason() -> None:
    assert SUITES.keys() | LEFT_OUT.keys() == modules()
    assert not SUITES.keys() & LEFT_OUT.keys()
    assert all(LEFT_OUT.values())


@pytest.mark.requirement("A3")
def test_every_survivor_that_the_page_names_is_explained() -> None:
    _, survivors = PAGE.read_text(encoding="utf-8").split("## Survivors")
    told = re.findall(r"^- (.+)\n  (.+)$", survivors, flags=re.MULTILINE)
    assert dict(told) == explained()
    assert len(told) == len(re.findall(r"^- ", survivors, flags=re.MULTILINE))
