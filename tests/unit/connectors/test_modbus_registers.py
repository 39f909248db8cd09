from __future__ import annotations

import math
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.registers import (
    BCD,
    BYTES,
    FIELDS,
    FLOATS,
    Encoding,
    Order,
    Raw,
    RegisterType,
    Table,
    TextEncoding,
    UndecodableError,
    UnencodableError,
)

ORDERS: tuple[Order, ...] = ("big", "little")
CODES: tuple[TextEncoding, ...] = ("ascii", "utf-8")
FLOAT_WIDTHS: dict[RegisterType, Literal[16, 32, 64]] = {
    RegisterType.FLOAT16: 16,
    RegisterType.FLOAT32: 32,
    RegisterType.FLOAT64: 64,
}


@st.composite
def encodings(draw: st.DrawFn) -> Encoding:
    """Every type in every order, whole and as a field."""
    kind = draw(st.sampled_from(RegisterType))
    bit = width = registers = 0
    if kind is RegisterType.BIT:
        bit = draw(st.integers(0, 15))
    elif kind in BYTES:
        bit = draw(st.sampled_from([0, 8]))
    elif kind is RegisterType.STRING:
        registers = draw(st.integers(1, 8))
    elif kind in FIELDS and draw(st.booleans()):
        size = 16 * Encoding(kind).words
        bit = draw(st.integers(0, size - 1))
        width = draw(st.integers(1, size - bit))
    return Encoding(
        kind,
        draw(st.sampled_from(ORDERS)),
        draw(st.sampled_from(ORDERS)),
        bit,
        width,
        registers,
        draw(st.sampled_from(CODES)),
    )


def raw_values(encoding: Encoding) -> st.SearchStrategy[Raw]:
    kind = encoding.type
    if kind is RegisterType.STRING:
        return texts(encoding)
    if kind in FLOATS:
        width = FLOAT_WIDTHS[kind]
        return st.floats(width=width, allow_nan=False, allow_infinity=False)
    if kind in BCD:
        return st.integers(0, 10 ** (4 * encoding.words) - 1)
    size = encoding.mask.bit_length() or 16 * encoding.words
    if kind.startswith("int"):
        return st.integers(-(2 ** (size - 1)), 2 ** (size - 1) - 1)
    return st.integers(0, 2**size - 1)


def texts(encoding: Encoding) -> st.SearchStrategy[str]:
    room = 2 * encoding.registers
    alphabet = st.characters(
        codec=encoding.text_encoding, exclude_characters="\0", exclude_categories=["Cs"]
    )
    return (
        st.text(alphabet, max_size=room)
        .map(lambda text: text.rstrip(" "))
        .filter(lambda text: len(text.encode()) <= room)
    )


@st.composite
def encodings_with_values(draw: st.DrawFn) -> tuple[Encoding, Raw]:
    encoding = draw(encodings())
    return encoding, draw(raw_values(encoding))


@given(encodings_with_values())
def test_what_was_encoded_is_decoded(case: tuple[Encoding, Raw]) -> None:
    encoding, raw = case
    words = encoding.encode(raw)
    assert len(words) == encoding.words
    assert all(0 <= word <= 0xFFFF for word in words)
    decoded = encoding.decode(words)
    assert decoded == raw
    assert isinstance(decoded, str) == isinstance(raw, str)


@given(encodings(), st.lists(st.integers(0, 0xFFFF), min_size=8, max_size=8))
def test_any_registers_are_a_value_or_said_to_be_none(
    encoding: Encoding, words: list[int]
) -> None:
    try:
        raw = encoding.decode(words[: encoding.words])
    except UndecodableError:
        assert encoding.type in BCD or encoding.type is RegisterType.STRING
        return
    if isinstance(raw, float) and not math.isfinite(raw):
        return
    assert encoding.decode(encoding.encode(raw)) == raw


@given(
    st.sampled_from(sorted(FLOATS)),
    st.sampled_from(ORDERS),
    st.sampled_from(ORDERS),
    st.integers(1, 0x3FF),
)
def test_a_nan_stays_one_whatever_it_carries(
    kind: RegisterType, word_order: Order, byte_order: Order, payload: int
) -> None:
    heads = {
        RegisterType.FLOAT16: (0x7C00 | payload,),
        RegisterType.FLOAT32: (0x7F80, payload),
        RegisterType.FLOAT64: (0x7FF0, 0, 0, payload),
    }
    words = [
        int.from_bytes(word.to_bytes(2, "big"), byte_order) for word in heads[kind]
    ]
    ordered = words if word_order == "big" else words[::-1]
    raw = Encoding(kind, word_order, byte_order).decode(ordered)
    assert isinstance(raw, float)
    assert math.isnan(raw)


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


@pytest.mark.parametrize(
    ("encoding", "words", "value"),
    [
        (Encoding(RegisterType.FLOAT16), (0x3E00,), 1.5),
        (Encoding(RegisterType.INT8), (0x7FFE,), -2),
        (Encoding(RegisterType.INT8, bit=8), (0x80FF,), -128),
        (Encoding(RegisterType.UINT8, bit=8), (0x12FF,), 0x12),
        (Encoding(RegisterType.BCD16), (0x1234,), 1234),
        (Encoding(RegisterType.BCD32, word_order="little"), (0x5678, 0x1234), 12345678),
        (Encoding(RegisterType.BCD64), (0x9999,) * 4, 9_999_999_999_999_999),
        (Encoding(RegisterType.UINT16, bit=4, width=3), (0b0101_0000,), 5),
        (Encoding(RegisterType.UINT32, bit=15, width=2), (0x0001, 0x8000), 3),
        (Encoding(RegisterType.INT64), (0x8000, 0, 0, 0), -(2**63)),
    ],
)
def test_known_registers_have_known_values(
    encoding: Encoding, words: tuple[int, ...], value: float
) -> None:
    assert encoding.decode(words) == value


@pytest.mark.parametrize(
    ("words", "byte_order", "text"),
    [
        ((0x5055, 0x4D50, 0x0000), "big", "PUMP"),
        ((0x5550, 0x504D, 0x2020), "little", "PUMP"),
        ((0x5055, 0x0041, 0x4242), "big", "PU"),
        ((0x2020, 0x2020, 0x2020), "big", ""),
    ],
    ids=["nul", "swapped and spaces", "what follows a nul is old", "blank"],
)
def test_a_string_ends_at_its_padding(
    words: tuple[int, ...], byte_order: Order, text: str
) -> None:
    encoding = Encoding(RegisterType.STRING, byte_order=byte_order, registers=3)
    assert encoding.decode(words) == text


@pytest.mark.parametrize(
    ("encoding", "words", "told"),
    [
        (Encoding(RegisterType.BCD16), (0x12A4,), "0x12a4"),
        (Encoding(RegisterType.BCD32), (0xFFFF, 0xFFFF), "0xffffffff"),
        (Encoding(RegisterType.STRING, registers=1), (0xC3A9,), "ascii"),
        (
            Encoding(RegisterType.STRING, registers=1, text_encoding="utf-8"),
            (0xC328,),
            "utf-8",
        ),
    ],
)
def test_what_is_no_value_of_its_type_is_said_to_be_none(
    encoding: Encoding, words: tuple[int, ...], told: str
) -> None:
    with pytest.raises(UndecodableError, match=told):
        encoding.decode(words)


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
        (RegisterType.FLOAT16, 70_000.0),
        (RegisterType.FLOAT32, 1e39),
        (RegisterType.BIT, 2),
        (RegisterType.BIT, 0.5),
        (RegisterType.INT8, 128),
        (RegisterType.UINT8, -1),
        (RegisterType.BCD16, 10_000),
        (RegisterType.BCD16, -1),
        (RegisterType.FLOAT64, math.nan),
        (RegisterType.INT32, math.inf),
        (RegisterType.INT32, "12"),
    ],
)
def test_what_does_not_fit_is_refused(kind: RegisterType, raw: Raw) -> None:
    with pytest.raises(UnencodableError):
        Encoding(kind).encode(raw)


@pytest.mark.parametrize("text", ["PUMPE", "Ä"])
def test_a_string_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(UnencodableError):
        Encoding(RegisterType.STRING, registers=2).encode(text)


def test_the_nearest_is_what_the_device_shows() -> None:
    shown = Encoding(RegisterType.FLOAT32).nearest(0.1)
    assert shown != 0.1
    assert shown == pytest.approx(0.1)


def test_a_string_has_no_nearest_number() -> None:
    with pytest.raises(UnencodableError, match="no number"):
        Encoding(RegisterType.STRING, registers=2).nearest(1)


def test_coils_and_discrete_inputs_are_bits() -> None:
    assert {table for table in Table if table.of_bits} == {Table.COIL, Table.DISCRETE}
