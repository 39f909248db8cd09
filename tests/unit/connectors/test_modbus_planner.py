from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.modbus.planner import Block, Limits, Place, plan, split
from connectors.modbus.registers import Table

places_anywhere = st.lists(
    st.builds(
        Place,
        st.sampled_from(Table),
        st.integers(0, 3000),
        st.sampled_from([1, 2, 4]),
    ),
    max_size=80,
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
            assert place.end <= block.address + block.count


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
    for block in plan(places, limits):
        wanted = sorted((places[row].address, places[row].end) for row in block.rows)
        end = wanted[0][1]
        for start, next_end in wanted:
            assert start - end <= limits.max_gap
            end = max(end, next_end)


@given(places_anywhere, any_limits)
def test_splitting_ends_with_every_tag_alone(
    places: list[Place], limits: Limits
) -> None:
    waiting, alone = list(plan(places, limits)), []
    for _ in range(4 * len(places) + 1):
        if not waiting:
            break
        block = waiting.pop()
        halves = split(block, places)
        if len(halves) == 1:
            alone.append(block)
        else:
            waiting.extend(halves)
    assert_blocks_cover(tuple(alone), places)
    assert len(alone) == len(places)


def test_neighbours_are_read_by_one_request() -> None:
    places = [Place(Table.INPUT, 8, 2), Place(Table.INPUT, 0, 1)]
    assert plan(places, Limits(max_gap=7)) == (Block(Table.INPUT, 0, 10, (1, 0)),)


def test_a_longer_gap_makes_two_requests() -> None:
    places = [Place(Table.INPUT, 0, 1), Place(Table.INPUT, 9, 1)]
    assert len(plan(places, Limits(max_gap=7))) == 2


def test_tables_are_never_mixed() -> None:
    places = [Place(Table.INPUT, 0, 1), Place(Table.HOLDING, 0, 1)]
    assert len(plan(places, Limits())) == 2


def test_a_request_is_never_longer_than_the_standard_allows() -> None:
    places = [Place(Table.HOLDING, address, 1) for address in range(126)]
    assert [block.count for block in plan(places, Limits())] == [125, 1]
