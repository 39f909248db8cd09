"""Every state that the logic can reach, by every road: what must never be, is not.

Inputs are abstracted to the classes that the logic distinguishes, times to whole scans
counted back from now and cut off where they make no more difference.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from appliance.safety.channel import Reading, Trust
from appliance.safety.latch import Report
from appliance.safety.logic import (
    Commands,
    Matrix,
    Readings,
    State,
    Turn,
    power_up,
    step,
)
from appliance.safety.vote import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.config import ElementSettings, InitiatorSettings
    from appliance.domain.sample import Sample

HORIZON = 3
LOW, HIGH, BAD, LATE = 1.0, 9.0, math.nan, "late"
VALUES: tuple[float | str, ...] = (LOW, HIGH, BAD, LATE)
PRESSED = frozenset({"motor"})
PEOPLE = (
    Commands(),
    Commands(reset=PRESSED),
    Commands(stop="x"),
    Commands(stop="x", reset=PRESSED),
)
STATES_MAX = 60_000


@dataclass(frozen=True)
class Input:
    """One scan's worth of the outside world."""

    values: tuple[float | str, ...]
    running: float
    obeys: bool
    commands: Commands


def ago(at_s: float | None, now_s: float) -> float | None:
    return None if at_s is None else max(at_s - now_s, -HORIZON)


def folded(state: State, now_s: float) -> State:
    """Return the state as seen from time 0, without what makes no difference."""
    rows = {}
    for name, row in state.rows.items():
        channels = tuple(
            replace(
                each,
                value=0.0,
                good_at_s=ago(each.good_at_s, now_s),
                moved_at_s=0.0,
            )
            for each in row.channels
        )
        rows[name] = replace(
            row,
            channels=channels,
            unproven_since_s=ago(row.unproven_since_s, now_s),
            bare_since_s=ago(row.bare_since_s, now_s),
        )
    latches = {
        name: replace(
            latch,
            causes=("power-up",) if latch.tripped else (),
            unstopped_since_s=ago(latch.unstopped_since_s, now_s),
            unwritten_since_s=ago(latch.unwritten_since_s, now_s),
        )
        for name, latch in state.latches.items()
    }
    feedback = {
        tag: Reading(replace(each.sample, source_time_ns=0, receive_time_ns=0), 0.0)
        for tag, each in state.feedback.items()
    }
    return replace(
        state, rows=rows, latches=latches, feedback=feedback, scanned_at_s=0.0
    )


def key(state: State) -> Any:  # noqa: ANN401 - a hashable picture of the state
    feedback = tuple((tag, each.sample.value) for tag, each in state.feedback.items())
    return (
        tuple(state.rows.items()),
        tuple(state.latches.items()),
        feedback,
        state.reset_before,
    )


class Explorer:
    def __init__(self, matrix: Matrix, make: Callable[..., Sample]) -> None:
        self.matrix = matrix
        self._make = make
        channels = matrix.rows[0].channels
        self.inputs = [
            Input(values, running, obeys, commands)
            for values in product(VALUES, repeat=len(channels))
            for running, obeys in ((0.0, True), (1.0, True), (1.0, False))
            for commands in PEOPLE
        ]
        self._samples = {
            (tag, str(value)): make(tag, value)
            for tag in (*channels, "P/running")
            for value in (*VALUES, 0.0)
        }

    def readings(self, state: State, given: Input) -> Readings:
        tags = {
            tag: Reading(self._samples[tag, str(value)], 1.0)
            for tag, value in zip(
                self.matrix.rows[0].channels, given.values, strict=True
            )
        }
        tags["P/running"] = Reading(self._samples["P/running", str(given.running)], 1.0)
        ordered = not state.latches["motor"].tripped
        report = Report(point=ordered) if given.obeys else Report(None, written=False)
        return Readings(tags, {}, {"motor": report})

    def walk(self, check: Callable[[State, Input, Turn], None]) -> int:
        """Take every step from every reachable state; return how many states."""
        first = folded(power_up(self.matrix, {}, armed=True), 0.0)
        seen = {key(first)}
        waiting = deque([first])
        while waiting:
            assert len(seen) <= STATES_MAX, "not proven: too many states"
            state = waiting.popleft()
            for given in self.inputs:
                turn = step(
                    self.matrix,
                    state,
                    self.readings(state, given),
                    given.commands,
                    1.0,
                )
                check(state, given, turn)
                after = folded(turn.state, 1.0)
                if (name := key(after)) not in seen:
                    seen.add(name)
                    waiting.append(after)
        return len(seen)


@pytest.fixture(
    params=[
        {},
        {"on_delay_s": 2.0},
        {"bad_is": "exclude", "deadband": 0.0},
    ],
    ids=["bare", "on-delay", "exclude"],
)
def explorer(
    request: pytest.FixtureRequest,
    row: Callable[..., InitiatorSettings],
    element: Callable[..., ElementSettings],
    sample: Callable[..., Sample],
) -> Explorer:
    times = {"max_age_s": 1.0, "comms_loss_delay_s": 1.0, **request.param}
    matrix = Matrix((row(**times),), (element(),), {"high": ("motor",)})
    return Explorer(matrix, sample)


def demanded(state: State, row: InitiatorSettings) -> bool:
    since_s = state.rows[row.id].unproven_since_s
    return since_s is not None and 1.0 - since_s >= row.on_delay_s


def broken(row: InitiatorSettings, state: State, given: Input, turn: Turn) -> list[str]:
    """Return the promises that a step breaks."""
    was, now = state.latches["motor"], turn.state.latches["motor"]
    order = turn.orders["motor"]
    channel = turn.state.rows["high"].channels[0]
    released = was.tripped and not now.tripped
    stopped = given.running == 0.0 and given.obeys
    safe = channel.trust is Trust.GOOD and channel.verdict is Verdict.SAFE
    promises = {
        "the order is the latch": order.may_run is not now.tripped,
        "a demand stops in its scan": not (demanded(turn.state, row) and order.may_run),
        "a stop stops in its scan": not (given.commands.stop and order.may_run),
        "only a reset's edge releases": not released
        or (given.commands.reset and not state.reset_before),
        "only a good, safe input releases": not released or safe,
        "only a finished stop releases": not released or stopped,
        "NaN is bad at once": given.values != (BAD,) or channel.trust is Trust.BAD,
        "NaN never proves": given.values != (BAD,)
        or turn.state.rows["high"].unproven_since_s is not None,
        "a failed stop withholds the heartbeat": not (now.stop_failed and order.beat),
        "a scan without news does not beat": given.values != (LATE,)
        or channel.trust is Trust.BAD
        or not order.beat,
        "a trip has a first-out": bool(now.first_out) is now.tripped,
        "causes are only added": released
        or now.causes[: len(was.causes)] == was.causes,
    }
    return [what for what, kept in promises.items() if not kept]


def test_no_reachable_state_breaks_a_promise(explorer: Explorer) -> None:
    """The walk is no proof if it never leaves the beginning: so it must go far."""
    row = explorer.matrix.rows[0]
    reached: set[str] = set()

    def check(state: State, given: Input, turn: Turn) -> None:
        assert not broken(row, state, given, turn), (state, given)
        latch = turn.state.latches["motor"]
        reached.add("tripped" if latch.tripped else "running")
        reached.update(latch.causes)
        reached.update(str(each.trust) for each in turn.state.rows["high"].channels)
        if latch.stop_failed:
            reached.add("stop failed")

    assert explorer.walk(check) > 40
    assert reached == {
        "tripped",
        "running",
        "power-up",
        "high",
        "operator's stop",
        "output lost",
        "good",
        "late",
        "bad",
        "stop failed",
    }


def test_a_broken_logic_would_be_found(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk sees the natural mistake: `value > setpoint` lets NaN run."""

    def natural(_vote: object, verdicts: list[str]) -> bool:
        return Verdict.DEMANDING not in verdicts

    def check(state: State, given: Input, turn: Turn) -> None:
        assert not broken(explorer.matrix.rows[0], state, given, turn)

    monkeypatch.setattr("appliance.safety.row.may_run", natural)
    with pytest.raises(AssertionError):
        explorer.walk(check)
