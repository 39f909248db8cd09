from __future__ import annotations

from functools import cache
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.modbus.planner import Barrier, Block, Limits, Place, around, plan, split
from connectors.modbus.registers import Table
from tests.unit.connectors.register_maps import MAPS

places_anywhere = st.lists(
    st.builds(
        Place,
        st.sampled_from(Table),
        st.integers(0, 3000),
        st.sampled_from([1, 2, 4]),
    ),
    max_size=80,
)
few_places = st.lists(
    st.builds(
        Place,
        st.just(Table.INPUT),
        st.integers(0, 40),
        st.sampled_from([1, 2, 4, 9]),
    ),
    max_size=12,
)
any_limits = st.builds(
    Limits,
    max_registers=st.integers(4, 125),
    max_bits=st.integers(4, 2000),
    max_gap=st.integers(0, 50),
)


def assert_blocks_cover(blocks: tuple[Block, ...], places: list[Place]) -> None:
    covered = [row for block in blocks for row in block.rows]
    assert sorted(covered) == list(range(len(places)))
    for block in blocks:
        for row in block.rows:
            place = places[row]
            assert place.table is block.table
            assert block.address <= place.address
            assert place.end <= block.end


def optimum(places: list[Place], limits: Limits) -> int:
    """Return the fewest requests, by trying every block from every value on.

    It knows addresses only: a block begins with the lowest value that is still missing
    (otherwise it could begin later), ends where any value ends, is not too long, and
    holds no run of unwanted addresses that is not worth a request.
    """
    by_table = sorted(places, key=lambda place: place.table)
    return sum(
        _optimum_of(frozenset(group), limits)
        for _, group in groupby(by_table, key=lambda place: place.table)
    )


def _optimum_of(places: frozenset[Place], limits: Limits) -> int:
    wanted = {address for each in places for address in range(each.address, each.end)}
    order = sorted(places, key=lambda each: (each.address, each.end))
    table = order[0].table

    @cache
    def blocks_from(start: int) -> list[frozenset[Place]]:
        found, unwanted = [], 0
        ends = {each.end for each in order}
        for address in range(start, start + limits.addresses(table)):
            unwanted = 0 if address in wanted else unwanted + 1
            if unwanted > limits.gap(table):
                break
            if address + 1 in ends:
                inside = (start, address + 1)
                found.append(
                    frozenset(
                        each
                        for each in order
                        if inside[0] <= each.address and each.end <= inside[1]
                    )
                )
        return found

    missing, requests = {places}, 0
    while frozenset() not in missing:
        requests += 1
        after = set()
        for each in missing:
            lowest = min(each, key=lambda place: (place.address, place.end))
            after |= {
                each - block for block in blocks_from(lowest.address) if lowest in block
            }
        # Whoever misses less than another is at least as good.
        fewest = sorted(after, key=len)
        missing = set()
        for each in fewest:
            if not any(better <= each for better in missing):
                missing.add(each)
    return requests


@pytest.mark.parametrize("name", MAPS)
def test_no_map_takes_more_requests_than_the_fewest_possible(name: str) -> None:
    places, limits = MAPS[name]
    blocks = plan(places, limits)
    assert_blocks_cover(blocks, places)
    assert len(blocks) == optimum(places, limits)


def test_there_are_twenty_maps() -> None:
    assert len(MAPS) == 20


@settings(deadline=None)
@given(few_places, st.integers(9, 20), st.integers(0, 6))
def test_no_plan_takes_more_requests_than_the_fewest_possible(
    places: list[Place], longest: int, max_gap: int
) -> None:
    limits = Limits(max_registers=longest, max_gap=max_gap)
    assert len(plan(places, limits)) == optimum(places, limits)


@given(places_anywhere, any_limits)
def test_every_tag_is_covered_once_within_the_limits(
    places: list[Place], limits: Limits
) -> None:
    blocks = plan(places, limits)
    assert_blocks_cover(blocks, places)
    assert all(block.count <= limits.addresses(block.table) for block in blocks)


@given(places_anywhere, any_limits)
def test_no_gap_longer_than_allowed_is_read(
    places: list[Place], limits: Limits
) -> None:
    wanted = {
        (each.table, address)
        for each in places
        for address in range(each.address, each.end)
    }
    for block in plan(places, limits):
        unwanted = 0
        for address in range(block.address, block.end):
            unwanted = 0 if (block.table, address) in wanted else unwanted + 1
            assert unwanted <= limits.gap(block.table)


@given(places_anywhere, any_limits, st.data())
def test_only_the_rows_asked_for_are_planned(
    places: list[Place], limits: Limits, data: st.DataObject
) -> None:
    rows = data.draw(
        st.sets(st.integers(0, len(places) - 1)) if places else st.just(())
    )
    blocks = plan(places, limits, rows=rows)
    assert sorted(row for block in blocks for row in block.rows) == sorted(rows)


@given(places_anywhere, any_limits, st.lists(st.integers(0, 3000), max_size=8))
def test_no_block_of_several_values_holds_a_barrier(
    places: list[Place], limits: Limits, walls: list[int]
) -> None:
    barriers = [Barrier(table, wall, wall + 2) for wall in walls for table in Table]
    blocks = plan(places, limits, barriers=barriers)
    assert_blocks_cover(blocks, places)
    for block in blocks:
        held = [
            barrier
            for barrier in barriers
            if barrier.table is block.table
            and block.address <= barrier.address
            and barrier.end <= block.end
        ]
        assert not held or len(block.rows) == 1


@given(places_anywhere, any_limits)
def test_splitting_ends_with_every_tag_alone(
    places: list[Place], limits: Limits
) -> None:
    waiting, alone = list(plan(places, limits)), []
    for _ in range(4 * len(places) + 1):
        if not waiting:
            break
        block = waiting.pop()
        if len(block.rows) == 1:
            alone.append(block)
        else:
            waiting.extend(split(block, places))
    assert_blocks_cover(tuple(alone), places)
    assert len(alone) == len(places)


def test_neighbours_are_read_by_one_request() -> None:
    places = [Place(Table.INPUT, 8, 2), Place(Table.INPUT, 0, 1)]
    assert plan(places, Limits(max_gap=7)) == (Block(Table.INPUT, 0, 10, (1, 0)),)


def test_a_longer_gap_makes_two_requests() -> None:
    places = [Place(Table.INPUT, 0, 1), Place(Table.INPUT, 9, 1)]
    assert len(plan(places, Limits(max_gap=7))) == 2


def test_a_gap_of_bits_may_be_sixteen_times_as_long() -> None:
    places = [Place(Table.COIL, 0, 1), Place(Table.COIL, 33, 1)]
    assert len(plan(places, Limits(max_gap=2))) == 1
    assert len(plan(places, Limits(max_gap=1))) == 2


def test_tables_are_never_mixed() -> None:
    places = [Place(Table.INPUT, 0, 1), Place(Table.HOLDING, 0, 1)]
    assert len(plan(places, Limits())) == 2


def test_a_request_is_never_longer_than_the_standard_allows() -> None:
    places = [Place(Table.HOLDING, address, 1) for address in range(126)]
    assert sorted(block.count for block in plan(places, Limits())) == [1, 125]


def test_of_equally_many_requests_those_that_read_less_are_taken() -> None:
    """Two requests are needed either way; the cut belongs where the gap is."""
    places = [Place(Table.HOLDING, address, 1) for address in (0, 1, 2, 8, 9, 10)]
    blocks = plan(places, Limits(max_registers=10))
    assert [(block.address, block.count) for block in blocks] == [(0, 3), (8, 3)]


def test_a_value_longer_than_the_limits_is_asked_for_whole() -> None:
    places = [Place(Table.HOLDING, 0, 1), Place(Table.HOLDING, 1, 8)]
    blocks = plan(places, Limits(max_registers=4))
    assert [(block.address, block.count) for block in blocks] == [(0, 1), (1, 8)]


def test_ten_thousand_coils_are_planned_at_once() -> None:
    """The plan is made when a connection opens; it must not make it late."""
    places = [Place(Table.COIL, address, 1) for address in range(10_000)]
    assert len(plan(places, Limits())) == 5


def test_a_block_around_places_ends_with_the_farthest() -> None:
    places = [Place(Table.INPUT, 0, 9), Place(Table.INPUT, 2, 1)]
    assert around(places, (0, 1)) == Block(Table.INPUT, 0, 9, (0, 1))
