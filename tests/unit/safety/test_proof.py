"""Every state that the real logic can reach, by every road."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.config import PermissiveSettings
from appliance.safety.proof.elements import ElementNode, ElementWalk, Postures
from appliance.safety.proof.lock import difference, lock_text
from appliance.safety.proof.prove import prove
from appliance.safety.proof.rows import RowWalk
from appliance.safety.proof.trace import TraceError, replayed
from appliance.safety.turn import Matrix
from tests.unit.safety.proving import PLC, matrix_of, proof_of

if TYPE_CHECKING:
    from appliance.safety.proof.promises import Scan
    from appliance.safety.proof.walk import Walked
    from tests.unit.safety.bench import MakeElement, MakeRow


TWO, THREE = ("P/a", "P/b"), ("P/a", "P/b", "P/c")


pytestmark = [pytest.mark.timeout(300), pytest.mark.requirement("A2")]


@pytest.mark.parametrize(
    ("changes", "states"),
    [
        ({}, 30),
        ({"on_delay_s": 2.0, "comms_loss_delay_s": 0.0}, 78),
        ({"condition": "low", "deadband": 0.0}, 18),
        ({"condition": "low"}, 30),
        ({"condition": "outside", "setpoint_low": 1.0}, 30),
        ({"condition": "rate", "direction": "fall"}, 42),
        ({"condition": "rate", "direction": "either", "on_delay_s": 1.0}, 150),
        ({"frozen_after_s": 9.0}, 51),
        ({"source": "model", "channels": (), "on_delay_s": 1.0}, 36),
        ({"channels": TWO, "vote": "1oo2", "bad_is": "exclude"}, 190),
        ({"channels": TWO, "vote": "2oo2", "on_delay_s": 1.0}, 400),
        ({"channels": TWO, "condition": "deviation", "deadband": 0.0}, 100),
        (
            {"channels": THREE, "vote": "2oo3", "bad_is": "exclude", "deadband": 0.0},
            259,
        ),
        (
            {
                "channels": THREE,
                "vote": "2oo3",
                "bypass_leaves": "2oo2",
                "deadband": 0.0,
            },
            259,
        ),
    ],
    ids=lambda each: (
        ", ".join(f"{v}" for v in each.values()) if isinstance(each, dict) else ""
    ),
)
@pytest.mark.requirement("A7")
@pytest.mark.requirement("A8")
def test_no_reachable_state_of_a_row_breaks_a_promise(
    row: MakeRow, changes: dict[str, Any], states: int
) -> None:
    """The walk is no proof if it never leaves the beginning: so it must go far."""
    walked = RowWalk(row(**changes)).walked(10_000)
    assert walked.counterexample is None
    assert walked.whole
    assert walked.states >= states


@pytest.mark.parametrize(
    "changes",
    [
        {"on_delay_s": 1.0},
        {"channels": TWO, "vote": "1oo2", "deadband": 0.0, "bad_is": "exclude"},
        {"channels": TWO, "condition": "deviation", "deadband": 0.0},
    ],
    ids=["1oo1", "1oo2", "deviation"],
)
def test_fewer_combinations_reach_the_same_states(
    row: MakeRow, changes: dict[str, Any]
) -> None:
    fewer = RowWalk(row(**changes)).walked(10_000)
    every = RowWalk(row(**changes), whole=True).walked(10_000)
    assert fewer.states == every.states
    assert fewer.transitions <= every.transitions


def test_an_element_without_feedback_is_proven(
    row: MakeRow, element: MakeElement
) -> None:
    slow = row(on_delay_s=1.0, deadband=0.0)
    proof = proof_of(matrix_of(slow, element=element(feedback=None)))
    assert proof.is_proven
    assert proof.counterexample == ()


def test_an_element_with_two_rows_and_a_permissive_is_proven(
    row: MakeRow, element: MakeElement
) -> None:
    rows = (
        row(deadband=0.0, comms_loss_delay_s=0.0),
        row(id="model", source="model", channels=(), deadband=0.0),
    )
    wet = PermissiveSettings(tag="P/level", below=0.5)
    column = element(feedback=None, permissives=(wet,))
    assert proof_of(matrix_of(*rows, element=column)).is_proven


def seen_by(matrix: Matrix) -> tuple[Walked[ElementNode], list[Scan]]:
    """Walk the element of a matrix, whose rows are walked by a logic without bugs."""
    finely = matrix.maintenance is not None
    found = {}
    for initiator in matrix.rows:
        postures = Postures(initiator, finely=finely)
        RowWalk(initiator, postures.look).walked(10_000)
        found[initiator.id] = tuple(postures.found.values())
    scans: list[Scan] = []
    return ElementWalk(matrix, found, scans.append).walked(10_000), scans


@pytest.mark.requirement("A4")
@pytest.mark.usefixtures("untraced")
def test_a_hand_over_is_proven_and_goes_all_the_way(
    row: MakeRow, element: MakeElement
) -> None:
    brief = row(deadband=0.0, comms_loss_delay_s=0.0)
    matrix = matrix_of(brief, element=element(), maintenance=PLC)
    walked, scans = seen_by(matrix)
    assert walked.whole
    assert walked.counterexample is None
    assert any(scan.order.hold for scan in scans)
    assert any(scan.returning and scan.released for scan in scans)
    assert any(scan.returning and scan.order.may_run is False for scan in scans)
    assert {scan.turn.request for scan in scans} == {True, False, None}


def test_a_hand_over_of_a_model_alone_is_proven(
    row: MakeRow, element: MakeElement
) -> None:
    model = row(id="model", source="model", channels=(), deadband=0.0)
    matrix = matrix_of(model, element=element(), maintenance=PLC)
    walked, scans = seen_by(matrix)
    assert walked.counterexample is None
    assert any(scan.order.hold for scan in scans)


def test_too_many_states_are_not_proven(row: MakeRow, element: MakeElement) -> None:
    matrix = matrix_of(row(), element=element())
    for states_max in (5, 29):
        proof = proof_of(matrix, states_max=states_max)
        assert not proof.is_proven
        assert proof.broken == ()
    cut_late = proof_of(matrix, states_max=31)
    assert cut_late.rows[0].walked.whole
    assert not cut_late.is_proven


def test_an_element_that_nothing_stops_is_not_proven(element: MakeElement) -> None:
    proof = proof_of(Matrix((), (element(),), {}))
    assert not proof.is_proven
    assert proof.states == proof.transitions == 0


def test_a_row_that_stops_two_is_told_once(row: MakeRow, element: MakeElement) -> None:
    columns = (element(), element(id="valve", feedback=None))
    matrix = Matrix((row(deadband=0.0),), columns, {"high": ("motor", "valve")})
    proofs = list(prove(matrix))
    assert [proof.is_proven for proof in proofs] == [True, True]
    assert lock_text(proofs).count("initiator 'high'") == 1


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["{}"],
        ["[1]"],
        ["no json"],
        ['{"format": "other", "element": "motor", "row": ""}'],
        ['{"format": "wheeltapper trace 1", "element": "fan", "row": ""}'],
        ['{"format": "wheeltapper trace 1", "element": "motor", "row": "gone"}'],
        ['{"format": "wheeltapper trace 1", "element": "motor", "row": ""}', '{"x":1}'],
    ],
)
def test_what_is_no_trace_of_this_matrix_is_refused(
    row: MakeRow, element: MakeElement, lines: list[str]
) -> None:
    with pytest.raises(TraceError):
        list(replayed(matrix_of(row(), element=element()), lines))


def test_the_difference_of_two_locks_names_which_is_committed() -> None:
    assert difference("a\nb", "a\nb", "pump.lock") == ""
    changed = difference("a\nb", "a\nc", "pump.lock").splitlines()
    assert changed[:2] == ["--- pump.lock (committed)", "+++ pump.lock (found)"]
    assert changed[-2:] == ["-b", "+c"]
