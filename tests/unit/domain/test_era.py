"""Eras of the clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.era import ERAS, ClockOffset, Era, corrected, era_of, marked

TIMES = st.integers(min_value=0, max_value=2**62)
NUMBERS = st.integers(min_value=1, max_value=ERAS)


def offset(era: int, from_ns: int, to_ns: int, by_ns: int) -> ClockOffset:
    return ClockOffset(era, "boot", 0, to_ns - from_ns, from_ns, to_ns, by_ns)


@given(TIMES, NUMBERS)
def test_a_mark_is_read_back_and_moves_a_time_by_less_than_a_microsecond(
    time_ns: int, number: int
) -> None:
    stamp = marked(time_ns, number)
    assert era_of(stamp) == number
    assert abs(stamp - time_ns) < 1000


@given(TIMES)
def test_a_clock_that_steps_by_100_ns_never_looks_like_ours(time_ns: int) -> None:
    assert era_of(time_ns // 100 * 100) == 0


def test_an_era_stamps_in_the_order_of_the_monotonic_clock() -> None:
    era = Era(7, "boot", 0, 5_000_000_000)
    stamps = [era.stamp(ns) for ns in range(0, 10_000_000, 1000)]
    assert stamps == sorted(set(stamps))
    assert {era_of(stamp) for stamp in stamps} == {7}


def test_only_stamps_of_the_era_and_its_time_are_corrected() -> None:
    known = [offset(3, 1_000_000, 9_000_000, 3_600_000_000_000)]
    assert corrected(5_000_003, known) == 5_000_003 + 3_600_000_000_000
    for other in (5_000_000, 5_000_004, 5_000_103, 9_001_003, 3):
        assert corrected(other, known) == other


def test_the_last_record_of_an_era_counts() -> None:
    known = [offset(3, 0, 9_000_000, 1_000), offset(3, 0, 9_000_000, 2_000)]
    assert corrected(5_000_003, known) == 5_002_003
