"""Which registers hold which values: a division of all, or a place for each. Pure.

Nothing here is sure, and nothing is decided: a person sees the live value of each
candidate beside what is expected, and chooses.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from connectors.modbus.candidates import Candidate, candidates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.modbus.candidates import Expectation
    from connectors.modbus.registers import Table


def segmented(
    readings: Sequence[Mapping[int, int]], taken: frozenset[int] = frozenset()
) -> tuple[Candidate, ...]:
    """Divide registers into values so that most speaks for the whole.

    Registers that are 0 in every reading, or `taken`, are left out.
    """
    known = sorted(set(readings[0]) - taken) if readings else []
    best: dict[int, tuple[float, Candidate | None]] = {}

    def onward(address: int) -> float:
        return best[address][0] if address in best else 0.0

    for address in reversed(known):
        choices: list[tuple[float, Candidate | None]] = [(onward(address + 1), None)]
        for each in candidates(readings, address) if _holds(readings, address) else ():
            if not taken.intersection(range(address, each.end)):
                choices.append((each.bits + onward(each.end), each))
                choices[0] = (-math.inf, None)
        best[address] = max(choices, key=lambda choice: choice[0])
    return tuple(_followed(known, best))


def assigned(
    places: Mapping[tuple[int, Table], Sequence[Mapping[int, int]]],
    expectations: Sequence[Expectation],
) -> dict[int, tuple[tuple[int, Table], tuple[Candidate, ...]]]:
    """Find the registers of each expectation (by its number), the surest first.

    Returned are the device and table, and the candidates that fit best, none of which
    but the first is taken. An expectation that nothing fits is not there.
    """
    offers = [
        (candidate.bits, -number, place, candidate)
        for number, expected in enumerate(expectations)
        for place, readings in places.items()
        for address in _where(expected, place, readings)
        for candidate in candidates(readings, address, expected)
        if candidate.fits and (expected.place is not None or candidate.is_likely)
    ]
    offers.sort(key=lambda each: each[:2], reverse=True)
    found: dict[int, tuple[tuple[int, Table], tuple[Candidate, ...]]] = {}
    taken: set[tuple[tuple[int, Table], int]] = set()
    for _, negative, place, candidate in offers:
        number = -negative
        words = {(place, each) for each in range(candidate.address, candidate.end)}
        if number in found or words & taken:
            continue
        taken |= words
        found[number] = (place, (candidate,))
    for number, (place, (first,)) in found.items():
        rest = candidates(places[place], first.address, expectations[number])
        found[number] = (place, (first, *(each for each in rest if each != first)))
    return found


def _where(
    expected: Expectation,
    place: tuple[int, Table],
    readings: Sequence[Mapping[int, int]],
) -> Iterator[int]:
    if expected.place is None:
        yield from (each for each in readings[0] if _holds(readings, each))
        return
    device, table, address = expected.place
    if device in (None, place[0]) and table is place[1] and address in readings[0]:
        yield address


def _holds(readings: Sequence[Mapping[int, int]], address: int) -> bool:
    return any(words[address] for words in readings)


def _followed(
    known: Sequence[int], best: Mapping[int, tuple[float, Candidate | None]]
) -> Iterator[Candidate]:
    end = -1
    for address in known:
        chosen = best[address][1]
        if address >= end and chosen is not None:
            end = chosen.end
            yield chosen
