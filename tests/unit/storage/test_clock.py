"""The record of the clock, and the stamps that a time may mean."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.era import ClockOffset, Era, corrected
from appliance.storage import clock as clock_module
from appliance.storage.clock import (
    corrected_times,
    note_clock,
    read_eras,
    read_offsets,
    stamped_spans,
)
from appliance.storage.migrations import shipped

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    import pytest

    from appliance.storage.store import BufferStore

OFFSETS = st.lists(
    st.builds(
        ClockOffset,
        era=st.integers(1, 3),
        boot_id=st.just("boot"),
        from_monotonic_ns=st.just(0),
        to_monotonic_ns=st.just(0),
        from_ns=st.integers(0, 50_000),
        to_ns=st.integers(50_000, 100_000),
        offset_ns=st.integers(-100_000, 100_000),
    ),
    max_size=5,
)


@given(OFFSETS, st.lists(st.integers(0, 100), min_size=1), st.integers(0, 999))
def test_columns_are_corrected_as_single_times_are(
    offsets: list[ClockOffset], steps: list[int], digits: int
) -> None:
    times = [step * 1000 + digits % 5 for step in steps]
    meant = corrected_times(np.array(times, np.int64), offsets)
    assert meant.tolist() == [corrected(each, offsets) for each in times]


@given(OFFSETS, st.integers(0, 100_000), st.integers(-100_000, 200_000))
def test_every_stamp_that_is_meant_lies_in_a_span_and_spans_do_not_touch(
    offsets: list[ClockOffset], stamp: int, from_ns: int
) -> None:
    to_ns = from_ns + 10_000
    spans = stamped_spans(from_ns, to_ns, offsets)
    if from_ns <= corrected(stamp, offsets) <= to_ns:
        assert any(low <= stamp <= high for low, high in spans)
    ends = [end for span in spans for end in span]
    assert ends == sorted(ends)


def test_a_clock_that_is_set_all_day_fills_no_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_module, "RECORDS_MAX", 10)
    with closing(sqlite3.connect(":memory:")) as connection:
        assert read_offsets(connection) == ()
        for each in shipped():
            connection.executescript(each.script)
        for number in range(1, 31):
            note_clock(connection, Era(number, "boot", number, 0), ())
        eras = read_eras(connection)
    assert [each.number for each in eras] == list(range(21, 31))


async def test_what_is_noted_is_on_record_after_a_restart(
    opened: Callable[..., AbstractAsyncContextManager[BufferStore]],
) -> None:
    era = Era(1, "boot", 5, -7)
    offset = ClockOffset(1, "boot", 5, 9, 1, 4, 3_600)
    async with opened() as store:
        assert await store.clock_record() == ((), ())
        await store.note_clock(era, [offset])
    async with opened() as store:
        assert await store.clock_record() == ((era,), (offset,))
