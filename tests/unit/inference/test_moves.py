"""A running machine that begins to behave otherwise is told once, with what moved."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.domain.tag import Tag, TagId
from appliance.inference.detector import Verdict
from appliance.inference.moves import CHANGES_PER_DAY, COOL_DOWN_S, Change, Changes
from models.changes import BEFORE_ROWS, RECENT_ROWS
from models.features import FeatureVector

S = 1_000_000_000
FLOW, PRESSURE = TagId("P-1/flow"), TagId("P-1/pressure")
TAGS = (Tag(FLOW, "m3/h"), Tag(PRESSURE, "bar"))
NAMES = tuple(f"{tag}:{each}" for tag in (FLOW, PRESSURE) for each in ("mean", "last"))
USUAL = np.array([50.0, 4.0])
SPREAD = np.array([0.5, 0.02])
WHOLE = BEFORE_ROWS + RECENT_ROWS


class Machine:
    """Shows one window a second; `shift` is in spreads, as a model's `short` has it."""

    def __init__(self, limit: float | None = 2.0) -> None:
        self.changes = Changes(TAGS, {"running": limit, "idle": limit})
        self.rng = np.random.default_rng(0)
        self.now_s = 0
        self.told: list[tuple[int, Change]] = []

    def run(
        self,
        seconds: int,
        move: tuple[float, float] = (0.0, 0.0),
        *,
        mode: str = "running",
        step_s: int = 1,
        turn: float = 0.0,
    ) -> None:
        for _ in range(seconds):
            shift = self.rng.normal(scale=0.3, size=2) + np.array(move)
            values = np.repeat(USUAL + SPREAD * shift, 2)
            vector = FeatureVector(NAMES, values, np.ones(4))
            verdict = Verdict(0.5, 1.0, mode=mode, shift=shift + turn)
            found = self.changes.see(self.now_s * S, vector, verdict)
            if found is not None:
                self.told.append((self.now_s, found))
            self.now_s += step_s

    def stop(self) -> None:
        verdict = Verdict(float("nan"), 1.0)
        assert self.changes.see(self.now_s * S, None, verdict) is None
        self.now_s += 1


def test_a_machine_that_stays_as_it_is_tells_nothing() -> None:
    machine = Machine()
    machine.run(600)
    assert machine.told == []


def test_a_change_is_told_once_with_what_moved_from_where_to_where() -> None:
    machine = Machine()
    machine.run(100)
    machine.run(300, (30.0, 0.0))
    ((at_s, change),) = machine.told
    assert 100 <= at_s < 100 + RECENT_ROWS
    assert (change.time_ns, change.mode) == (at_s * S, "running")
    (move,) = change.moves
    assert (move.tag, move.units) == (FLOW, "m3/h")
    assert move.before == pytest.approx(50.0, abs=0.2)
    assert move.after == pytest.approx(65.0, abs=0.7)
    assert change.sentence.startswith("P-1/flow from 49.98 to 64.")
    assert change.sentence.endswith(" m3/h")
    assert change.told() == {
        "at_ns": at_s * S,
        "mode": "running",
        "tags": FLOW,
        "sentence": change.sentence,
    }


def test_what_moved_most_is_named_first() -> None:
    machine = Machine()
    machine.run(100)
    machine.run(20, (20.0, 200.0))
    ((_, change),) = machine.told
    assert [move.tag for move in change.moves] == [PRESSURE, FLOW]


def test_a_relation_that_changes_is_told_without_a_tag() -> None:
    machine = Machine()
    machine.run(100)
    machine.run(20, turn=6.0)
    ((_, change),) = machine.told
    assert change.moves == ()
    assert "fit together" in change.sentence


def test_another_mode_and_a_stop_are_no_changes() -> None:
    machine = Machine()
    machine.run(100)
    machine.run(100, (30.0, 0.0), mode="idle")
    machine.run(100)
    machine.stop()
    machine.run(100, (30.0, 0.0))
    assert machine.told == []


def test_a_window_without_a_score_begins_anew() -> None:
    machine = Machine()
    machine.run(100)
    vector = FeatureVector(NAMES, np.full(4, np.nan), np.zeros(4))
    verdict = Verdict(float("nan"), 1.0, mode="running")
    assert machine.changes.see(machine.now_s * S, vector, verdict) is None
    machine.run(WHOLE - 1, (30.0, 0.0))
    assert machine.told == []


def test_a_model_that_did_not_learn_a_limit_tells_nothing() -> None:
    machine = Machine(limit=None)
    machine.run(100)
    machine.run(100, (30.0, 0.0))
    assert machine.told == []


def test_changes_are_told_at_a_bounded_rate() -> None:
    machine = Machine()
    for turn in range(60):  # each 100 rows of 20 s: a change each 2000 s
        machine.run(100, (30.0 * (turn % 2), 0.0), step_s=20)
    times = [at_s for at_s, _ in machine.told]
    assert min(np.diff(times)) >= COOL_DOWN_S
    day = [at_s for at_s in times if at_s < times[0] + 86_400]
    assert len(day) == CHANGES_PER_DAY
    assert len(times) > len(day)  # and a day later again
