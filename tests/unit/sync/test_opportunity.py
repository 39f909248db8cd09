"""Windows, budgets, the measured link, and when the resolution is lowered."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config import UplinkSettings
from appliance.config.globs import matcher
from appliance.config.windows import WindowError, is_open, opens_at, parse_window
from appliance.sync.coarsen import Plan, Span, merge, period_for
from appliance.sync.drain import Drain
from appliance.sync.link_meter import (
    FLYING_MAX_BYTES,
    STALLED_MAX_S,
    STALLED_MIN_S,
    LinkMeter,
)
from appliance.sync.pace import Pace
from appliance.sync.policy import Policy, is_urgent, is_withheld
from appliance.sync.traffic import Traffic
from appliance.sync.windows import Openings
from appliance.wire.outbox import EventRow, Stream, SummaryRow, encode_row
from appliance.wire.payload import open_payload

S = 1_000_000_000


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def utc_ns(text: str) -> int:
    return round(utc(text).timestamp()) * S


@pytest.mark.parametrize(
    ("words", "moment", "opened"),
    [
        ("02:00-04:00 daily", "2026-11-21T02:00", True),
        ("02:00-04:00", "2026-11-21T03:59", True),
        ("02:00-04:00 daily", "2026-11-21T04:00", False),
        ("22:00-02:00 fri", "2026-11-20T23:00", True),  # a Friday
        ("22:00-02:00 fri", "2026-11-21T01:59", True),
        ("22:00-02:00 fri", "2026-11-21T22:00", False),
        ("22:00-02:00 fri", "2026-11-20T01:00", False),
        ("00:00-24:00 weekends", "2026-11-21T23:59", True),
        ("00:00-24:00 sat, sun", "2026-11-20T12:00", False),
        ("06:00-07:00 weekdays", "2026-11-20T06:30", True),
    ],
)
def test_a_window_is_open_when_its_words_say_so(
    words: str, moment: str, *, opened: bool
) -> None:
    assert is_open([parse_window(words)], utc(moment)) is opened


@pytest.mark.parametrize(
    "words",
    ["", "2-4", "02:00-04:00 often", "25:00-26:00", "02:61-03:00", "02:00-02:00",
     "24:00-02:00"],
)  # fmt: skip
def test_words_that_mean_no_window_are_refused(words: str) -> None:
    with pytest.raises(WindowError):
        parse_window(words)


def test_the_next_opening_is_on_the_clock_of_the_site() -> None:
    windows = [parse_window("02:00-04:00 mon")]
    assert opens_at(windows, utc("2026-11-21T12:00")) == utc("2026-11-23T02:00")
    openings = Openings(["02:00-04:00"], "Europe/Berlin")
    assert openings.is_open(utc_ns("2026-11-21T01:30"))  # 02:30 there
    assert not openings.is_open(utc_ns("2026-11-21T03:30"))
    assert openings.opens_at(utc_ns("2026-11-21T03:30")) == "Sun 02:00"
    late, later = utc_ns("2026-11-21T22:59"), utc_ns("2026-11-21T23:01")
    assert openings.day(later) == openings.day(late) + 1


def test_a_second_bytes_are_bounded_and_a_day_bytes_too() -> None:
    pace = Pace(bytes_per_s=100.0, bytes_per_day=1_000, day=1)
    sent = 0
    for tick in range(1, 51):
        while pace.may_send(tick / 10, 1):
            pace.spend(50, tick / 10, day=1)
            sent += 50
    assert 650 <= sent <= 5 * 100 + 2 * 100 + 50  # the rate, the burst, one payload
    pace.spend(1_000, 6.0, day=1)  # urgent: nobody asked
    assert not pace.may_send(100.0, 1)
    assert pace.exhausted
    assert pace.may_send(200.0, 2)
    assert (pace.day, pace.spent_bytes) == (2, 0)


def test_without_bounds_everything_may_go() -> None:
    pace = Pace(bytes_per_s=None, bytes_per_day=None)
    pace.spend(10**12, 0.0, day=0)
    assert pace.may_send(0.0, 0)
    assert pace.payload_max_bytes is None


def run_link(
    rate: float, rtt_s: float, *, seconds: float, meter: LinkMeter | None = None
) -> LinkMeter:
    """Send payloads as the meter allows over a simulated link."""
    meter = meter or LinkMeter()
    meter.connected(0.0)
    now, free_at, flying = 0.0, 0.0, 0
    queue: list[tuple[float, int, int]] = []
    keys = itertools.count()
    while now < seconds:
        size = min(meter.payload_max_bytes, 100_000)
        while flying + size <= max(meter.flying_max_bytes, size):
            free_at = max(free_at, now) + size / rate
            key = next(keys)
            meter.sent(key, size, now)
            queue.append((free_at + rtt_s, key, size))
            flying += size
        at, key, size = queue.pop(0)
        now, flying = at, flying - size
        meter.answered(key, now)
    return meter


@pytest.mark.parametrize("rate", [3_000.0, 250_000.0])
@pytest.mark.parametrize("rtt_s", [0.02, 0.6])
def test_throughput_is_measured_and_what_is_under_way_follows_it(
    rate: float, rtt_s: float
) -> None:
    meter = run_link(rate, rtt_s, seconds=120.0)
    assert meter.bytes_per_s == pytest.approx(rate, rel=0.5)
    assert meter.flying_max_bytes <= max(2.0 * rate, 8 * 1024)
    assert meter.rtt_s is not None
    assert meter.rtt_s >= rtt_s


def test_a_link_that_becomes_narrow_is_noticed() -> None:
    meter = run_link(1e6, 0.02, seconds=20.0)
    assert meter.bytes_per_s == pytest.approx(1e6, rel=0.5)
    meter.disconnected(20.0)
    run_link(20_000.0, 0.02, seconds=300.0, meter=meter)
    assert meter.bytes_per_s == pytest.approx(20_000.0, rel=0.6)


def test_a_fast_link_is_bounded_and_an_unknown_answer_says_nothing() -> None:
    meter = run_link(1e9, 0.001, seconds=0.5)
    assert meter.flying_max_bytes <= FLYING_MAX_BYTES
    before = meter.bytes_per_s
    meter.answered(10**9, 3.0)
    assert meter.bytes_per_s == before


def test_a_dead_link_is_given_up_by_its_own_pace_and_with_growing_patience() -> None:
    meter = LinkMeter()
    assert meter.stalled_after_s == STALLED_MAX_S
    meter.sent(1, 500, 0.0)
    meter.answered(1, 0.05)
    assert meter.stalled_after_s == STALLED_MIN_S
    found = []
    for _ in range(4):
        meter.stalled()
        found.append(meter.stalled_after_s)
    assert found == [40.0, 80.0, STALLED_MAX_S, STALLED_MAX_S]
    meter.sent(2, 500, 100.0)
    meter.answered(2, 100.05)
    assert meter.stalled_after_s == STALLED_MIN_S


def test_a_slow_link_is_not_taken_for_a_dead_one() -> None:
    meter = LinkMeter()
    meter.sent(1, 500, 0.0)
    meter.answered(1, 4.0)
    assert meter.stalled_after_s == pytest.approx(80.0)


def test_the_time_to_drain_counts_the_time_in_which_the_link_is_down() -> None:
    meter = LinkMeter()
    assert meter.drain_s(1e6, 0.0) is None
    assert meter.drain_s(0, 0.0) == 0.0
    for minute in range(100):
        meter.connected(60.0 * minute)
        meter.sent(1, 10_000, 60.0 * minute)
        meter.answered(1, 60.0 * minute + 1.0)
        if minute == 5:
            assert meter.drain_s(1e6, 60.0 * minute + 2.0) is None
        meter.disconnected(60.0 * minute + 3.0)
    duty = meter.duty(6_000.0)
    assert duty == pytest.approx(0.05, rel=0.05)
    assert meter.drain_s(1e6, 6_000.0) == pytest.approx(1e6 / 10_000 / duty)


@pytest.mark.parametrize(
    ("drain_s", "period_s"),
    [(None, 0.0), (100.0, 0.0), (3_600.0, 0.0), (10_000.0, 900.0), (90_000.0, 3_600.0),
     (1e9, 3_600.0)],
)  # fmt: skip
def test_the_resolution_is_lowered_as_far_as_needed(
    drain_s: float | None, period_s: float
) -> None:
    assert period_for(drain_s, 3_600.0, 60.0) == period_s


def test_what_is_coarse_already_is_left_alone() -> None:
    assert period_for(1e9, 3_600.0, 3_600.0) == 0.0
    assert period_for(1e9, 0.0, 60.0) == 0.0


@given(
    values=st.lists(
        st.lists(st.floats(-1e6, 1e6), min_size=0, max_size=5), min_size=1, max_size=30
    )
)
def test_merged_moments_are_those_of_all_the_values(values: list[list[float]]) -> None:
    rows = [(1 + n, row_of(n, each)) for n, each in enumerate(values)]
    merged = merge(rows, 900.0)
    assert sum(row.bad for _, row in merged) == len(values)
    for seq, row in merged:
        members = [
            v for n, v in enumerate(values) if n * 60 // 900 * 900 * S == row.start_ns
        ]
        every = np.array([each for member in members for each in member])
        assert row.count == len(every)
        assert seq == max(
            1 + n for n in range(len(values)) if n * 60 // 900 * 900 * S == row.start_ns
        )
        if not len(every):
            assert (row.min, row.max, row.mean, row.std, row.last) == (None,) * 5
            continue
        assert (row.min, row.max) == (every.min(), every.max())
        assert row.last == every[-1]
        scale = max(float(np.abs(every).max()), 1.0)
        assert row.mean == pytest.approx(every.mean(), abs=1e-9 * scale)
        assert row.std == pytest.approx(every.std(), abs=1e-6 * scale)


def row_of(period: int, values: list[float]) -> SummaryRow:
    every = np.array(values)
    known = len(values) > 0
    return SummaryRow(
        "P/x", period * 60 * S, 60.0, len(values), 1,
        float(every.min()) if known else None, float(every.max()) if known else None,
        float(every.mean()) if known else None, float(every.std()) if known else None,
        values[-1] if known else None,
    )  # fmt: skip


def test_summaries_of_two_clocks_are_not_merged_into_one() -> None:
    here = row_of(0, [1.0])
    there = msgspec.structs.replace(here, start_ns=60 * S + 1)
    merged = merge([(1, here), (2, there)], 900.0)
    assert [row.start_ns for _, row in merged] == [0, 1]


def test_what_was_planned_is_sent_again_the_same() -> None:
    plan = Plan("e")
    assert list(plan.extend(1, 10, 0.0)) == [Span(1, 10, 0.0)]
    assert list(plan.extend(11, 30, 900.0)) == [Span(11, 30, 900.0)]
    assert list(plan.extend(31, 40, 0.0)) == [Span(31, 40, 0.0)]
    again = Plan("e", plan.spans)
    assert list(again.extend(5, 40, 3_600.0)) == [
        Span(5, 10, 0.0), Span(11, 30, 900.0), Span(31, 40, 0.0),
    ]  # fmt: skip
    assert again.room_for(10) == 20
    assert list(again.extend(1, 20, 0.0)) == [Span(1, 10, 0.0)]  # not half of a span
    again.settle(30)
    assert again.spans == [Span(31, 40, 0.0)]
    again.begin("another")
    assert again.spans == []


def drain(**told: object) -> Drain:
    fields: dict[str, object] = {
        "fleet": True, "window": 4, "payload_max_bytes": 100_000,
        "spread": lambda: 0.0, **told,
    }  # fmt: skip
    return Drain(**fields)  # type: ignore[arg-type] # by table


def alarm(kind: str = "alarm", tag: str | None = "P/x") -> bytes:
    return encode_row(EventRow(kind, "a", 7, "secret", "P", tag, "", "", {"v": 1}))


def fill(one: Drain, stream: Stream, rows: list[bytes]) -> None:
    while (reading := one.next_read()) is not None:
        wanted = list(enumerate(rows, start=1)) if reading.stream is stream else []
        one.load(reading, "e", [row for row in wanted if row[0] > reading.after])


def test_rows_wait_for_company_and_alarms_do_not() -> None:
    one = drain(hold_s=60.0)
    fill(one, Stream.SUMMARY, [])
    asked: dict[Stream, list[float]] = {stream: [] for stream in Stream}
    for now in range(0, 200, 10):
        one.wake(float(now))
        while (reading := one.next_read()) is not None:
            asked[reading.stream].append(now)
            one.load(reading, "e", [])
    assert asked[Stream.SUMMARY] == asked[Stream.HEALTH] == [0, 60, 120, 180]
    assert len(asked[Stream.EVENT]) == 20
    one.wake()
    assert {one.next_read() is not None} == {True}


def test_out_of_its_time_only_what_is_urgent_goes() -> None:
    one = drain()
    fill(one, Stream.SUMMARY, [encode_row(row_of(n, [1.0])) for n in range(3)])
    assert [one.urgent] == [False]  # mypy would take a bare assert for the last word
    assert one.next_parcel(0.0, urgent_only=True) is None
    one.wake()
    fill(one, Stream.EVENT, [alarm("system"), alarm("trip")])
    assert one.urgent
    parcel = one.next_parcel(0.0, urgent_only=True)
    assert parcel is not None
    assert parcel.stream is Stream.EVENT


def test_a_backlog_keeps_within_the_measured_link_and_an_event_passes_it() -> None:
    one = drain(payload_max_bytes=2_000)
    one.measured(flying_max_bytes=2_500, payload_max_bytes=1_000)
    rows = [encode_row(row_of(n, [math.sin(n), n / 7])) for n in range(400)]
    fill(one, Stream.SUMMARY, rows)
    sent = []
    while (parcel := one.next_parcel(0.0)) is not None:
        one.sent(parcel, 0.0)
        sent.append(parcel)
    assert sum(parcel.size_bytes for parcel in sent) <= 2_500
    assert max(parcel.size_bytes for parcel in sent) <= 1_000
    one.wake()
    fill(one, Stream.EVENT, [alarm()])
    parcel = one.next_parcel(0.0)
    assert parcel is not None
    assert parcel.stream is Stream.EVENT


def test_patience_with_the_fleet_passes_only_while_there_is_a_link() -> None:
    one = drain()
    fill(one, Stream.EVENT, [alarm()])
    parcel = one.next_parcel(0.0)
    assert parcel is not None
    one.sent(parcel, 0.0)
    one.accepted(parcel, 1.0)
    one.disconnected(3.0)
    one.connected(1_000.0)
    one.check_patience(1_001.0)
    assert one.counters["rewinds"] == 0
    one.check_patience(1_020.0)
    assert one.counters["rewinds"] == 1


def test_merged_summaries_are_planned_before_they_are_sent() -> None:
    kept: list[list[Span]] = []
    plan = Plan()
    one = drain(plan=plan, planned=lambda: kept.append(list(plan.spans)))
    one.coarsen(900.0)
    rows = [encode_row(row_of(n, [float(n)])) for n in range(60)]
    fill(one, Stream.SUMMARY, rows)
    assert kept[-1] == [Span(1, 60, 900.0)]
    parcel = one.next_parcel(0.0)
    assert parcel is not None
    carried = open_payload(parcel.payload)
    assert (carried.first_seq, carried.last_seq, len(carried.rows)) == (1, 60, 4)
    one.coarsen(0.0)
    again = drain(plan=Plan("e", kept[-1]))
    fill(again, Stream.SUMMARY, rows)
    same = again.next_parcel(0.0)
    assert same is not None
    assert open_payload(same.payload) == carried
    assert one.counters["rows_merged"] == 60


@pytest.mark.parametrize(
    ("sends", "tags", "tag", "leaves"),
    [
        (("event",), ("*",), "P/x", True),
        (("event",), ("P/*",), "P/x", True),
        (("event",), ("Q/*",), "P/x", False),
        (("event",), ("Q/*",), None, True),
        ((), ("*",), "P/x", False),
    ],
)
def test_an_event_that_may_not_leave_goes_empty(
    sends: tuple[str, ...], tags: tuple[str, ...], tag: str | None, *, leaves: bool
) -> None:
    one = drain(policy=Policy(sends, tags))
    fill(one, Stream.EVENT, [alarm(tag=tag)])
    parcel = one.next_parcel(0.0)
    assert parcel is not None
    assert (b"secret" in parcel.payload) is False or leaves
    (row,) = open_payload(parcel.payload).rows
    assert is_withheld(row) is not leaves
    assert is_urgent(row) is leaves
    assert isinstance(row, EventRow)
    assert row.time_ns == 7
    assert (row.message == "secret") is leaves


def test_patterns_take_brackets_as_they_are() -> None:
    matches = matcher(["[P-101]/*", "Q-?/flow"])
    assert matches("[P-101]/DE/x")
    assert not matches("P/x")
    assert matches("Q-1/flow")
    assert not matches("Q-11/flow")
    assert not matcher([])("P/x")


def settings(**told: object) -> UplinkSettings:
    return UplinkSettings.model_validate({"host": "broker.example", **told})


def test_traffic_says_why_it_waits() -> None:
    night = utc_ns("2026-11-21T12:00")
    closed = Traffic(settings(windows=["02:00-04:00"]))
    assert not closed.may_send(0.0, night)
    assert closed.waits_for(0.0, night) == "the window opens Sun 02:00"
    bounded = Traffic(settings(bytes_per_s=1_000, bytes_per_day=10_000))
    assert bounded.waits_for(0.0, night) == ""
    assert bounded.payload_max_bytes == 2_000
    bounded.wrote(5_000, 0.0, utc_ns=night)
    assert bounded.waits_for(0.1, night) == "the bytes of this second are spent"
    bounded.wrote(6_000, 1.0, utc_ns=night)
    assert bounded.waits_for(100.0, night) == "the day's bytes are spent"
    assert bounded.spent[1] == 11_000
    status = bounded.status(100.0, night)
    assert status["minutes"] == [[night // (60 * S), 11_000]]
    assert status["day_bytes"] == 11_000
