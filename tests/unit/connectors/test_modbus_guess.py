"""The truth of a known plant comes first when it is expected, and nothing lies."""

from __future__ import annotations

import random
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.candidates import Expectation, candidates
from connectors.modbus.guess import assigned, segmented
from connectors.modbus.places import ORDERS
from connectors.modbus.registers import Encoding, RegisterType, Table
from sim_plant.tags import HOURS_REGISTER, SCAN_REGISTER, TRANSMITTERS, Register

if TYPE_CHECKING:
    from collections.abc import Sequence

T = RegisterType
LIVE = {
    "P-101/motor/speed": 1484.0,
    "P-101/motor/current": 33.6,
    "P-101/motor/winding_temperature": 87.2,
    "P-101/DE/bearing_temperature": 45.1,
    "P-101/DE/vibration_rms": 1.12,
    "P-101/suction_pressure": 1.58,
    "P-101/discharge_pressure": 7.5,
    "P-101/flow": 80.1,
    "T-101/level": 69.2,
    "V-101/position": 65.4,
    "P-101/DE/vibration_rms_B": 1.13,
    "P-101/DE/vibration_rms_C": 1.11,
}


def plant(moments: int = 3, seed: int = 7) -> list[dict[int, int]]:
    """The registers of the simulated plant at some moments."""
    noise = random.Random(seed)
    readings = []
    for moment in range(moments):
        words = {}
        for each in TRANSMITTERS:
            value = LIVE[each.tag] + noise.gauss(0, each.noise)
            words[each.register] = round(value / each.resolution) & 0xFFFF
        hours = struct.unpack(">HH", struct.pack(">f", 8003.2 + moment * 0.37))
        words |= dict(enumerate(hours, HOURS_REGISTER))
        words[SCAN_REGISTER] = 160 + 25 * moment
        readings.append(dict(sorted(words.items())))
    return readings


def around(value: float, *, signed: bool) -> Expectation:
    low = -20.0 if signed else value * 0.6
    return Expectation("x", low, value * 1.5)


@pytest.mark.parametrize("seed", range(5))
def test_the_truth_of_the_plant_comes_first(seed: int) -> None:
    readings = plant(seed=seed)
    for each in TRANSMITTERS:
        signed = each.form is Register.INT16
        expected = around(LIVE[each.tag], signed=signed)
        first = candidates(readings, each.register, expected)[0]
        assert first.encoding.type is (T.INT16 if signed else T.UINT16), each.tag
        assert first.factor == each.resolution, each.tag
    first = candidates(readings, HOURS_REGISTER, Expectation("h", 7000, 9000))[0]
    assert (first.encoding, first.order) == (Encoding(T.FLOAT32), "ABCD")


def test_without_expectations_the_plant_is_divided_as_it_is() -> None:
    found = {each.address: each.words for each in segmented(plant())}
    assert found.pop(HOURS_REGISTER) == "float32 ABCD"
    assert set(found.values()) == {"uint16"}
    assert HOURS_REGISTER + 1 not in found


KINDS: Sequence[tuple[RegisterType, str, float]] = [
    *((T.FLOAT32, order, 1.0) for order in ("ABCD", "CDAB", "BADC", "DCBA")),
    *((T.UINT32, order, 1.0) for order in ("ABCD", "CDAB", "BADC", "DCBA")),
    *((T.INT32, order, 0.01) for order in ("ABCD", "CDAB")),
    *((T.FLOAT64, order, 1.0) for order in ("ABCD", "CDAB")),
    (T.UINT16, "ABCD", 0.1),
    (T.INT16, "ABCD", 0.1),
    (T.BCD16, "ABCD", 1.0),
    (T.BCD32, "ABCD", 1.0),
]


@given(
    st.sampled_from(KINDS),
    st.floats(400.0, 3000.0),
    st.lists(st.integers(0, 0xFFFF), min_size=6, max_size=6),
)
def test_what_stands_first_fits_and_the_truth_is_never_lost(
    kind: tuple[RegisterType, str, float], value: float, others: list[int]
) -> None:
    encoding = Encoding(kind[0], *ORDERS[kind[1]])
    words = encoding.encode(value / kind[2])
    readings = [dict(enumerate((*words, *others)))] * 2
    expected = Expectation("x", value * 0.98 - 0.5, value * 1.02 + 0.5)
    found = candidates(readings, 0, expected)
    assert found[0].fits
    fitting = [each for each in found if each.fits]
    assert any((each.encoding, each.factor) == (encoding, kind[2]) for each in fitting)
    # Whoever is alone with what is expected is the first.
    values = {each.values for each in fitting}
    if len(values) == 1:
        assert found[0].values[0] == pytest.approx(value, rel=1e-3, abs=0.5)
    ranks = [(not each.fits, -each.bits) for each in found]
    assert ranks == sorted(ranks)


# Hypothesis would choose a noise that does not move, by which nothing is recognised.
@pytest.mark.parametrize("order", ["ABCD", "CDAB"])
@pytest.mark.parametrize("seed", range(30))
def test_a_float_that_moves_is_recognised_by_itself(seed: int, order: str) -> None:
    noise = random.Random(seed)
    value = noise.uniform(1.0, 5000.0)
    encoding = Encoding(T.FLOAT32, *ORDERS[order])
    readings = [
        dict(enumerate(encoding.encode(value * (1 + noise.uniform(-1e-4, 1e-4)))))
        for _ in range(4)
    ]
    (found, *_) = candidates(readings, 0)
    assert found.encoding.type in (T.FLOAT32, T.UINT16)
    if found.encoding.type is T.FLOAT32:
        assert found.order == order


def test_texts_are_read_as_texts() -> None:
    text = Encoding(T.STRING, registers=4)
    readings = [dict(enumerate((*text.encode("PUMP-101"), 7)))] * 2
    found = segmented(readings)
    assert found[0].values[0] == "PUMP-101"
    assert found[0].words == "string[8] ABCD"
    short = dict(enumerate((*Encoding(T.STRING, registers=2).encode("abc"), 9)))
    assert segmented([short, short])[0].values[0] == "abc"


def test_a_quantity_is_found_wherever_it_is() -> None:
    places = {(1, Table.INPUT): plant()}
    wanted = [
        Expectation("speed", 1475, 1495, "rpm"),
        Expectation("hours", 7900, 8100, place=(None, Table.INPUT, HOURS_REGISTER)),
        Expectation("nothing", 2e8, 3e8),
        Expectation("elsewhere", 0, 1e4, place=(2, Table.INPUT, 0)),
    ]
    found = assigned(places, wanted)
    assert set(found) == {0, 1}
    assert found[0][1][0].address == 0
    assert found[0][1][0].values[0] == pytest.approx(1484, abs=5)
    assert found[1][1][0].words == "float32 ABCD"


def test_two_expectations_do_not_take_the_same_register() -> None:
    places = {(1, Table.HOLDING): [{0: 400, 1: 401, 2: 60_000}] * 2}
    found = assigned(places, [Expectation("a", 39, 41), Expectation("b", 39, 41)])
    assert {offer[1][0].address for offer in found.values()} == {0, 1}


def test_taken_and_empty_registers_are_left_out() -> None:
    readings = [{0: 0, 1: 5, 2: 6}]
    assert [each.address for each in segmented(readings, frozenset({1}))] == [2]
    assert segmented([]) == ()


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=8))
def test_whatever_registers_hold_no_guess_fails(words: list[int]) -> None:
    readings = [dict(enumerate(words)), dict(enumerate(reversed(words)))]
    for address in range(len(words)):
        candidates(readings, address)
        candidates(readings, address, Expectation("x", -40, 120))
    covered = [
        at for each in segmented(readings) for at in range(each.address, each.end)
    ]
    assert len(covered) == len(set(covered))
