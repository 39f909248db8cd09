"""The reachable behaviour, against what was committed: a change must be meant."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import pytest

from appliance.config import MaintenanceSettings, PermissiveSettings, check_text
from appliance.safety.proof.lock import difference, lock_text
from appliance.safety.proof.prove import prove
from appliance.safety.turn import Matrix, matrix_of
from tests.unit.safety.bench import a_row, an_element

if TYPE_CHECKING:
    from collections.abc import Callable

LOCKS = Path(__file__).parent / "locks"
ACCEPT = "WHEELTAPPER_ACCEPT_LOCKS"
pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.requirement("A3"),
    pytest.mark.usefixtures("untraced"),
]


def of_text(text: str) -> Matrix:
    config, problems = check_text(text)
    assert config is not None, problems
    return matrix_of(config)


def the_demo() -> Matrix:
    text = files("appliance.commands.demo").joinpath("demo.toml").read_text("utf-8")
    ports = {"modbus_port": 5020, "broker_port": 1883}
    url = "opc.tcp://127.0.0.1:4840/"
    return of_text(Template(text).substitute(opcua_url=url, **ports))


def the_gateway_example() -> Matrix:
    """The shipped file with its examples taken in: `#` right before a word."""
    text = files("appliance.commands").joinpath("gateway.toml").read_text("utf-8")
    matrix = of_text(re.sub(r"^#(?=[\[\"\w])", "", text, flags=re.MULTILINE))
    assert matrix.rows
    return matrix


def every_condition() -> Matrix:
    two = ("P/a", "P/b")
    rows = (
        a_row(id="outside", condition="outside", setpoint_low=1.0),
        a_row(id="rate", condition="rate", on_delay_s=1.0, deadband=0.0),
        a_row(id="low", condition="low", channels=("P/b",), deadband=0.0),
        a_row(id="deviation", condition="deviation", channels=two, deadband=0.0),
    )
    wet = PermissiveSettings(tag="P/level", above=0.5)
    element = an_element(permissives=(wet,))
    return Matrix(rows, (element,), {row.id: (element.id,) for row in rows})


def a_model() -> Matrix:
    model = a_row(id="model", source="model", channels=(), deadband=0.0)
    rows, element = (a_row(deadband=0.0), model), an_element()
    return Matrix(rows, (element,), {row.id: (element.id,) for row in rows})


def a_hand_over() -> Matrix:
    plc = MaintenanceSettings(output="plc", request="ask", granted="P/granted")
    row, element = a_row(deadband=0.0), an_element()
    return Matrix((row,), (element,), {row.id: (element.id,)}, plc)


@pytest.mark.parametrize(
    ("name", "matrix"),
    [
        ("demo", the_demo),
        ("gateway", the_gateway_example),
        ("conditions", every_condition),
        ("model", a_model),
        ("hand-over", a_hand_over),
    ],
)
def test_the_reachable_behaviour_is_the_committed_one(
    name: str, matrix: Callable[[], Matrix]
) -> None:
    proofs = list(prove(matrix()))
    for proof in proofs:
        assert proof.is_proven
        assert proof.counterexample == ()
        assert proof.states > 50, "the walk is no proof if it stays at the beginning"
    found = lock_text(proofs)
    lock = LOCKS / f"{name}.lock"
    if os.environ.get(ACCEPT):
        lock.write_text(found, encoding="utf-8")
    changed = difference(lock.read_text(encoding="utf-8"), found, lock.name)
    hint = f"the behaviour has changed; if it is meant: {ACCEPT}=1 pytest {__file__}"
    assert not changed, f"{hint}\n{changed}"


def test_a_change_of_behaviour_is_a_readable_difference() -> None:
    rows = a_row(), a_row(setpoint=7.0, bad_is="exclude", on_delay_s=1.0)
    texts = [
        lock_text(prove(Matrix((row,), (an_element(),), {row.id: ("motor",)})))
        for row in rows
    ]
    changed = difference(texts[0], texts[1], "pump.lock")
    assert "--- pump.lock (committed)" in changed
    assert any(line.startswith("+  running | ") or "on-delay" in line
               for line in changed.splitlines())  # fmt: skip
    assert difference(texts[0], texts[0], "pump.lock") == ""
