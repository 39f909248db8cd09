from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.domain.batch import Waveform, bad_batch, batch_of, keep_alive
from appliance.domain.sample import Quality
from appliance.domain.tag import Tag, TagId
from appliance.inference.window import Windows
from models.features import AssetModel, Mode, Running, Window

if TYPE_CHECKING:
    from appliance.domain.batch import Batch

S = 1_000_000_000
T0 = 1_800_000_000 * S
A, B = TagId("P-1/a"), TagId("P-1/b")
RUNNING, BURST = TagId("P-1/running"), TagId("P-1/burst")
NUMBERS = {A: 3, B: 5, RUNNING: 9, BURST: 11, TagId("X/a"): 4}
MODEL = AssetModel("P-1", (Tag(A), Tag(B)), window_s=10.0, hop_s=1.0, hold_s=5.0)


def at(seconds: float) -> int:
    return T0 + round(seconds * S)


def rows(seconds: float, group: str = "poll", **tags: float) -> Batch:
    """One good row per tag, measured and received at the same time."""
    numbers = [NUMBERS[TagId(f"P-1/{name}")] for name in tags]
    return batch_of(
        numbers,
        list(tags.values()),
        source_time_ns=at(seconds),
        receive_time_ns=at(seconds),
        group=group,
    )


def window_after(*batches: Batch, model: AssetModel = MODEL, end: float = 10) -> Window:
    windows = Windows(model, NUMBERS)
    windows.push(keep_alive("another group", at(end) - round(model.window_s * S)))
    for batch in batches:
        windows.push(batch)
    window = windows.due(at(end))
    assert window is not None
    return window


def pieces(window: Window, tag: TagId = A) -> list[tuple[float, float, float]]:
    own = window.slot == window.tags.index(tag)
    columns = (window.start_s[own], window.end_s[own], window.value[own])
    return [
        (float(round(a, 6)), float(round(b, 6)), float(v))
        for a, b, v in zip(*columns, strict=True)
    ]


def test_a_value_holds_until_the_next_one() -> None:
    window = window_after(rows(0, a=1.0), rows(4, a=2.0), rows(8, a=3.0))
    assert pieces(window) == [(0, 4, 1), (4, 8, 2), (8, 10, 3)]
    assert window.coverage() == pytest.approx([1.0, 0.0])


def test_a_steady_value_that_is_confirmed_is_no_gap() -> None:
    alive = [keep_alive("poll", at(second)) for second in (3, 6, 9)]
    window = window_after(rows(0, a=1.0, b=2.0), *alive)
    assert pieces(window, A) == [(0, 10, 1)]
    assert pieces(window, B) == [(0, 10, 2)]


def test_a_row_of_one_tag_confirms_its_whole_group() -> None:
    window = window_after(rows(0, a=1.0, b=2.0), rows(4, a=1.5), rows(8, a=1.6))
    assert pieces(window, B) == [(0, 10, 2)]


def test_without_a_group_a_row_confirms_its_own_tag_alone() -> None:
    window = window_after(rows(0, group="", a=1.0, b=2.0), rows(4, group="", a=1.5))
    assert pieces(window, A) == [(0, 4, 1), (4, 9, 1.5)]
    assert pieces(window, B) == [(0, 5, 2)]


def test_what_nobody_confirms_is_a_gap_after_the_hold() -> None:
    assert pieces(window_after(rows(0, a=1.0))) == [(0, 5, 1)]


def test_a_value_is_back_from_its_next_confirmation_on() -> None:
    window = window_after(rows(0, a=1.0), keep_alive("poll", at(8)))
    assert pieces(window) == [(0, 5, 1), (8, 10, 1)]


def test_a_lost_source_ends_all_its_values_at_once() -> None:
    lost = bad_batch([NUMBERS[A], NUMBERS[B]], 0x8031_0000, time_ns=at(3), group="poll")
    window = window_after(rows(0, a=1.0, b=2.0), lost, keep_alive("poll", at(6)))
    assert pieces(window, A) == [(0, 3, 1)]
    assert pieces(window, B) == [(0, 3, 2)]


def test_after_a_loss_an_old_value_counts_from_its_receipt() -> None:
    lost = bad_batch([NUMBERS[A]], 0x8031_0000, time_ns=at(3), group="poll")
    again = replace(rows(6, a=7.0), source_time_ns=np.array([at(1)]))
    assert pieces(window_after(rows(0, a=1.0), lost, again)) == [(0, 3, 1), (6, 10, 7)]


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.UNCERTAIN])
def test_a_row_that_is_not_good_is_not_a_value(quality: Quality) -> None:
    doubtful = replace(rows(4, a=99.0), quality=np.array([quality], dtype=np.uint8))
    window = window_after(rows(0, a=1.0), doubtful, rows(7, a=2.0))
    assert pieces(window) == [(0, 4, 1), (7, 10, 2)]


def test_a_good_row_that_is_not_a_number_is_not_a_value() -> None:
    window = window_after(rows(0, a=1.0), rows(4, a=float("inf")), rows(7, a=2.0))
    assert pieces(window) == [(0, 4, 1), (7, 10, 2)]


def test_a_value_counts_from_its_source_time() -> None:
    late = replace(rows(6, a=2.0), source_time_ns=np.array([at(5.5)]))
    assert pieces(window_after(rows(2, a=1.0), late)) == [(2, 5.5, 1), (5.5, 10, 2)]


@pytest.mark.parametrize("measured", [9.0, -100.0], ids=["future", "long ago"])
def test_an_unbelievable_source_time_counts_from_receipt(measured: float) -> None:
    odd = replace(rows(6, a=2.0), source_time_ns=np.array([at(measured)]))
    assert pieces(window_after(rows(2, a=1.0), odd)) == [(2, 6, 1), (6, 10, 2)]


def test_several_rows_of_a_tag_in_one_batch_stand_in_their_order() -> None:
    batch = batch_of(
        [NUMBERS[A]] * 3,
        [2.0, 4.0, 3.0],
        source_time_ns=[at(4), at(6), at(5)],
        receive_time_ns=at(6),
        group="poll",
    )
    window = window_after(rows(3, a=1.0), batch)
    assert pieces(window) == [(3, 4, 1), (4, 5, 2), (5, 6, 3), (6, 10, 4)]


def test_rows_of_other_assets_and_historical_rows_are_passed_over() -> None:
    stranger = batch_of(
        [4, 4_000_000], [1.0, 2.0], source_time_ns=at(5), receive_time_ns=at(5)
    )
    old = replace(rows(6, a=9.0), historical=True)
    assert pieces(window_after(rows(4, a=1.0), stranger, old)) == [(4, 9, 1)]


def test_a_value_from_before_the_window_is_carried_into_it() -> None:
    windows = Windows(MODEL, NUMBERS)
    for second in range(14):
        windows.push(rows(second, a=float(second // 12), b=7.0))
        windows.due(at(second))
    windows.push(keep_alive("poll", at(17)))
    window = windows.due(at(21))
    assert window is not None
    assert window.start_ns == at(11)
    assert pieces(window, A) == [(0, 1, 0), (1, 2, 1), (2, 10, 1)]


def test_the_first_window_is_due_a_whole_window_after_the_first_batch() -> None:
    windows = Windows(MODEL, NUMBERS)
    assert windows.due(at(100)) is None
    windows.push(rows(0.5, a=1.0))
    assert windows.due(at(10.4)) is None
    window = windows.due(at(11.2))
    assert window is not None
    assert (window.start_ns, window.end_ns) == (at(1), at(11))
    assert window.duration_s == 10.0


def test_a_window_is_due_once_and_overtaken_ones_are_counted() -> None:
    windows = Windows(MODEL, NUMBERS)
    windows.push(rows(0, a=1.0))
    assert windows.due(at(10)) is not None
    assert windows.due(at(10.9)) is None
    assert windows.due(at(11)) is not None
    assert windows.skipped == 0
    later = windows.due(at(15.3))
    assert later is not None
    assert later.end_ns == at(15)
    assert windows.skipped == 3


def test_a_clock_that_was_set_back_begins_again() -> None:
    windows = Windows(MODEL, NUMBERS)
    windows.push(rows(3600, a=1.0))
    assert windows.due(at(3610)) is not None
    assert windows.due(at(0)) is None
    windows.push(rows(1, a=2.0))
    window = windows.due(at(11))
    assert window is not None
    assert pieces(window) == [(0, 5, 2)]


def test_a_small_step_back_only_waits() -> None:
    windows = Windows(MODEL, NUMBERS)
    windows.push(rows(0, a=1.0))
    assert windows.due(at(12)) is not None
    assert windows.due(at(11)) is None
    assert windows.due(at(13)) is not None


def burst(seconds: float, *, value: float, quality: Quality = Quality.GOOD) -> Batch:
    points = np.full(8, value, dtype=np.float32)
    waveform = Waveform(NUMBERS[BURST], at(seconds), 100.0, points, quality)
    return replace(keep_alive("bursts", at(seconds)), waveforms=(waveform,))


def test_a_window_has_the_newest_good_burst_received_in_it() -> None:
    model = replace(MODEL, waveform_tag=BURST)
    window = window_after(
        burst(2, value=1.0), burst(6, value=2.0),
        burst(8, value=3.0, quality=Quality.BAD), model=model,
    )  # fmt: skip
    assert window.waveforms[BURST].points[0] == 2.0


def test_a_burst_from_before_the_window_is_not_in_it() -> None:
    model = replace(MODEL, waveform_tag=BURST)
    window = window_after(burst(0, value=1.0), model=model, end=11)
    assert window.waveforms == {}


def modes(settle_s: float, *states: float) -> list[Mode]:
    """Modes of windows of 3 s, one each second; NaN is a bad row."""
    model = replace(MODEL, window_s=3.0, running=Running(RUNNING, 0.5, settle_s))
    windows = Windows(model, NUMBERS)
    found = []
    for second, state in enumerate(states):
        windows.push(rows(second, running=state))
        window = windows.due(at(second))
        if window is not None:
            found.append(window.mode)
    return found


def test_without_a_rule_every_window_is_running() -> None:
    assert window_after().mode is Mode.RUNNING


def test_a_window_runs_when_all_of_it_lies_behind_the_settling() -> None:
    states = [0.0] * 4 + [1.0] * 8
    # the start at 4 s settles at 6 s: the window from 6 s to 9 s is the first
    assert modes(2.0, *states) == (
        [Mode.STOPPED] * 2 + [Mode.STARTING] * 4 + [Mode.RUNNING] * 3
    )


def test_a_stop_is_seen_in_the_next_window() -> None:
    assert modes(0.0, *([1.0] * 5 + [0.0] * 3)) == (
        [Mode.RUNNING] * 3 + [Mode.STOPPED] * 2
    )


def test_how_long_it_ran_before_we_looked_is_not_assumed() -> None:
    assert modes(2.0, *[1.0] * 8) == [Mode.STARTING] * 2 + [Mode.RUNNING] * 3


def running_s(*states: float) -> list[float]:
    """How long it has run, by windows of 3 s, one each second; NaN is a bad row."""
    model = replace(MODEL, window_s=3.0, running=Running(RUNNING, 0.5, 1.0))
    windows = Windows(model, NUMBERS)
    found = []
    for second, state in enumerate(states):
        windows.push(rows(second, running=state))
        window = windows.due(at(second))
        if window is not None:
            found.append(window.running_s)
    return found


def test_how_long_it_runs_is_known_when_its_start_was_seen() -> None:
    seen = running_s(0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    np.testing.assert_array_equal(seen, [np.nan, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def test_a_start_behind_a_gap_or_before_the_first_row_was_not_seen() -> None:
    assert np.isnan(running_s(*[1.0] * 8)).all()
    hidden = running_s(0.0, 0.0, 0.0, *[np.nan] * 3, *[1.0] * 6)
    assert np.isnan(hidden).all()


def test_not_knowing_whether_it_runs_is_a_mode_of_its_own() -> None:
    states = [1.0] * 4 + [float("nan")] * 2 + [1.0] * 6
    assert modes(0.0, *states) == [
        *(Mode.RUNNING, Mode.RUNNING, Mode.UNKNOWN, Mode.UNKNOWN),
        *(Mode.STARTING, Mode.STARTING, Mode.RUNNING, Mode.RUNNING, Mode.RUNNING),
    ]


def test_the_memory_is_bounded_and_what_it_gives_up_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("appliance.inference.rows.MAX_ROWS", 100)
    windows = Windows(MODEL, NUMBERS)
    for tenth in range(1000):
        windows.push(rows(tenth / 100, a=float(tenth)))
    window = windows.due(at(10))
    assert windows.rows_dropped >= 900
    assert window is not None
    assert pieces(window)[-1][2] == 999.0


times = st.floats(0, 20).map(lambda second: round(second, 3))
events = st.lists(
    st.tuples(
        times,
        st.sampled_from(["a", "b", "both", "bad", "alive"]),
        st.floats(-1e6, 1e6),
        st.floats(-3, 8),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(events)
def test_whatever_arrives_a_window_is_a_step_function(
    arrivals: list[tuple[float, str, float, float]],
) -> None:
    windows = Windows(MODEL, NUMBERS)
    windows.push(keep_alive("another group", at(-10)))
    due = []
    ends = itertools.count(0)
    next_end = next(ends)
    for seconds, kind, value, delay in sorted(arrivals, key=lambda each: each[0]):
        while next_end <= seconds:
            due.append(windows.due(at(next_end)))
            next_end = next(ends)
        match kind:
            case "alive":
                windows.push(keep_alive("poll", at(seconds)))
            case "bad":
                windows.push(bad_batch([3, 5], 1 << 31, time_ns=at(seconds)))
            case _:
                tags = {"a": value} if kind == "a" else {"b": value}
                tags = {"a": value, "b": value} if kind == "both" else tags
                batch = rows(seconds, "poll", **tags)
                moved = batch.source_time_ns - round(delay * S)
                windows.push(replace(batch, source_time_ns=moved))
    due.append(windows.due(at(21)))
    for window in filter(None, due):
        same = window.slot[1:] == window.slot[:-1]
        assert (np.diff(window.slot) >= 0).all()
        assert (window.end_s > window.start_s).all()
        assert (window.end_s[:-1][same] <= window.start_s[1:][same]).all()
        assert (window.start_s >= 0).all()
        assert (window.end_s <= 10).all()
        assert np.isfinite(window.value).all()
        assert (window.coverage() <= 1.0).all()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=20), st.integers(0, 100))
def test_windows_do_not_depend_on_how_rows_were_packed(
    sizes: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    seconds = np.arange(0, 10, 0.1)
    values = rng.normal(size=len(seconds))
    single, packed = Windows(MODEL, NUMBERS), Windows(MODEL, NUMBERS)
    for windows in (single, packed):
        windows.push(rows(-0.5, a=0.0))
    for second, value in zip(seconds, values, strict=True):
        single.push(rows(second, a=value))
    first = 0
    for size in itertools.cycle(sizes):
        part = slice(first, first + size)
        if not len(seconds[part]):
            break
        times_ns = [at(second) for second in seconds[part]]
        packed.push(
            batch_of(
                [NUMBERS[A]] * len(times_ns),
                values[part],
                source_time_ns=times_ns,
                receive_time_ns=times_ns[-1],
                group="poll",
            )
        )
        first += size
    one, other = single.due(at(10)), packed.due(at(10))
    assert one is not None
    assert other is not None
    assert pieces(one) == pieces(other)


def test_more_rows_than_the_first_room_are_kept() -> None:
    windows = Windows(MODEL, NUMBERS)
    for hundredth in range(-1, 3000):
        windows.push(rows(hundredth / 300, a=float(hundredth % 7)))
    window = windows.due(at(10))
    assert window is not None
    assert windows.rows_dropped == 0
    assert len(pieces(window)) == 3000
    assert window.coverage()[0] == pytest.approx(1.0)
