"""Sets of sequence numbers, held against plain sets."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from fleet.ranges import Ranges

RANGE = st.tuples(st.integers(1, 60), st.integers(-3, 12)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)


def plain(ranges: list[tuple[int, int]]) -> set[int]:
    return {seq for first, last in ranges for seq in range(first, last + 1)}


@given(st.lists(RANGE), RANGE)
def test_it_is_the_set_it_claims_to_be(
    given_ranges: list[tuple[int, int]], asked: tuple[int, int]
) -> None:
    ranges, numbers = Ranges(*given_ranges), plain(given_ranges)
    assert plain(list(ranges)) == numbers
    assert ranges.count == len(numbers)
    assert ranges.highest == max(numbers, default=0)
    assert bool(ranges) == bool(numbers)
    assert plain(list(ranges.missing(*asked))) == plain([asked]) - numbers
    unbroken = 0
    while unbroken + 1 in numbers:
        unbroken += 1
    assert ranges.unbroken() == unbroken


@given(st.lists(RANGE))
def test_ranges_are_sorted_and_never_touch(given_ranges: list[tuple[int, int]]) -> None:
    kept = list(Ranges(*given_ranges))
    for (_, last), (first, _) in pairwise(kept):
        assert first > last + 1


def test_a_copy_is_its_own() -> None:
    one = Ranges((1, 5))
    other = one.copy()
    other.add_all(Ranges((6, 9), (20, 21)))
    assert list(one) == [(1, 5)]
    assert list(other) == [(1, 9), (20, 21)]
