"""What a transmitter makes of the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_plant.instruments import (
    Presented,
    TransmitterState,
    Wiring,
    counts,
    engineering,
    measure,
    register_word,
)
from sim_plant.tags import TRANSMITTERS, Register, Transmitter, transmitter_index

VIBRATION = TRANSMITTERS[transmitter_index("P-101/DE/vibration_rms")]
WINDING = TRANSMITTERS[transmitter_index("P-101/motor/winding_temperature")]

transmitters = st.sampled_from(TRANSMITTERS)
any_value = st.floats(allow_nan=True, allow_infinity=True)


def _at(transmitter: Transmitter, value: float) -> TransmitterState:
    return measure(transmitter, None, value, noise=0.0, dt_s=0.0)


@given(transmitter=transmitters, value=any_value)
def test_what_is_presented_is_a_number_within_the_range(
    transmitter: Transmitter, value: float
) -> None:
    shown = engineering(transmitter, Presented(counts(transmitter, value)))
    assert math.isfinite(shown)
    assert transmitter.range_low <= shown <= transmitter.range_high


@given(transmitter=transmitters, part=st.floats(0.0, 1.0))
def test_quantisation_errs_by_at_most_half_a_count(
    transmitter: Transmitter, part: float
) -> None:
    span = transmitter.range_high - transmitter.range_low
    value = transmitter.range_low + part * span
    shown = engineering(transmitter, Presented(counts(transmitter, value)))
    assert abs(shown - value) <= 0.5001 * transmitter.resolution


def test_beyond_its_range_a_transmitter_saturates() -> None:
    assert engineering(VIBRATION, _at(VIBRATION, 80.0).presented) == 50.0
    assert engineering(WINDING, _at(WINDING, -40.0).presented) == -20.0


@given(transmitter=transmitters, value=any_value)
def test_a_whole_transmitter_never_reads_as_a_wire_break(
    transmitter: Transmitter, value: float
) -> None:
    word = register_word(transmitter, Presented(counts(transmitter, value)))
    assert 0 <= word <= 0xFFFF
    assert word != transmitter.form.value


def test_a_wire_break_reads_as_its_register_says() -> None:
    broken = measure(
        VIBRATION, _at(VIBRATION, 1.2), 1.2, noise=0, dt_s=0.1, wiring=Wiring.WIRE_BREAK
    )
    assert broken.presented.failed
    assert register_word(VIBRATION, broken.presented) == 0xFFFF
    assert register_word(WINDING, Presented(0, failed=True)) == Register.INT16.value


def test_negative_temperatures_are_twos_complement() -> None:
    word = register_word(WINDING, _at(WINDING, -12.3).presented)
    assert word == 0x1_0000 - 123


def test_a_stuck_transmitter_repeats_itself_exactly() -> None:
    state = _at(VIBRATION, 1.2)
    for step in range(50):
        state = measure(
            VIBRATION, state, 9.0 + step, noise=3.0, dt_s=0.02, wiring=Wiring.STUCK
        )
    assert engineering(VIBRATION, state.presented) == 1.2


def test_a_step_arrives_with_the_time_constant() -> None:
    state = _at(VIBRATION, 0.0)
    for _ in range(25):
        state = measure(VIBRATION, state, 10.0, noise=0.0, dt_s=0.02)
    assert state.filtered == pytest.approx(10.0 * (1.0 - math.exp(-1.0)), rel=1e-6)


@pytest.mark.parametrize("dt_s", [0.02, 0.1])
def test_the_noise_presented_is_the_noise_stated_whatever_the_step(dt_s: float) -> None:
    rng = np.random.default_rng(3)
    state, shown = _at(VIBRATION, 2.0), []
    for noise in rng.standard_normal(40_000):
        state = measure(VIBRATION, state, 2.0, noise=float(noise), dt_s=dt_s)
        shown.append(engineering(VIBRATION, state.presented))
    assert float(np.std(shown)) == pytest.approx(VIBRATION.noise, rel=0.1)


def test_the_redundant_transmitters_differ_a_little() -> None:
    twins = [t for t in TRANSMITTERS if "vibration_rms" in t.tag]
    shown = [engineering(twin, _at(twin, 5.0).presented) for twin in twins]
    assert len(set(shown)) == 3
    assert max(shown) - min(shown) < 0.05
