from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.registers import (
    Encoding,
    Order,
    RegisterType,
    Table,
    UnencodableError,
)

ORDERS: tuple[Order, ...] = ("big", "little")
WIDTH_BITS = {
    RegisterType.INT16: 16,
    RegisterType.UINT16: 16,
    RegisterType.INT32: 32,
    RegisterType.UINT32: 32,
    RegisterType.INT64: 64,
    RegisterType.UINT64: 64,
}


def raw_values(kind: RegisterType) -> st.SearchStrategy[float]:
    if kind is RegisterType.BIT:
        return st.integers(0, 1)
    if kind is RegisterType.FLOAT32:
        return st.floats(width=32, allow_nan=False, allow_infinity=False)
    if kind is RegisterType.FLOAT64:
        return st.floats(allow_nan=False, allow_infinity=False)
    bits = WIDTH_BITS[kind]
    if kind.startswith("u"):
        return st.integers(0, 2**bits - 1)
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@st.composite
def encodings_with_values(draw: st.DrawFn) -> tuple[Encoding, float]:
    kind = draw(st.sampled_from(RegisterType))
    encoding = Encoding(
        kind, draw(st.sampled_from(ORDERS)), draw(st.sampled_from(ORDERS))
    )
    return encoding, draw(raw_values(kind))


@given(encodings_with_values())
def test_what_was_encoded_is_decoded(case: tuple[Encoding, float]) -> None:
    encoding, raw = case
    words = encoding.encode(raw)
    assert len(words) == encoding.words
    assert all(0 <= word <= 0xFFFF for word in words)
    assert encoding.decode(words) == raw


@given(
    st.sampled_from(RegisterType),
    st.sampled_from(ORDERS),
    st.sampled_from(ORDERS),
    st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4),
)
def test_any_registers_can_be_decoded(
    kind: RegisterType, word_order: Order, byte_order: Order, words: list[int]
) -> None:
    encoding = Encoding(kind, word_order, byte_order)
    assert isinstance(encoding.decode(words[: encoding.words]), int | float)


@pytest.mark.parametrize(
    ("word_order", "byte_order", "words"),
    [
        ("big", "big", (0x42F6, 0xE979)),
        ("little", "big", (0xE979, 0x42F6)),
        ("big", "little", (0xF642, 0x79E9)),
        ("little", "little", (0x79E9, 0xF642)),
    ],
    ids=["ABCD", "CDAB", "BADC", "DCBA"],
)
def test_the_four_orders_are_those_of_the_manuals(
    word_order: Order, byte_order: Order, words: tuple[int, ...]
) -> None:
    encoding = Encoding(RegisterType.FLOAT32, word_order, byte_order)
    assert encoding.decode(words) == pytest.approx(123.456, rel=1e-6)
    assert encoding.encode(123.456) == words


def test_a_bit_is_counted_from_the_lowest() -> None:
    word = [0b1000]
    assert Encoding(RegisterType.BIT, bit=3).decode(word) == 1
    assert Encoding(RegisterType.BIT, bit=2).decode(word) == 0


def test_an_integer_type_rounds() -> None:
    assert Encoding(RegisterType.UINT16).encode(6.6) == (7,)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (RegisterType.UINT16, -1),
        (RegisterType.UINT16, 65_536),
        (RegisterType.INT16, 40_000),
        (RegisterType.UINT64, 2**64),
        (RegisterType.FLOAT32, 1e39),
        (RegisterType.BIT, 2),
        (RegisterType.BIT, 0.5),
        (RegisterType.FLOAT64, math.nan),
        (RegisterType.INT32, math.inf),
    ],
)
def test_what_does_not_fit_is_refused(kind: RegisterType, raw: float) -> None:
    with pytest.raises(UnencodableError):
        Encoding(kind).encode(raw)


def test_the_nearest_is_what_the_device_shows() -> None:
    shown = Encoding(RegisterType.FLOAT32).nearest(0.1)
    assert shown != 0.1
    assert shown == pytest.approx(0.1)


def test_coils_and_discrete_inputs_are_bits() -> None:
    assert {table for table in Table if table.of_bits} == {Table.COIL, Table.DISCRETE}
