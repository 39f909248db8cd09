"""How the numbers of a manual become addresses on the wire: the one place. Pure.

On the wire every table is counted from 0. A manual may say the same in three ways:

- **zero-based** (`addressing = "zero-based"`, the default): the number on the wire;
- **one-based** (`addressing = "one-based"`): 1 is the first, so 0 on the wire;
- a **reference** (`reference = "40001"`): the first digit names the table (0 coil,
  1 discrete input, 3 input register, 4 holding register), the other four or five, or
  what follows an `x`, count from 1: `40001`, `400001` and `4x1` are holding register 0.

`addressing` has no say in a reference.
"""

from __future__ import annotations

import re
from typing import Literal

from connectors.modbus.registers import Table

Addressing = Literal["zero-based", "one-based"]

ADDRESSES = 65_536
"""How many addresses a table has."""

_LAST_OF_FOUR_DIGITS = 9_999
_TABLES = {
    "0": Table.COIL,
    "1": Table.DISCRETE,
    "3": Table.INPUT,
    "4": Table.HOLDING,
}
_DIGITS = {table: digit for digit, table in _TABLES.items()}
_REFERENCE = re.compile(r"([0-9])(?:([0-9]{4,5})|x([0-9]{1,5}))", re.ASCII)


class NotationError(ValueError):
    """A number that names no address; the message says what to write instead."""


def parse_reference(text: str) -> tuple[Table, int]:
    """Return the table and the zero-based address of a reference.

    >>> parse_reference("40001")
    (<Table.HOLDING: 'holding'>, 0)

    Raises:
        NotationError: It is none.
    """
    found = _REFERENCE.fullmatch(text.strip().lower())
    if found is None:
        raise NotationError(
            f"{text!r} is no reference; write five or six digits, such as 40001 or "
            "400001, or use `table` and `address`"
        )
    table = _TABLES.get(found[1])
    if table is None:
        raise NotationError(
            f"{text!r}: no table has the digit {found[1]}; it is 0 (coil), 1 (discrete"
            " input), 3 (input register) or 4 (holding register)"
        )
    number = int(found[2] or found[3])
    if not 1 <= number <= ADDRESSES:
        first = reference_of(table, 0)
        last = reference_of(table, ADDRESSES - 1)
        raise NotationError(
            f"{text!r}: references count from 1, so the {table} table goes from "
            f"{first} to {last}; if the manual counts from 0, use `table` and `address`"
        )
    return table, number - 1


def reference_of(table: Table, address: int) -> str:
    """Return the reference of a zero-based address, in five digits where they do.

    >>> reference_of(Table.INPUT, 9), reference_of(Table.INPUT, 65_535)
    ('30010', '365536')
    """
    number = address + 1
    width = 4 if number <= _LAST_OF_FOUR_DIGITS else 5
    return f"{_DIGITS[table]}{number:0{width}}"


def on_the_wire(address: int, addressing: Addressing) -> int:
    """Return the zero-based address of a number counted as `addressing` says.

    Raises:
        NotationError: There is no such address.
    """
    first = 1 if addressing == "one-based" else 0
    if not first <= address < first + ADDRESSES:
        last = first + ADDRESSES - 1
        remedy = (
            'the first is 1; if the manual counts from 0, remove `addressing = "one-'
            'based"`'
            if first
            else 'if the manual counts from 1, write `addressing = "one-based"`; a '
            'number such as 40001 is written `reference = "40001"`'
        )
        raise NotationError(
            f"address {address} is not within {first}..{last}; {remedy}"
        )
    return address - first
