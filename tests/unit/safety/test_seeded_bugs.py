"""Bugs sown into the logic: the proof finds each, and its trace replays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from appliance.safety import handover, logic
from appliance.safety.channel import Trust, _trust
from appliance.safety.handover import Doubts
from appliance.safety.proof.elements import ElementWalk, Postures
from appliance.safety.proof.promises import (
    CAUSELESS,
    FIRST_OUT,
    HEARTBEAT,
    P1,
    P2,
    P3,
    P4,
    P5,
    P6,
    P7,
    RESET,
    STOP,
)
from appliance.safety.proof.rows import RowWalk
from appliance.safety.proof.trace import replayed
from appliance.safety.row import judge_row
from appliance.safety.turn import Matrix
from appliance.safety.vote import Verdict
from tests.unit.safety.proving import PLC, matrix_of, proof_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from appliance.safety.latch import Latch
    from tests.unit.safety.bench import MakeElement, MakeRow


pytestmark = [pytest.mark.timeout(300), pytest.mark.requirement("A2")]


Patch = "Callable[[pytest.MonkeyPatch], None]"


_step = logic.step


def reset_wins(patch: pytest.MonkeyPatch) -> None:
    """The reset is looked at after the trip, and wins."""
    patch.setattr(logic, "_refusals", lambda *_: ())


def bypass_ends_silently(patch: pytest.MonkeyPatch) -> None:
    """When a bypass is over, the demand that waited under it is forgotten."""

    def forgetful(row: Any, state: Any, *rest: Any) -> Any:  # noqa: ANN401
        after = judge_row(row, state, *rest)
        if state.bypass is None or after.bypass is not None:
            return after
        return replace(after, demand=False, unproven_since_s=None)

    patch.setattr(logic, "judge_row", forgetful)


def stale_is_good(patch: pytest.MonkeyPatch) -> None:
    """What was good once is good for ever."""
    trust = "appliance.safety.channel._trust"
    patch.setattr(trust, lambda _row, state, _now: state.trust)


def late_for_ever(patch: pytest.MonkeyPatch) -> None:
    """What is late never becomes bad."""

    def patient(row: Any, state: Any, now_s: float) -> Trust:  # noqa: ANN401
        trust = _trust(row, state, now_s)
        late = trust is Trust.BAD and state.trust is not Trust.BAD
        return Trust.LATE if late and state.good_at_s is not None else trust

    patch.setattr("appliance.safety.channel._trust", patient)


def bad_proves(patch: pytest.MonkeyPatch) -> None:
    """The natural mistake: only what is demanding counts against running."""

    def natural(_vote: object, verdicts: Sequence[Verdict]) -> bool:
        return Verdict.DEMANDING not in verdicts

    patch.setattr("appliance.safety.row.may_run", natural)


def held_reset(patch: pytest.MonkeyPatch) -> None:
    """A reset counts as long as it is pressed."""

    def level(matrix: Any, state: Any, *rest: Any) -> Any:  # noqa: ANN401
        return _step(matrix, replace(state, reset_before=frozenset()), *rest)

    patch.setattr(logic, "step", level)


def one_row_counts(patch: pytest.MonkeyPatch) -> None:
    """Only the first row of an element is looked at."""
    rows_of = Matrix.rows_of
    patch.setattr(Matrix, "rows_of", lambda *args: rows_of(*args)[:1])


def stop_is_late(patch: pytest.MonkeyPatch) -> None:
    """A person's stop is not among the reasons."""
    patch.setattr(logic, "_common_reasons", lambda *_: [])


def model_permits(patch: pytest.MonkeyPatch) -> None:
    """A model that is content lets the machine run."""

    def content(matrix: Any, state: Any, readings: Any, *rest: Any) -> Any:  # noqa: ANN401
        turn = _step(matrix, state, readings, *rest)
        said = [each.sample.value for each in readings.models.values()]
        if not said or not said[0] <= 7.0:
            return turn
        orders = {n: replace(each, may_run=True) for n, each in turn.orders.items()}
        return replace(turn, orders=orders)

    patch.setattr(logic, "step", content)


def takes_over_blindly(patch: pytest.MonkeyPatch) -> None:
    """Whoever returns takes over, whatever it finds."""
    patch.setattr(handover, "doubts", lambda *_: Doubts())


def waits_blindly(patch: pytest.MonkeyPatch) -> None:
    """Whoever returns waits, whatever it finds."""
    patch.setattr(handover, "doubts", lambda *_: Doubts(waiting=("?",)))


def granted_with_a_demand(patch: pytest.MonkeyPatch) -> None:
    """A hand-over stands, whatever happens meanwhile."""
    patch.setattr(handover, "unfit", lambda *_: iter(()))


def anxious(patch: pytest.MonkeyPatch) -> None:
    """It stops without a reason."""
    patch.setattr(logic, "is_lost", lambda *_: True)


def never_resets(patch: pytest.MonkeyPatch) -> None:
    """No reset is ever permitted."""
    patch.setattr(logic, "_refusals", lambda *_: ("no",))


def always_beats(patch: pytest.MonkeyPatch) -> None:
    """The heart beats whatever was read."""
    patch.setattr(logic, "is_read", lambda *_: True)


def beats_after_failure(patch: pytest.MonkeyPatch) -> None:
    """A stop that failed is not noticed by the heart."""

    def hearty(*args: Any) -> Any:  # noqa: ANN401
        turn = _step(*args)
        orders = {n: replace(each, beat=True) for n, each in turn.orders.items()}
        return replace(turn, orders=orders)

    patch.setattr(logic, "step", hearty)


def forgets_the_first(patch: pytest.MonkeyPatch) -> None:
    """The newest cause stands first."""

    def newest(latch: Latch, reasons: Sequence[str], now_s: float) -> Latch:
        del now_s
        causes = (*reasons, *latch.causes)
        return replace(latch, tripped=bool(causes), causes=causes)

    patch.setattr(logic, "tripped_by", newest)


def causeless_latch(patch: pytest.MonkeyPatch) -> None:
    """It trips and does not say why."""

    def silent(latch: Latch, reasons: Sequence[str], now_s: float) -> Latch:
        del now_s
        return replace(latch, tripped=latch.tripped or bool(reasons), causes=())

    patch.setattr(logic, "tripped_by", silent)


def runs_though_tripped(patch: pytest.MonkeyPatch) -> None:
    """The order is not the latch."""

    def bold(*args: Any) -> Any:  # noqa: ANN401
        turn = _step(*args)
        orders = {n: replace(each, may_run=True) for n, each in turn.orders.items()}
        return replace(turn, orders=orders)

    patch.setattr(logic, "step", bold)


BUGS: list[tuple[Callable[[pytest.MonkeyPatch], None], str]] = [
    (reset_wins, P2),
    (bypass_ends_silently, P4),
    (stale_is_good, P2),
    (late_for_ever, P5),
    (bad_proves, P5),
    (held_reset, P3),
    (one_row_counts, P1),
    (stop_is_late, STOP),
    (model_permits, P6),
    (takes_over_blindly, P7),
    (waits_blindly, P7),
    (granted_with_a_demand, P7),
    (anxious, CAUSELESS),
    (never_resets, RESET),
    (always_beats, HEARTBEAT),
    (beats_after_failure, HEARTBEAT),
    (forgets_the_first, FIRST_OUT),
    (causeless_latch, FIRST_OUT),
    (runs_though_tripped, CAUSELESS),
]


@pytest.mark.parametrize(
    ("bug", "promise"), BUGS, ids=[bug.__name__ for bug, _ in BUGS]
)
def test_a_seeded_bug_is_found_and_its_trace_replays(
    row: MakeRow,
    element: MakeElement,
    monkeypatch: pytest.MonkeyPatch,
    bug: Callable[[pytest.MonkeyPatch], None],
    promise: str,
) -> None:
    rows = [row(deadband=0.0)]
    if bug is one_row_counts:
        rows.append(row(id="low", condition="low", deadband=0.0, channels=("P/b",)))
    if bug is model_permits:
        rows.append(row(id="model", source="model", channels=(), deadband=0.0))
    matrix = matrix_of(
        *rows,
        element=element(),
        maintenance=PLC if promise == P7 else None,
    )
    bug(monkeypatch)
    proof = proof_of(matrix)
    assert not proof.is_proven
    assert promise in proof.broken or bug is runs_though_tripped
    wrong = list(replayed(matrix, proof.counterexample))
    assert len(wrong) == len(proof.counterexample) - 1
    monkeypatch.undo()
    right = list(replayed(matrix, proof.counterexample))
    assert [each.step for each in right] == [each.step for each in wrong]
    assert right[-1].turn != wrong[-1].turn


@pytest.mark.parametrize(
    ("bug", "promise"),
    [
        (reset_wins, P2),
        (never_resets, RESET),
        (anxious, CAUSELESS),
        (model_permits, P6),
        (runs_though_tripped, FIRST_OUT),
        (beats_after_failure, HEARTBEAT),
    ],
)
def test_a_bug_that_rows_alone_would_not_show_is_found_in_the_element(
    row: MakeRow,
    element: MakeElement,
    monkeypatch: pytest.MonkeyPatch,
    bug: Callable[[pytest.MonkeyPatch], None],
    promise: str,
) -> None:
    model = row(id="model", source="model", channels=(), deadband=0.0)
    rows = (model,) if bug is model_permits else (row(deadband=0.0),)
    matrix = matrix_of(*rows, element=element())
    found = {}
    for initiator in rows:
        postures = Postures(initiator)
        RowWalk(initiator, postures.look).walked(10_000)
        found[initiator.id] = tuple(postures.found.values())
    bug(monkeypatch)
    walked = ElementWalk(matrix, found, lambda _: None).walked(10_000)
    assert walked.counterexample is not None
    assert promise in walked.counterexample.broken
