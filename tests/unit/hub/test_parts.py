"""Tag table, latest values, roll-ups: the columns of the hub."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.batch import Text, Waveform, bad_batch, batch_of, keep_alive
from appliance.domain.sample import (
    STATUS_BAD_NOT_A_NUMBER,
    STATUS_BAD_OUT_OF_RANGE,
    STATUS_BAD_SENSOR_FAILURE,
    Quality,
)
from appliance.domain.tag import Tag, TagId
from appliance.hub.latest import Latest
from appliance.hub.summaries import Summaries, row_of_summary
from appliance.hub.tagtable import TagTable

S = 1_000_000_000
FLOW, MARGIN = TagId("P-101/flow"), TagId("safety/margin")


def table() -> TagTable:
    made = TagTable()
    made.add([Tag(FLOW, "m3/h", 0.0, 120.0)], {FLOW: 2})
    return made


def test_a_value_out_of_range_or_no_number_becomes_bad() -> None:
    values = [-0.1, 0.0, 120.0, 120.1, math.nan, math.inf]
    batch = batch_of([2] * 6, values, source_time_ns=0, receive_time_ns=0)
    checked = table().checked(batch)
    good, bad = Quality.GOOD, Quality.BAD
    assert checked.quality.tolist() == [bad, good, good, bad, bad, bad]
    out, nan = STATUS_BAD_OUT_OF_RANGE, STATUS_BAD_NOT_A_NUMBER
    assert checked.status.tolist() == [out, 0, 0, out, nan, nan]
    assert checked.value[0] == -0.1  # for people to look at


def test_what_is_well_is_passed_on_untouched() -> None:
    batch = batch_of(
        [2, 2], [1.0, math.nan], source_time_ns=0, receive_time_ns=0,
        quality=[Quality.UNCERTAIN, Quality.BAD],
        status=[0x4000_0000, STATUS_BAD_SENSOR_FAILURE],
    )  # fmt: skip
    assert table().checked(batch) is batch


def test_a_check_of_one_row_leaves_the_others_as_they_came() -> None:
    batch = batch_of(
        [2, 2, 2], [1.0, 500.0, math.nan], source_time_ns=0, receive_time_ns=0,
        quality=[Quality.UNCERTAIN, Quality.GOOD, Quality.BAD],
        status=[0x4000_0000, 0, STATUS_BAD_SENSOR_FAILURE],
    )  # fmt: skip
    checked = table().checked(batch)
    assert checked.quality.tolist() == [Quality.UNCERTAIN, Quality.BAD, Quality.BAD]
    assert checked.status.tolist() == [
        0x4000_0000,
        STATUS_BAD_OUT_OF_RANGE,
        STATUS_BAD_SENSOR_FAILURE,
    ]


def test_the_table_grows_and_tells_the_link() -> None:
    made = table()
    numbers, names = made.numbers, made.names
    made.add([Tag(MARGIN, "mm/s")], {MARGIN: 9})
    assert (made.size, numbers[MARGIN], names[9]) == (10, 9, MARGIN)
    entries = {entry.name: entry for entry in made.entries()}
    assert entries[FLOW].range_high == 120.0
    assert entries[MARGIN].range_high is None


def test_a_number_beyond_the_table_is_not_known_wherever_it_stands() -> None:
    made = table()
    rows = batch_of([2], [1.0], source_time_ns=0, receive_time_ns=0)
    burst = Waveform(3, 0, 1.0, np.zeros(1, dtype=np.float32))
    word = Text(3, 0, "x")
    assert made.knows(rows)
    assert made.knows(keep_alive("g", 0))
    assert not made.knows(batch_of([3], [1.0], source_time_ns=0, receive_time_ns=0))
    for extra in ({"waveforms": (burst,)}, {"texts": (word,)}):
        batch = batch_of([], [], source_time_ns=0, receive_time_ns=0, **extra)
        assert not made.knows(batch)


def latest() -> Latest:
    made = Latest()
    made.grow(5)
    return made


def test_the_last_row_of_a_tag_in_a_batch_is_its_newest() -> None:
    made = latest()
    assert made.row(3) is None
    assert made.row(99) is None
    made.take(
        batch_of([3, 3], [1.0, 2.0], source_time_ns=[5, 6], receive_time_ns=7),
        now_s=1.0,
    )
    row = made.row(3)
    assert row is not None
    assert (row.good_value, row.source_time_ns) == (2.0, 6)


def test_the_newest_row_has_the_second_time_where_there_is_one() -> None:
    made = latest()
    both = batch_of(
        [3, 4], [1.0, 1.0], source_time_ns=5, receive_time_ns=7, server_time_ns=[6, 0]
    )
    made.take(both, now_s=1.0)
    found = [made.row(number) for number in (3, 4)]
    assert [row.server_time_ns for row in found if row is not None] == [6, None]
    alone = batch_of([3], [1.0], source_time_ns=5, receive_time_ns=7)
    made.take(alone, now_s=1.0)
    row = made.row(3)
    assert row is not None
    assert row.server_time_ns is None


def test_a_loss_is_the_newest_row_and_has_no_value() -> None:
    made = latest()
    made.take(bad_batch([3], 0x8031_0000, time_ns=9), now_s=1.0)
    row = made.row(3)
    assert row is not None
    assert (row.quality, row.good_value, row.status) == (Quality.BAD, None, 0x8031_0000)


def test_a_group_is_confirmed_by_what_confirms_and_by_nothing_else() -> None:
    made = latest()
    made.take(keep_alive("plc.poll", 70), now_s=7.0)
    made.take(bad_batch([3], 0, time_ns=90, group="plc.poll"), now_s=9.0)
    past = batch_of(
        [3], [1.0], source_time_ns=1, receive_time_ns=99, group="x", historical=True
    )
    made.take(past, now_s=9.9)
    assert set(made.confirmed) == {"plc.poll"}
    assert made.confirmed["plc.poll"].utc_ns == 70
    assert made.confirmed["plc.poll"].now_s == 7.0


def test_growing_keeps_what_is_known() -> None:
    made = latest()
    made.take(batch_of([3], [1.0], source_time_ns=5, receive_time_ns=5), now_s=0.0)
    made.grow(50)
    made.grow(10)
    row = made.row(3)
    assert row is not None
    assert row.value == 1.0
    assert made.row(40) is None


def test_texts_and_waveforms_are_kept_by_tag() -> None:
    made = latest()
    burst = Waveform(3, 0, 1.0, np.zeros(1, dtype=np.float32))
    batch = batch_of(
        [], [], source_time_ns=0, receive_time_ns=0, waveforms=(burst,),
        texts=(Text(4, 0, "why"),),
    )  # fmt: skip
    made.take(batch, now_s=0.0)
    assert made.waveforms[3] is burst
    assert made.texts[4].content == "why"


NAMES = {1: TagId("a/x"), 2: TagId("a/y")}


def summaries() -> Summaries:
    made = Summaries(10.0)
    made.grow(3)
    return made


def test_a_period_is_reported_once_when_it_is_over() -> None:
    made = summaries()
    made.add(batch_of([1], [4.0], source_time_ns=0, receive_time_ns=23 * S))
    assert made.due(29 * S, NAMES) == []
    (found,) = made.due(30 * S, NAMES)
    assert (found.tag, found.start_ns, found.period_s) == ("a/x", 20 * S, 10.0)
    assert (found.count, found.bad, found.last, found.std) == (1, 0, 4.0, 0.0)
    assert made.due(40 * S, NAMES) == []
    assert made.close(NAMES) == []


def test_a_clock_that_is_set_back_ends_the_period() -> None:
    made = summaries()
    made.add(batch_of([1], [4.0], source_time_ns=0, receive_time_ns=23 * S))
    assert len(made.due(3 * S, NAMES)) == 1


def test_bad_rows_are_counted_and_a_tag_without_good_ones_has_no_numbers() -> None:
    made = summaries()
    made.add(bad_batch([1, 1, 2], 0, time_ns=3 * S))
    made.add(batch_of([2], [5.0], source_time_ns=0, receive_time_ns=4 * S))
    first, second = made.close(NAMES)
    assert (first.count, first.bad, second.count, second.bad) == (0, 2, 1, 1)
    row = row_of_summary(first)
    assert (row.min, row.max, row.mean, row.std, row.last) == (None,) * 5
    assert row_of_summary(second).mean == 5.0


def test_historical_rows_and_keep_alives_begin_no_period() -> None:
    made = summaries()
    made.add(keep_alive("g", 3 * S))
    made.add(
        batch_of([1], [1.0], source_time_ns=0, receive_time_ns=3 * S, historical=True)
    )
    assert made.close(NAMES) == []


def test_a_tag_that_comes_later_is_rolled_up_with_the_others() -> None:
    made = summaries()
    made.add(batch_of([1], [1.0], source_time_ns=0, receive_time_ns=S))
    made.grow(8)
    made.add(batch_of([7], [2.0], source_time_ns=0, receive_time_ns=2 * S))
    found = made.close({**NAMES, 7: TagId("a/z")})
    assert [each.tag for each in found] == ["a/x", "a/z"]


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([1, 2]), st.floats(-1e9, 1e9)), min_size=1,
        max_size=60,
    ),
    cut=st.integers(0, 60),
    offset=st.sampled_from([0.0, 1e9]),
)  # fmt: skip
def test_moments_are_those_of_numpy_however_the_rows_are_cut(
    rows: list[tuple[int, float]], cut: int, offset: float
) -> None:
    made = summaries()
    tag = np.array([each for each, _ in rows], dtype=np.uint32)
    value = np.array([each for _, each in rows]) + offset
    for part in (slice(0, cut), slice(cut, None)):
        made.add(batch_of(tag[part], value[part], source_time_ns=0, receive_time_ns=0))
    found = {each.tag: each for each in made.close(NAMES)}
    for number in set(tag.tolist()):
        own = value[tag == number]
        summary = found[NAMES[number]]
        assert summary.count == len(own)
        assert (summary.min, summary.max) == (own.min(), own.max())
        assert summary.last == own[-1]
        span = max(float(np.abs(own).max()), 1.0)
        assert summary.mean == pytest.approx(own.mean(), abs=1e-9 * span)
        spread = max(float(np.ptp(own)), 1e-6 * span)
        assert summary.std == pytest.approx(own.std(), abs=1e-6 * spread)
