from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.permits import NotPermittedError, Permits
from connectors.modbus.points import PointSettings

if TYPE_CHECKING:
    from connectors.modbus.permits import Permit

DEVICE = 3
COIL, REGISTER, REGISTERS = 5, 6, 16


def permit(**keys: object) -> Permit:
    point = {"name": "p", "table": "holding", "address": 10} | keys
    return PointSettings.model_validate(point).permit(DEVICE)


def coil(address: int, *, on: bool) -> bytes:
    return struct.pack(">BHH", COIL, address, 0xFF00 if on else 0)


def one(address: int, word: int) -> bytes:
    return struct.pack(">BHH", REGISTER, address, word)


def many(address: int, *words: int) -> bytes:
    head = struct.pack(">BHHB", REGISTERS, address, len(words), 2 * len(words))
    return head + struct.pack(f">{len(words)}H", *words)


def passes(request: bytes, *permits: Permit, device_id: int = DEVICE) -> bool:
    try:
        Permits(permits).check(device_id, request)
    except NotPermittedError:
        return False
    return True


@given(st.binary(min_size=1, max_size=40), st.integers(0, 255))
def test_without_a_permit_nothing_but_reading_passes(
    request: bytes, device_id: int
) -> None:
    echo = request[:3] == b"\x08\0\0"
    reading = request[0] in (1, 2, 3, 4)
    assert passes(request, device_id=device_id) == (reading or echo)


@given(
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=4),
)
def test_only_the_listed_place_and_value_pass(
    device_id: int, address: int, words: list[int]
) -> None:
    listed = permit(values=[0, 7])
    right_place = (device_id, address) == (DEVICE, 10)
    allowed = right_place and len(words) == 1 and words[0] in (0, 7)
    assert passes(many(address, *words), listed, device_id=device_id) == allowed
    single = right_place and words[0] in (0, 7)
    assert passes(one(address, words[0]), listed, device_id=device_id) == single


@given(st.integers(0, 0xFFFF))
def test_a_range_passes_what_lies_within_it(word: int) -> None:
    assert passes(one(10, word), permit(range=[0, 99])) == (word <= 99)
    tenths = permit(range=[0.0, 5.0], factor=0.1)
    assert passes(one(10, word), tenths) == (word <= 50)
    falling = permit(range=[-5.0, 0.0], factor=-0.1)
    assert passes(one(10, word), falling) == (word <= 50)


@given(st.integers(-(2**31), 2**31 - 1))
def test_a_range_of_a_long_number_is_read_in_its_order(raw: int) -> None:
    listed = permit(type="int32", order="CDAB", range=[-5, 100_000])
    words = listed.encoding.encode(raw)
    assert passes(many(10, *words), listed) == (-5 <= raw <= 100_000)


def test_a_coil_passes_both_unless_one_is_listed() -> None:
    both = permit(table="coil")
    assert passes(coil(10, on=True), both)
    assert passes(coil(10, on=False), both)
    off = permit(table="coil", values=[0])
    assert not passes(coil(10, on=True), off)
    assert passes(coil(10, on=False), off)
    assert not passes(one(10, 1), both)


@pytest.mark.parametrize("words", [(0x7F80, 0), (0xFF80, 0), (0x7FC0, 0)])
def test_what_is_no_number_never_passes(words: tuple[int, ...]) -> None:
    listed = permit(type="float32", range="every value of the type")
    assert not passes(many(10, *words), listed)
    assert passes(many(10, 0x4048, 0xF5C3), listed)


def test_a_number_that_is_none_never_passes() -> None:
    assert not passes(one(10, 0xA000), permit(type="bcd16", range=[0, 9_999]))


@pytest.mark.parametrize(
    "request_",
    [
        bytes((15, 0, 10, 0, 1, 1, 1)),  # write several coils
        bytes((22, 0, 10, 0, 0, 0, 7)),  # mask write
        bytes((23, 0, 0, 0, 1, 0, 10, 0, 1, 2, 0, 7)),  # read and write
        bytes((8, 0, 4, 0, 0)),  # force listen-only
        bytes((5, 0, 10, 0x12, 0x34)),
        bytes((6, 0, 10, 0)),
        bytes((16, 0, 10, 0, 2, 2, 0, 7)),
        bytes((16, 0, 10)),
        bytes((90,)),
    ],
    ids=lambda request: request.hex(),
)
def test_no_other_way_to_write_passes(request_: bytes) -> None:
    everything = permit(range="every value of the type")
    assert not passes(request_, everything, permit(table="coil"))
