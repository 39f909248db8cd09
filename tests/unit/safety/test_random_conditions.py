"""Random scans of a matrix with every condition against an oracle made of columns."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from appliance.safety.channel import Reading
from appliance.safety.latch import Report
from appliance.safety.logic import power_up, step
from appliance.safety.turn import Commands, Matrix, Readings
from tests.unit.safety.bench import a_row, a_sample, an_element
from tests.unit.safety.oracle import (
    BAD,
    DT_S,
    GOOD,
    LOSS_S,
    MAX_AGE_S,
    SILENT,
    Column,
    apart,
    high,
    lasting,
    outside,
    rising,
    tripped,
    two_of_three,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.domain.sample import Sample

SCANS = 250
WINDOW_SCANS = 8
TAGS = tuple(f"P/{letter}" for letter in "abcdefghi")
VALUES = np.array([1.0, 3.0, 4.0, 6.0, 6.5, 7.0, 7.5])
TIMES = {"max_age_s": MAX_AGE_S, "comms_loss_delay_s": LOSS_S}
RESET = frozenset({"motor"})
STILL = a_sample("P/running", 0.0)


def a_matrix() -> Matrix:
    """A 2oo3, a rate, two deviations (one that excludes), and a band."""
    rows = (
        a_row(id="vote", channels=TAGS[:3], vote="2oo3", on_delay_s=0.25, **TIMES),
        a_row(
            id="rate", channels=TAGS[3:4], condition="rate", on_delay_s=0.125,
            setpoint=2.0, deadband=0.5, rate_window_s=WINDOW_SCANS * DT_S, **TIMES,
        ),
        a_row(
            id="pair", channels=TAGS[4:6], condition="deviation", setpoint=2.5,
            deadband=1.0, on_delay_s=0.5, **TIMES,
        ),
        a_row(
            id="three", channels=(*TAGS[5:8],), condition="deviation", setpoint=3.0,
            deadband=0.5, bad_is="exclude", **TIMES,
        ),
        a_row(
            id="band", channels=TAGS[8:], condition="outside", setpoint=7.0,
            setpoint_low=1.5, deadband=1.5, on_delay_s=0.25, **TIMES,
        ),
    )  # fmt: skip
    return Matrix(rows, (an_element(),), {row.id: ("motor",) for row in rows})


class Episode:
    """Some scans of random inputs, mostly well; `health` is how much so."""

    def __init__(self, noise: np.random.Generator) -> None:
        health = noise.uniform(0.85, 1.0)
        well = noise.random((SCANS, len(TAGS))) < health
        kind = noise.choice([GOOD, GOOD, BAD, SILENT], size=well.shape)
        value = noise.choice(VALUES, size=well.shape)
        self.kind = np.where(well, GOOD, kind)
        self.value = np.where(well, 4.0, value)
        self.reset = noise.random(SCANS) < 0.4
        self.stop = noise.random(SCANS) < 0.002

    def expected(self) -> list[bool]:
        """Ask the oracle."""
        heard = np.where(self.kind == GOOD, self.value, np.nan)
        columns = [Column(self.kind[:, n], heard[:, n]) for n in range(len(TAGS))]
        with np.errstate(invalid="ignore"):
            votes = [high(each, 7.0, 1.0) for each in columns[:3]]
            pace = rising(columns[3], 2.0, 0.5, WINDOW_SCANS)
            band = outside(columns[8], 1.5, 7.0, 1.5)
            unproven = [
                (two_of_three(votes), 0.25),
                (~(pace[0] & ~pace[1]), 0.125),
                (apart(columns[4:6], 2.5, 1.0, trip=True), 0.5),
                (apart(columns[5:8], 3.0, 0.5, trip=False), 0.0),
                (~(band[0] & ~band[1]), 0.25),
            ]
        demand = np.any([lasting(*each) for each in unproven], axis=0)
        proven = ~np.any([each for each, _ in unproven], axis=0)
        fresh = np.all([each.fresh for each in columns], axis=0) & pace[0]
        return tripped(demand, proven & fresh, stop=self.stop, reset=self.reset)

    def found(self, matrix: Matrix) -> list[bool]:
        """Ask the logic, scan by scan."""
        state = power_up(matrix, {}, armed=True)
        reports: dict[str, Report] = {}
        latched = []
        for scan in range(SCANS):
            now_s = 100.0 + scan * DT_S
            tags = {
                tag: Reading(given(tag, kind, value), now_s)
                for tag, kind, value in self._row(scan)
                if kind != SILENT
            }
            tags["P/running"] = Reading(STILL, now_s)
            commands = Commands(
                reset=RESET if self.reset[scan] else frozenset(),
                stop="x" if self.stop[scan] else "",
            )
            turn = step(matrix, state, Readings(tags, {}, reports), commands, now_s)
            state = turn.state
            (order,) = turn.orders.values()
            reports = {"motor": Report(point=order.may_run)}
            latched.append(not order.may_run)
        return latched

    def _row(self, scan: int) -> Sequence[tuple[str, int, float]]:
        kinds, values = self.kind[scan].tolist(), self.value[scan].tolist()
        return list(zip(TAGS, kinds, values, strict=True))


@cache
def given(tag: str, kind: int, value: float) -> Sample:
    if kind == GOOD:
        return a_sample(tag, value)
    return a_sample(tag, "bad" if value > 4.0 else math.nan)


def play(seed: int, episodes: int) -> float:
    """Play, compare every scan, and return the share of scans that ran."""
    noise = np.random.default_rng(seed)
    matrix = a_matrix()
    running = 0
    for _ in range(episodes):
        episode = Episode(noise)
        expected = episode.expected()
        assert episode.found(matrix) == expected
        running += expected.count(False)
    return running / (episodes * SCANS)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("seed", range(4))
def test_random_scans_of_every_condition_agree_with_the_oracle(seed: int) -> None:
    assert 0.1 < play(seed, episodes=25) < 0.9


@pytest.mark.soak
def test_a_million_random_scans_agree_with_the_oracle() -> None:
    assert 0.1 < play(2026, episodes=1_000_000 // SCANS) < 0.9


@pytest.mark.parametrize(
    ("what", "instead"),
    [
        ("appliance.safety.row.spread", lambda _values: 0.0),
        ("appliance.safety.channel.directed", lambda _row, rate: -rate),
        ("appliance.safety.channel.slope", lambda *_, **__: 0.0),
        ("appliance.safety.channel._low", lambda _row: -math.inf),
        ("appliance.safety.row.may_run", lambda *_: True),
    ],
)
def test_the_oracle_notices(
    monkeypatch: pytest.MonkeyPatch, what: str, instead: object
) -> None:
    monkeypatch.setattr(what, instead)
    with pytest.raises(AssertionError):
        play(0, episodes=10)
