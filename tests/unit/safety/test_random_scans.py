"""Random scans of a 2oo3 against an oracle that keeps the whole past and no state."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.unit.safety.bench import Bench, Given, a_bench, a_row

DT_S = 0.125
ON_DELAY_S, MAX_AGE_S, LOSS_S, SETPOINT, DEADBAND = 0.25, 0.5, 0.5, 7.0, 1.0
CHANNELS = ("P/a", "P/b", "P/c")
KINDS: tuple[Given, ...] = (1.0, 6.5, 7.0, 7.5, math.nan, "bad", "late", None)


@dataclass
class Oracle:
    """Looks at everything that ever happened, each time anew."""

    given: list[tuple[Given, ...]] = field(default_factory=list)
    tripped: bool = True
    tripped_scans: int = -1
    held: bool = False

    def scan(self, values: tuple[Given, ...], *, reset: bool, stop: bool) -> None:
        self.given.append(values)
        demand = self._unproven_s() >= ON_DELAY_S
        pressed = reset and not self.held
        self.held = reset
        if demand or stop:
            self.tripped_scans = self.tripped_scans + 1 if self.tripped else 0
            self.tripped = True
            return
        self.tripped_scans += 1
        proven = self._unproven_s() < 0
        fresh = all(self._age_s(n, len(self.given)) <= MAX_AGE_S for n in range(3))
        good = all(self._is_good(n, len(self.given)) for n in range(3))
        if self.tripped and pressed and proven and fresh and good:
            self.tripped = self.tripped_scans < 1

    def _unproven_s(self) -> float:
        """How long two safe channels have been lacking; negative: they are not."""
        scans = 0
        while scans < len(self.given) and not self._proven(len(self.given) - scans):
            scans += 1
        return (scans - 1) * DT_S

    def _proven(self, upto: int) -> bool:
        return sum(self._is_safe(n, upto) for n in range(3)) >= 2

    def _is_safe(self, channel: int, upto: int) -> bool:
        return self._is_good(channel, upto) and not self._exceeded(channel, upto)

    def _is_good(self, channel: int, upto: int) -> bool:
        """The newest news is a number, and not older than both budgets."""
        if self._age_s(channel, upto) > MAX_AGE_S + LOSS_S:
            return False
        bad = [
            n
            for n in range(upto)
            if self.given[n][channel] == "bad" or is_nan(self.given[n][channel])
        ]
        good = [n for n in range(upto) if is_number(self.given[n][channel])]
        return bool(good) and (not bad or bad[-1] < good[-1])

    def _age_s(self, channel: int, upto: int) -> float:
        good = [n for n in range(upto) if is_number(self.given[n][channel])]
        return (upto - 1 - good[-1]) * DT_S if good else math.inf

    def _exceeded(self, channel: int, upto: int) -> bool:
        above = False
        for n in range(upto):
            value = self.given[n][channel]
            if isinstance(value, float) and is_number(value):
                above = value > (SETPOINT - DEADBAND if above else SETPOINT)
        return above


def is_number(value: Given) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def is_nan(value: Given) -> bool:
    return isinstance(value, float) and math.isnan(value)


def a_pump() -> Bench:
    times = {"max_age_s": MAX_AGE_S, "comms_loss_delay_s": LOSS_S}
    pair = {"setpoint": SETPOINT, "deadband": DEADBAND, "on_delay_s": ON_DELAY_S}
    return a_bench(a_row(channels=CHANNELS, vote="2oo3", **times, **pair))


def play(
    pump: Bench, oracle: Oracle, values: tuple[Given, ...], *, reset: bool, stop: bool
) -> None:
    pump.values = dict(zip(CHANNELS, values, strict=True))
    pressed = frozenset({"motor"}) if reset else frozenset()
    pump.scan(reset=pressed, stop="x" if stop else "")
    oracle.scan(values, reset=reset, stop=stop)


class Scans(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pump = a_pump()
        self.oracle = Oracle()

    @rule(values=st.tuples(*[st.sampled_from(KINDS)] * 3), reset=st.booleans())
    def scan(self, values: tuple[Given, ...], reset: bool) -> None:
        play(self.pump, self.oracle, values, reset=reset, stop=False)

    @rule(count=st.integers(1, 10), reset=st.booleans())
    def be_healthy(self, count: int, reset: bool) -> None:
        for place in range(count):
            pressed = reset and place == count - 1
            play(self.pump, self.oracle, (1.0,) * 3, reset=pressed, stop=False)

    @rule(reset=st.booleans())
    def stop(self, reset: bool) -> None:
        play(self.pump, self.oracle, (1.0,) * 3, reset=reset, stop=True)

    @invariant()
    def agrees(self) -> None:
        assert self.pump.tripped() is self.oracle.tripped


TestScans = Scans.TestCase
TestScans.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, derandomize=True
)


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("seed", range(8))
def test_random_scans_agree_with_the_oracle(seed: int) -> None:
    noise = random.Random(seed)
    running = 0
    for _ in range(20):
        pump, oracle = a_pump(), Oracle()
        health = noise.uniform(0.1, 0.9)
        for _ in range(100):
            values = tuple(
                1.0 if noise.random() < health else noise.choice(KINDS)
                for _ in CHANNELS
            )
            play(pump, oracle, values, reset=noise.random() < 0.5, stop=False)
            assert pump.tripped() is oracle.tripped
            running += not oracle.tripped
    assert 0 < running < 2000
