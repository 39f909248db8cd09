"""The chart of a tag: nothing is lost, nothing is invented."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dashboard.limits import Limit
from appliance.dashboard.model import History
from appliance.dashboard.plot import (
    BAD,
    GOOD,
    MISSING,
    UNCERTAIN,
    Column,
    columns_of,
    drawn,
    row_of,
    scale_of,
)

NAN = math.nan


def history(rows: list[tuple[int, float, int]], to_ns: int = 100) -> History:
    times, values, qualities = zip(*rows, strict=True) if rows else ((), (), ())
    return History("P/x", 0, to_ns, tuple(times), tuple(values), tuple(qualities))


def test_a_value_holds_until_the_next_one_and_after_a_bad_one_nothing_does() -> None:
    rows = [(0, 1.0, 2), (35, 4.0, 2), (36, 3.0, 1), (60, NAN, 0), (85, 2.0, 2)]
    found = columns_of(history(rows), 10, until_ns=100)
    assert [column.quality for column in found] == [
        GOOD, GOOD, GOOD, UNCERTAIN, UNCERTAIN, UNCERTAIN, BAD, BAD, GOOD, GOOD,
    ]  # fmt: skip
    assert found[2] == Column(1.0, 1.0, GOOD)
    assert (found[3].low, found[3].high) == (3.0, 4.0)
    assert found[4].low == 3.0
    assert not found[6].known
    assert found[9].low == 2.0


def test_nothing_is_held_into_the_future_or_across_a_declared_gap() -> None:
    rows = [(0, 1.0, 2), (80, 2.0, 2)]
    found = columns_of(history(rows), 10, until_ns=90, gaps=[(30, 49)])
    qualities = [column.quality for column in found]
    assert qualities == [GOOD] * 3 + [MISSING] * 5 + [GOOD, MISSING]


def test_what_came_before_the_beginning_holds_into_it() -> None:
    found = columns_of(history([(-5, 7.0, 2)]), 4, until_ns=100)
    assert [column.low for column in found] == [7.0] * 4
    assert columns_of(history([]), 3, until_ns=100) == [Column()] * 3


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.floats(-1e6, 1e6), st.integers(1, 2)),
        min_size=1,
    ),
    st.integers(1, 40),
)
def test_no_spike_is_lost_however_narrow_the_chart(
    rows: list[tuple[int, float, int]], count: int
) -> None:
    rows.sort(key=lambda row: row[0])
    found = columns_of(history(rows), count, until_ns=100)
    known = [column for column in found if column.known]
    assert min(column.low for column in known) == min(value for _, value, _ in rows)
    assert max(column.high for column in known) == max(value for _, value, _ in rows)


def test_the_scale_takes_the_limits_in_that_are_near_and_not_those_that_are_far() -> (
    None
):
    near = Limit(4.5, above=True, priority="high", name="a")
    far = Limit(70.0, above=True, priority="trip", name="b")
    columns = [Column(1.0, 3.0, GOOD)]
    bottom, top = scale_of(columns, [near, far])
    assert bottom < 1.0
    assert 4.5 < top < 70.0
    assert scale_of([Column()], []) == (0.0, 1.0)
    bottom, top = scale_of([Column(5.0, 5.0, GOOD)], [], least=2.0)
    assert top - bottom >= 2.0
    assert bottom < 5.0 < top


def test_the_chart_joins_what_is_known_and_leaves_what_is_not_blank() -> None:
    columns = [Column(0.0, 0.0, GOOD), Column(1.0, 1.0, GOOD), Column(), Column()]
    lines = drawn(columns, 2, bottom=0.0, top=1.0)
    assert [len(line) for line in lines] == [2, 2]
    assert lines == ["⢸ ", "⣸ "]
    assert drawn([Column()] * 4, 1, bottom=0.0, top=1.0) == ["  "]


@pytest.mark.parametrize(("level", "row"), [(1.0, 0), (0.0, 4), (0.5, 2), (1.1, None)])
def test_a_limit_lies_on_the_line_of_its_level(level: float, row: int | None) -> None:
    assert row_of(level, 5, bottom=0.0, top=1.0) == row


def test_a_limit_is_passed_beyond_it_and_never_by_what_is_no_number() -> None:
    high = Limit(4.5, above=True, priority="high", name="a")
    low = Limit(1.0, above=False, priority="low", name="b")
    assert high.passed_by(4.6)
    assert not high.passed_by(4.5)
    assert low.passed_by(0.9)
    assert not high.passed_by(NAN)
    assert not low.passed_by(NAN)
