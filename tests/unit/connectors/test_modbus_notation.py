from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.notation import (
    NotationError,
    on_the_wire,
    parse_reference,
    reference_of,
)
from connectors.modbus.registers import Table

addresses = st.integers(0, 65_535)


@given(st.sampled_from(Table), addresses)
def test_a_reference_and_its_address_are_one(table: Table, address: int) -> None:
    assert parse_reference(reference_of(table, address)) == (table, address)


@given(st.sampled_from(Table), addresses)
def test_six_digits_and_the_x_mean_the_same(table: Table, address: int) -> None:
    digit = reference_of(table, 0)[0]
    assert parse_reference(f"{digit}{address + 1:05}") == (table, address)
    assert parse_reference(f"{digit}x{address + 1}") == (table, address)


@pytest.mark.parametrize(
    ("text", "table", "address"),
    [
        ("00001", Table.COIL, 0),
        ("09999", Table.COIL, 9_998),
        ("000001", Table.COIL, 0),
        ("065536", Table.COIL, 65_535),
        ("10001", Table.DISCRETE, 0),
        ("30001", Table.INPUT, 0),
        ("40001", Table.HOLDING, 0),
        ("49999", Table.HOLDING, 9_998),
        ("400001", Table.HOLDING, 0),
        ("465536", Table.HOLDING, 65_535),
        ("4x0001", Table.HOLDING, 0),
        (" 4X65536 ", Table.HOLDING, 65_535),
    ],
)
def test_the_ends_of_every_table(text: str, table: Table, address: int) -> None:
    assert parse_reference(text) == (table, address)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("40000", "from 40001 to 465536"),
        ("400000", "count from 1"),
        ("465537", "from 40001 to 465536"),
        ("00000", "from 00001 to 065536"),
        ("20001", "no table has the digit 2"),
        ("4001", "such as 40001"),
        ("4000001", "such as 40001"),
        ("40001.3", "such as 40001"),
        ("", "such as 40001"),
        ("\uff14\uff10\uff10\uff10\uff11", "such as 40001"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_remedy(
    text: str, remedy: str
) -> None:
    with pytest.raises(NotationError, match=remedy):
        parse_reference(text)


@given(addresses)
def test_one_based_is_one_more_than_on_the_wire(address: int) -> None:
    assert on_the_wire(address, "zero-based") == address
    assert on_the_wire(address + 1, "one-based") == address


@pytest.mark.parametrize(
    ("address", "addressing", "remedy"),
    [
        (65_536, "zero-based", 'addressing = "one-based"'),
        (400_001, "zero-based", 'reference = "40001"'),
        (-1, "zero-based", "0..65535"),
        (0, "one-based", "the first is 1"),
        (65_537, "one-based", "1..65536"),
    ],
)
def test_an_address_that_is_none_is_refused_with_the_remedy(
    address: int, addressing: str, remedy: str
) -> None:
    assert addressing in ("zero-based", "one-based")
    with pytest.raises(NotationError, match=remedy):
        on_the_wire(address, "one-based" if addressing == "one-based" else "zero-based")
