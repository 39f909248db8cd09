"""Which blocks to read so that every tag is read once, in the fewest requests: pure.

What a request costs beyond its registers (frames, turnaround, the scan of the device)
weighs as much as `max_gap` registers: a shorter gap is cheaper read along than left
out. So neighbours closer than that share a request while it stays within the device's
limits. Of all plans with the fewest requests, the one that reads the fewest addresses
is taken, which is exact: values are ordered by address, and cutting that order into
blocks can be decided from the left.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from connectors.modbus.registers import Table

MAX_REGISTERS = 125
MAX_BITS = 2000
BITS_PER_REGISTER = 16


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

    A gap of up to `max_gap` registers that nobody asked for is read along; a gap in a
    table of bits may be as wide on the wire, so 16 times as long.
    """

    max_registers: int = MAX_REGISTERS
    max_bits: int = MAX_BITS
    max_gap: int = 8

    def addresses(self, table: Table) -> int:
        """Return how many addresses of a table one request may ask."""
        return self.max_bits if table.of_bits else self.max_registers

    def gap(self, table: Table) -> int:
        """Return how many addresses nobody asked for are worth a request saved."""
        return self.max_gap * BITS_PER_REGISTER if table.of_bits else self.max_gap


@dataclass(frozen=True, slots=True)
class Barrier:
    """Addresses of a table that a device does not give together.

    No block of several values may hold all of `address` up to, not including, `end`.
    """

    table: Table
    address: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """One request, and the positions (in the list given to `plan`) it serves.

    `rows` is in the order of addresses.
    """

    table: Table
    address: int
    count: int
    rows: tuple[int, ...]

    @property
    def end(self) -> int:
        """The address behind the last."""
        return self.address + self.count


def plan(
    places: Sequence[Place],
    limits: Limits,
    *,
    rows: Iterable[int] | None = None,
    barriers: Sequence[Barrier] = (),
) -> tuple[Block, ...]:
    """Return the fewest blocks that cover every place (of `rows`) once.

    Each stays within the limits and the barriers; a value is never divided, not even
    where it is longer than the limits allow.
    """
    wanted = range(len(places)) if rows is None else rows
    order = sorted(wanted, key=lambda row: _sort_key(places[row]))
    return tuple(
        block
        for table, group in groupby(order, key=lambda row: places[row].table)
        for run in _runs(places, list(group), limits.gap(table))
        for block in _cut(places, run, limits.addresses(table), _of(barriers, table))
    )


def split(block: Block, places: Sequence[Place]) -> tuple[Block, Block]:
    """Return two blocks for one of several values, to find what is refused in it."""
    middle = len(block.rows) // 2
    return (
        around(places, block.rows[:middle]),
        around(places, block.rows[middle:]),
    )


def around(places: Sequence[Place], rows: Sequence[int]) -> Block:
    """Return the block that holds these places of one table."""
    start = min(places[row].address for row in rows)
    end = max(places[row].end for row in rows)
    return Block(places[rows[0]].table, start, end - start, tuple(rows))


def _sort_key(place: Place) -> tuple[str, int, int]:
    return place.table, place.address, place.count


def _of(barriers: Sequence[Barrier], table: Table) -> list[Barrier]:
    return [barrier for barrier in barriers if barrier.table is table]


def _runs(
    places: Sequence[Place], rows: Sequence[int], max_gap: int
) -> Iterator[list[int]]:
    """Divide where the gap is too wide to be read along."""
    run: list[int] = []
    end = 0
    for row in rows:
        if run and places[row].address - end > max_gap:
            yield run
            run = []
        run.append(row)
        end = max(end, places[row].end)
    if run:
        yield run


def _cut(
    places: Sequence[Place],
    rows: Sequence[int],
    longest: int,
    barriers: Sequence[Barrier],
) -> Iterator[Block]:
    """Cut rows in the order of addresses into the fewest, then shortest, blocks."""
    cutter = _Cutter([places[row] for row in rows], longest, barriers)
    cuts = [len(rows)]
    while cuts[-1]:
        cuts.append(cutter.first_of_last_block(cuts[-1]))
    for end, start in zip(cuts[-2::-1], cuts[:0:-1], strict=True):
        yield around(places, rows[start:end])


class _Cutter:
    """The best way to cover the first n places, for every n, from the left.

    More places never need fewer requests, so the block that ends with a place need
    only begin where the fewest came before: from `low`, the earliest place that it may
    hold, to the last one with as few requests.
    """

    def __init__(
        self, places: Sequence[Place], longest: int, barriers: Sequence[Barrier]
    ) -> None:
        self._starts = [place.address for place in places]
        self._ends = [place.end for place in places]
        self._longest = longest
        self._barriers = barriers
        self._addresses = [0]
        self._first = [0]
        self._last_with = [0]  # by number of requests: the most places they cover
        self._requests = [0]
        self._solve()

    def first_of_last_block(self, count: int) -> int:
        """Return where the last block of the first `count` places begins."""
        return self._first[count]

    def _solve(self) -> None:
        low = distinct = reached = 0
        for last, end in enumerate(self._ends):
            distinct += max(0, end - max(reached, self._starts[last]))
            reached = max(reached, end)
            while low < last and not self._allowed(low, last):
                low += 1
            self._extend(low, last, distinct)

    def _extend(self, low: int, last: int, distinct: int) -> None:
        """Note the best block that ends with place `last`; `distinct` is the floor."""
        requests = self._requests[low]
        latest = min(last, self._last_with[requests])
        end = max(self._ends[latest : last + 1])
        fewest, chosen = 1 << 30, latest
        for first in range(latest, low - 1, -1):
            end = max(end, self._ends[first])
            addresses = self._addresses[first] + end - self._starts[first]
            if addresses < fewest:
                fewest, chosen = addresses, first
            if fewest == distinct:
                break
        self._note(requests + 1, fewest, chosen)

    def _note(self, requests: int, addresses: int, first: int) -> None:
        self._requests.append(requests)
        self._addresses.append(addresses)
        self._first.append(first)
        if requests == len(self._last_with):
            self._last_with.append(0)
        self._last_with[requests] = len(self._requests) - 1

    def _allowed(self, first: int, last: int) -> bool:
        start, end = self._starts[first], max(self._ends[first : last + 1])
        return end - start <= self._longest and not any(
            start <= barrier.address and barrier.end <= end
            for barrier in self._barriers
        )
