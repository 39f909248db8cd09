"""Which blocks to read so that every tag is read once, in few requests: pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.modbus.registers import Table

MAX_REGISTERS = 125
MAX_BITS = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value lies: `count` addresses of a table from `address` on."""

    table: Table
    address: int
    count: int

    @property
    def end(self) -> int:
        """The address behind the last."""
        return self.address + self.count


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may ask: the standard's limits, or a device's smaller ones.

    Tags up to `max_gap` addresses apart are read together, with what lies between.
    """

    max_registers: int = MAX_REGISTERS
    max_bits: int = MAX_BITS
    max_gap: int = 8

    def addresses(self, table: Table) -> int:
        """Return how many addresses of a table one request may ask."""
        return self.max_bits if table.of_bits else self.max_registers


@dataclass(frozen=True, slots=True)
class Block:
    """One request, and the positions (in the list given to `plan`) it serves.

    `rows` is in the order of addresses.
    """

    table: Table
    address: int
    count: int
    rows: tuple[int, ...]


def plan(places: Sequence[Place], limits: Limits) -> tuple[Block, ...]:
    """Return blocks that cover every place once, each within the limits."""
    order = sorted(range(len(places)), key=lambda row: _sort_key(places[row]))
    return tuple(
        block
        for _, rows in groupby(order, key=lambda row: places[row].table)
        for block in _of_one_table(places, list(rows), limits)
    )


def split(block: Block, places: Sequence[Place]) -> tuple[Block, ...]:
    """Return two blocks for one, by which a refused address is hunted down.

    A block of one tag is returned alone.
    """
    if len(block.rows) == 1:
        return (block,)
    middle = len(block.rows) // 2
    halves = (block.rows[:middle], block.rows[middle:])
    return tuple(_around(places, half) for half in halves)


def _sort_key(place: Place) -> tuple[str, int, int]:
    return place.table, place.address, place.count


def _of_one_table(
    places: Sequence[Place], rows: Sequence[int], limits: Limits
) -> Iterator[Block]:
    taken: list[int] = []
    start = end = 0
    for row in rows:
        place = places[row]
        longest = limits.addresses(place.table)
        apart = place.address - end > limits.max_gap
        too_long = max(end, place.end) - start > longest
        if taken and (apart or too_long):
            yield _around(places, taken)
            taken = []
        if not taken:
            start, end = place.address, place.end
        taken.append(row)
        end = max(end, place.end)
    if taken:
        yield _around(places, taken)


def _around(places: Sequence[Place], rows: Sequence[int]) -> Block:
    start = min(places[row].address for row in rows)
    end = max(places[row].end for row in rows)
    return Block(places[rows[0]].table, start, end - start, tuple(rows))
