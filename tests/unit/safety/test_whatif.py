"""What-if: a script plays on the real logic."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import MaintenanceSettings, PermissiveSettings
from appliance.safety.proof.script import Line, ScriptError, parsed
from appliance.safety.proof.whatif import WhatIf
from appliance.safety.turn import Matrix
from tests.unit.safety.bench import a_row, an_element

if TYPE_CHECKING:
    from appliance.config import InitiatorSettings
    from appliance.safety.proof.whatif import Change


def play(
    script: str,
    *rows: InitiatorSettings,
    cold: bool = False,
    maintenance: MaintenanceSettings | None = None,
) -> list[Change]:
    rows = rows or (a_row(),)
    wet = PermissiveSettings(tag="P/level", below=3.0)
    element = an_element(permissives=(wet,))
    stops = {row.id: (element.id,) for row in rows}
    matrix = Matrix(rows, (element,), stops, maintenance)
    what_if = WhatIf(matrix, period_s=0.1, cold=cold)
    assert what_if.state.armed
    return list(what_if.play(list(parsed(script.splitlines()))))


def told(changes: list[Change]) -> list[str]:
    return [name for change in changes for name, _ in change.events]


def test_a_demand_stops_and_a_reset_waits_for_it() -> None:
    changes = play("# up\n+0.5 P/a=9 good\nreset motor\nP/a=1\nwait 1\nreset\n")
    assert told(changes) == [
        "demand",
        "first_out",
        "stop_confirmed",
        "reset_refused",
        "demand_cleared",
        "reset",
    ]
    assert changes[1].at_s == pytest.approx(0.6)
    assert changes[1].elements == {"motor": "STOP, first-out high"}
    assert changes[1].text().splitlines()[1] == (
        "    0.600 s  motor: STOP, first-out high"
    )
    refused = next(change for change in changes if change.refusals)
    assert refused.plain()["refusals"] == ["the demand of high lasts"]
    assert refused.plain()["events"][-1]["name"] == "reset_refused"


def test_a_cold_start_has_heard_nothing() -> None:
    changes = play("+0.1", cold=True)
    assert changes[0].elements == {"motor": "STOP, first-out power-up"}


def test_late_and_bad_values_and_a_stop_can_be_played() -> None:
    assert "channel_late" in told(play("P/a=0 late\nwait 3"))
    assert told(play("P/a=0 bad"))[0] == "channel_bad"
    assert "stop_requested" in told(play("stop"))


def test_bypasses_of_rows_and_of_channels_can_be_played() -> None:
    pair = a_row(channels=("P/a", "P/b"), vote="2oo2")
    changes = play("bypass P/b 60s\nunbypass high\nbypass high 60s", pair)
    assert [name for name in told(changes) if "bypass" in name] == [
        "bypassed",
        "bypass_removed",
        "bypassed",
    ]


def test_the_mode_can_be_played() -> None:
    assert [each for each in told(play("observe\narm")) if each == "mode"] == [
        "mode"
    ] * 2


def test_a_hand_over_can_be_played() -> None:
    plc = MaintenanceSettings(output="plc", request="ask", granted="P/granted")
    script = "hand over 60s\nP/granted=1\nresume"
    assert told(play(script, maintenance=plc)) == [
        "maintenance_requested",
        "maintenance_granted",
        "maintenance_ended",
    ]


def test_every_condition_starts_well() -> None:
    rows = (
        a_row(id="rate", condition="rate", channels=("P/r",), rate_window_s=1.0),
        a_row(id="apart", condition="deviation", channels=("P/1", "P/2")),
        a_row(id="band", condition="outside", setpoint_low=1.0, channels=("P/o",)),
        a_row(id="model", source="model", channels=(), setpoint=0.5),
    )
    (change,) = play("wait 1", *rows)
    assert set(change.rows.values()) == {
        "clear, votes 1oo1",
        "clear, votes spread of 2",
    }
    assert change.elements == {"motor": "may run"}
    assert told(play("model=1", *rows))[0] == "demand"


@pytest.mark.parametrize(
    "script",
    ["P/gone=1", "reset fan", "bypass low 60s", "unbypass low", "P/a", "P/a=x",
     "+x stop", "wait soon", "bypass high", "stop now please", "hand over soon"],
)  # fmt: skip
def test_what_is_not_understood_is_named_by_its_line(script: str) -> None:
    with pytest.raises(ScriptError, match="line 2"):
        play(f"\n{script}")


def test_names_may_have_spaces() -> None:
    lines = list(parsed(["+1m bypass high high 2m", "+2 a b/c d=-1.5 late", "+3"]))
    assert lines == [
        Line(1, "bypass", "high high", 60.0, length_s=120.0),
        Line(2, "set", "a b/c d", 2.0, -1.5, "late"),
        pytest.approx(lines[2]),
    ]


@given(st.text())
def test_no_text_makes_the_parser_fail_to_answer(text: str) -> None:
    lines: list[Line] = []
    with suppress(ScriptError):
        lines = list(parsed(text.splitlines()))
    assert all(line.number > 0 for line in lines)
