"""Twenty register maps, after the kinds that are found in plants."""

from __future__ import annotations

import random
from itertools import chain
from typing import TYPE_CHECKING

from connectors.modbus.planner import Limits, Place
from connectors.modbus.registers import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COIL, DISCRETE, HOLDING, INPUT = (
    Table.COIL,
    Table.DISCRETE,
    Table.HOLDING,
    Table.INPUT,
)

Map = tuple[list[Place], Limits]


def each(table: Table, addresses: Iterable[int], count: int = 1) -> Iterable[Place]:
    return (Place(table, address, count) for address in addresses)


def packed(table: Table, start: int, counts: Sequence[int]) -> list[Place]:
    """Values of these lengths, one behind the other."""
    places = []
    for count in counts:
        places.append(Place(table, start, count))
        start += count
    return places


def scattered(seed: int, table: Table, span: int, tags: int) -> list[Place]:
    rng = random.Random(seed)
    return [
        Place(table, rng.randrange(span), rng.choice((1, 1, 2, 4))) for _ in range(tags)
    ]


def of(limits: Limits, *parts: Iterable[Place]) -> Map:
    return list(chain(*parts)), limits


MAPS: dict[str, Map] = {
    "energy meter, floats in pairs with holes": of(
        Limits(max_gap=16),
        each(INPUT, range(0, 36, 2), 2),
        each(INPUT, (42, 46, 48, 52, 54, 56, 58, 62, 66, 70, 72, 74, 76), 2),
        each(INPUT, range(200, 208, 2), 2),
        each(INPUT, (224, 234, 236, 238, 240), 2),
    ),
    "energy meter that gives 40 at once": of(
        Limits(max_registers=40, max_gap=20), each(INPUT, range(0, 382, 6), 2)
    ),
    "frequency converter, parameters far apart": of(
        Limits(max_gap=8),
        each(HOLDING, (1000, 1001, 1002, 1099, 1610, 1612, 1613, 1614, 1634, 1660)),
        each(HOLDING, (1690, 2100, 5000, 16129), 2),
    ),
    "frequency converter that gives 16 at once": of(
        Limits(max_registers=16, max_gap=4),
        each(HOLDING, (*range(0x2100, 0x2110), *range(0x2112, 0x2128, 2))),
    ),
    "controller, one dense block": of(Limits(), each(HOLDING, range(500))),
    "controller, dense, 32 at once": of(
        Limits(max_registers=32), each(HOLDING, range(500))
    ),
    "controller, dense floats, odd limit": of(
        Limits(max_registers=33), each(HOLDING, range(0, 400, 2), 2)
    ),
    "controller, mixed types without padding": of(
        Limits(max_registers=32), packed(HOLDING, 10, (1, 2, 4, 1, 1, 2, 2, 4) * 12)
    ),
    "doubles that never fit evenly": of(
        Limits(max_registers=30), packed(INPUT, 0, (4,) * 40)
    ),
    "all four tables": of(
        Limits(),
        each(COIL, range(40)),
        each(DISCRETE, range(100, 260, 3)),
        each(HOLDING, range(10)),
        each(INPUT, range(5, 150, 5), 2),
    ),
    "coils of a packaging line": of(
        Limits(max_bits=256, max_gap=2), each(COIL, range(0, 3000, 7))
    ),
    "discrete inputs, dense, beyond one request": of(
        Limits(), each(DISCRETE, range(2100))
    ),
    "sparse, nothing near anything": of(
        Limits(), each(HOLDING, range(0, 60_000, 1500))
    ),
    "sparse, everything just within the gap": of(
        Limits(max_gap=8), each(INPUT, range(0, 900, 9))
    ),
    "sparse, everything just beyond the gap": of(
        Limits(max_gap=8), each(INPUT, range(0, 300, 10))
    ),
    "clusters of a remote input station": of(
        Limits(max_gap=10),
        *(each(INPUT, range(base, base + 8)) for base in range(0, 2000, 64)),
    ),
    "the same registers as number, bits and halves": of(
        Limits(max_registers=16),
        each(HOLDING, [address for address in range(60) for _ in range(3)]),
        each(HOLDING, range(0, 60, 4), 2),
    ),
    "no gap is worth anything": of(
        Limits(max_gap=0), each(HOLDING, (0, 1, 2, 4, 5, 7, 8, 9, 10, 20, 21, 23))
    ),
    "thrown together, 125 at once": of(
        Limits(max_gap=12), scattered(1, HOLDING, 2500, 220)
    ),
    "thrown together, 20 at once": of(
        Limits(max_registers=20, max_gap=6), scattered(2, INPUT, 700, 160)
    ),
}
