"""Holes are found, and filled from history exactly."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from asyncua import ua
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.domain.batch import Batch, Waveform, batch_of
from appliance.domain.event import Gap
from appliance.domain.ports import SourceUnavailableError
from appliance.domain.sample import Quality
from appliance.runtime.tasks import alongside
from connectors.opcua.backfill import Backfill
from connectors.opcua.config import OpcuaSettings
from connectors.opcua.continuity import Continuity, Hole, shortened, together
from connectors.opcua.inbox import Inbox
from tests.unit.connectors.fakes import START_NS, SetClock
from tests.unit.connectors.history_fakes import (
    FakeConnection,
    FakeSession,
    Truth,
    place_of,
    places_for,
    rows_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from connectors.opcua.connection import Connection
    from connectors.opcua.filling import Place

TENTH_NS = 100_000_000
ENOUGH_TURNS = 5_000


def settings_with(**more: object) -> OpcuaSettings:
    return OpcuaSettings.model_validate(
        {
            "name": "rig",
            "connector": "opcua",
            "url": "opc.tcp://127.0.0.1:4840/",
            "security": {"policy": "none", "allow_insecure": True},
            **more,
        }
    )


def ten_hertz(rows: int, tags: int = 1) -> Truth:
    return {
        number: [
            (START_NS + row * TENTH_NS + number * 1000, float(row))
            for row in range(rows)
        ]
        for number in range(tags)
    }


def live(truth: Truth, first: int, last: int) -> Batch:
    rows = [
        (number, *shown[row])
        for number, shown in truth.items()
        for row in range(first, last)
    ]
    return batch_of(
        [number for number, _, _ in rows],
        [value for _, _, value in rows],
        source_time_ns=[time for _, time, _ in rows],
        receive_time_ns=START_NS,
    )


class Bench:
    """A backfill at work on a fake server, and what came out of it."""

    def __init__(self, truth: Truth, **more: object) -> None:
        self.truth = truth
        self.session = FakeSession(truth)
        self.clock = SetClock()
        self.backfill = Backfill(settings_with(**more), self.clock)
        self.places: Mapping[int, Place] = places_for(truth)
        self.batches: list[Batch] = []
        self.gaps: list[Gap] = []
        self.lost = False

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        inbox = Inbox("rig", 100)
        connection = cast("Connection", FakeConnection(self.session))

        async def fill() -> None:
            try:
                await self.backfill.run(
                    connection, self.places, inbox, judge=lambda batch: batch
                )
            except SourceUnavailableError as error:
                inbox.fail(error)

        async def read() -> None:
            try:
                async for each in inbox:
                    if isinstance(each, Gap):
                        self.gaps.append(each)
                    else:
                        self.batches.append(each)
            except SourceUnavailableError:
                self.lost = True

        async with alongside(fill(), name="fill"), alongside(read(), name="read"):
            yield

    async def settle(self, *, again: bool = True) -> None:
        """Let it work until nothing happens any more, connected anew when lost."""
        for _ in range(100):
            self.lost = False
            async with self.connected():
                for _ in range(ENOUGH_TURNS):
                    await asyncio.sleep(0)
                    if self.lost or not self.backfill.open_holes:
                        break
                for _ in range(50):
                    await asyncio.sleep(0)
            if not (again and (self.lost or self.backfill.open_holes)):
                return

    @property
    def arrived(self) -> list[tuple[int, int]]:
        return [
            (int(number), int(time))
            for batch in self.batches
            for number, time in zip(batch.tag, batch.source_time_ns, strict=True)
        ]


def refusal(status: int) -> Exception:
    error: Any = ua.UaStatusCodeError  # asyncua leaves its constructor untyped
    made: Exception = error(status)
    return made


def hole(number: int, first: int, last: int, **more: Any) -> Hole:  # noqa: ANN401 - fields of Hole
    begin, end = (START_NS + row * TENTH_NS + number * 1000 for row in (first, last))
    return Hole(number, begin, end, **more)


# --- what is missing --------------------------------------------------------------


def test_an_unbroken_stream_has_no_holes() -> None:
    truth = ten_hertz(10)
    continuity = Continuity([0])
    assert continuity.see(live(truth, 0, 5)) == ()
    assert continuity.see(live(truth, 7, 10)) == ()


def test_after_a_loss_the_hole_lies_between_the_last_and_the_first_value() -> None:
    truth = ten_hertz(20, tags=2)
    continuity = Continuity([0, 1])
    continuity.see(live(truth, 0, 5))
    continuity.expect(certain=True)
    assert continuity.see(live(truth, 12, 14)) == (hole(0, 4, 12), hole(1, 4, 12))
    assert continuity.see(live(truth, 15, 17)) == ()


def test_a_value_that_is_sent_again_makes_no_hole() -> None:
    truth = ten_hertz(5)
    continuity = Continuity([0])
    continuity.see(live(truth, 0, 5))
    continuity.expect(certain=True)
    assert continuity.see(live(truth, 4, 5)) == ()


def test_a_tag_never_seen_before_has_no_hole() -> None:
    continuity = Continuity([0])
    continuity.expect(certain=True)
    assert continuity.see(live(ten_hertz(5), 4, 5)) == ()


def test_what_is_stored_counts_as_received_after_a_restart() -> None:
    truth = ten_hertz(9)
    continuity = Continuity([0])
    continuity.resume_from({0: START_NS, 77: START_NS})
    continuity.expect(certain=True)
    assert continuity.see(live(truth, 8, 9)) == (hole(0, 0, 8),)
    assert continuity.newest_ns(0) == START_NS + 8 * TENTH_NS
    assert continuity.newest_ns(77) == 0


def test_a_session_taken_up_makes_only_suspicions() -> None:
    truth = ten_hertz(9)
    continuity = Continuity([0])
    continuity.see(live(truth, 0, 1))
    continuity.expect(certain=False)
    (found,) = continuity.see(live(truth, 5, 6))
    assert not found.certain


def test_waveforms_have_holes_too() -> None:
    def burst(at: int) -> Batch:
        points = batch_of([], [], source_time_ns=0, receive_time_ns=0)
        wave = Waveform(3, START_NS + at, 100.0, points.value.astype("float32"))
        return batch_of([], [], source_time_ns=0, receive_time_ns=0, waveforms=(wave,))

    continuity = Continuity([3])
    continuity.see(burst(0))
    continuity.expect(certain=True)
    assert continuity.see(burst(5_000)) == (Hole(3, START_NS, START_NS + 5_000),)


def test_only_the_newest_part_of_a_long_hole_is_kept() -> None:
    whole = hole(0, 0, 100)
    kept, given_up = shortened(whole, 10 * TENTH_NS)
    assert kept == hole(0, 90, 100)
    assert given_up == hole(0, 0, 90)
    assert shortened(whole, 100 * TENTH_NS) == (whole, None)


def test_holes_that_begin_together_are_read_together() -> None:
    near = [hole(number, 0, 9) for number in range(3)]
    far = hole(4, 50, 60)
    twice = hole(0, 1, 2)
    portions = list(together([far, *near, twice], most=3, within_ns=10 * TENTH_NS))
    assert portions == [tuple(near), (twice,), (far,)]


# --- what becomes of it -----------------------------------------------------------


async def test_a_hole_is_filled_exactly_and_marked_historical() -> None:
    bench = Bench(ten_hertz(100))
    bench.backfill.add([hole(0, 10, 90)])
    await bench.settle()
    assert bench.arrived == [(0, START_NS + row * TENTH_NS) for row in range(11, 90)]
    assert all(batch.historical and not batch.confirms for batch in bench.batches)
    assert bench.batches[0].server_time_ns is not None
    assert bench.gaps == []
    assert bench.backfill.filled == 79


@pytest.mark.parametrize("gives_points", [True, False])
async def test_pages_join_without_seam_with_or_without_continuation_points(
    gives_points: bool,
) -> None:
    bench = Bench(ten_hertz(500, tags=3), backfill_page_rows=10)
    bench.session.gives_points = gives_points
    bench.backfill.add(hole(number, 3, 480) for number in range(3))
    await bench.settle()
    assert len(bench.arrived) == len(set(bench.arrived)) == 3 * 476
    assert bench.gaps == []


async def test_status_and_value_come_as_history_has_them() -> None:
    truth = ten_hertz(4)
    truth[0][2] = (truth[0][2][0], float("nan"))
    bench = Bench(truth)
    bench.backfill.add([hole(0, 0, 3)])
    await bench.settle()
    (batch,) = bench.batches
    assert batch.value[0] == 1.0
    assert batch.quality.tolist() == [Quality.GOOD, Quality.BAD]


async def test_live_values_come_before_history() -> None:
    inbox = Inbox("rig", 10)
    old, new = live(ten_hertz(2), 0, 1), live(ten_hertz(2), 1, 2)
    await inbox.offer(old)
    inbox.put(new)
    assert await anext(inbox) is new
    assert await anext(inbox) is old


async def test_history_waits_for_room_and_is_never_dropped() -> None:
    inbox = Inbox("rig", 1)
    batch = live(ten_hertz(1), 0, 1)
    for _ in range(4):
        await inbox.offer(batch)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await inbox.offer(batch)
    assert await anext(inbox) is batch
    await inbox.offer(batch)
    assert inbox.lost == 0


async def test_filling_is_no_faster_than_is_allowed() -> None:
    bench = Bench(ten_hertz(1001), backfill_rows_per_s=100, backfill_page_rows=50)
    bench.backfill.add([hole(0, 0, 1000)])
    await bench.settle()
    assert len(bench.arrived) == 999
    assert bench.clock.elapsed_s == pytest.approx(9.99, rel=0.01)


async def test_a_historian_that_writes_late_is_asked_again() -> None:
    truth = ten_hertz(50)
    late = truth[0][40:]
    del truth[0][40:]
    bench = Bench(truth)

    def catch_up(_: object) -> None:
        if len(bench.session.asked) == 2:
            truth[0].extend(late)

    bench.session.before_answer = catch_up
    bench.backfill.add([hole(0, 0, 49)])
    await bench.settle()
    assert len(bench.arrived) == len(set(bench.arrived)) == 48
    assert bench.gaps == []


async def test_a_historian_that_samples_by_itself_is_believed_in_the_end() -> None:
    truth = ten_hertz(50)
    bench = Bench(truth)
    bench.backfill.add([Hole(0, START_NS + 5, START_NS + 49 * TENTH_NS + 50_000)])
    await bench.settle()
    assert len(bench.arrived) == 49
    assert bench.gaps == []


# --- what cannot be filled is declared ----------------------------------------------


async def only_gap(bench: Bench) -> Gap:
    await bench.settle()
    (gap,) = bench.gaps
    assert gap.what == "acquisition"
    assert gap.count == -1
    return gap


async def test_a_server_without_history_gets_one_gap_for_all_tags() -> None:
    bench = Bench(ten_hertz(10, tags=5))
    bench.session.levels = dict.fromkeys(range(5), 1)
    bench.backfill.add(hole(number, 2, 8) for number in range(5))
    gap = await only_gap(bench)
    assert "keeps no history" in gap.reason
    assert "rig/0, rig/1, rig/2 and 2 more" in gap.reason
    assert gap.from_ns == hole(0, 2, 8).from_ns
    assert gap.to_ns == hole(4, 2, 8).to_ns
    assert bench.arrived == []


@pytest.mark.parametrize(
    ("more", "word"),
    [({"backfill": False}, "backfill is off"), ({}, "longer ago")],
)
async def test_what_the_settings_forbid_is_declared(
    more: dict[str, object], word: str
) -> None:
    bench = Bench(ten_hertz(10), **({"backfill_longest_s": 0.3} | more))
    bench.backfill.add([hole(0, 0, 3 if more else 9)])
    assert word in (await only_gap(bench)).reason
    assert len(bench.arrived) == (0 if more else 2)


async def test_a_waveform_is_declared_and_not_read() -> None:
    bench = Bench(ten_hertz(10))
    bench.places = {0: place_of(0, rate_hz=100.0)}
    bench.backfill.add([hole(0, 0, 9)])
    assert "waveforms" in (await only_gap(bench)).reason
    assert bench.session.asked == []


async def test_a_tag_that_is_not_monitored_any_more_is_declared() -> None:
    bench = Bench(ten_hertz(10))
    bench.places = {}
    bench.backfill.add([hole(0, 0, 9)])
    assert "does not monitor" in (await only_gap(bench)).reason


async def test_history_that_begins_inside_the_hole_leaves_a_gap_before_it() -> None:
    truth = ten_hertz(100)
    del truth[0][:40]
    bench = Bench(truth)
    bench.backfill.add([hole(0, 10, 90)])
    gap = await only_gap(bench)
    assert "reach that far" in gap.reason
    assert (gap.from_ns, gap.to_ns) == (hole(0, 10, 40).from_ns, hole(0, 10, 40).to_ns)
    assert len(bench.arrived) == 50


async def test_history_without_a_value_at_the_edge_but_before_it_is_whole() -> None:
    bench = Bench(ten_hertz(100))
    bench.backfill.add(
        [Hole(0, START_NS + 10 * TENTH_NS + 7_000, hole(0, 0, 90).to_ns)]
    )
    await bench.settle()
    assert bench.gaps == []
    assert len(bench.arrived) == 79


async def test_one_node_refused_hurts_no_other_and_is_named_with_its_status() -> None:
    bench = Bench(ten_hertz(10, tags=3))
    bench.session.statuses[1] = ua.StatusCodes.BadHistoryOperationUnsupported
    bench.backfill.add(hole(number, 2, 8) for number in range(3))
    gap = await only_gap(bench)
    assert "BadHistoryOperationUnsupported (rig/1)" in gap.reason
    assert {number for number, _ in bench.arrived} == {0, 2}


async def test_a_server_that_refuses_the_service_is_asked_for_each_tag_alone() -> None:
    bench = Bench(ten_hertz(10, tags=2))

    def refuse(request: ua.HistoryReadRequest) -> None:
        if len(request.Parameters.NodesToRead) > 1:
            raise refusal(ua.StatusCodes.BadTooManyOperations)

    bench.session.before_answer = refuse
    bench.backfill.add(hole(number, 2, 8) for number in range(2))
    await bench.settle()
    assert len(bench.arrived) == 10
    assert bench.gaps == []


async def test_a_service_that_does_not_exist_is_declared_and_no_loss() -> None:
    bench = Bench(ten_hertz(10, tags=2))

    def refuse(_: object) -> None:
        raise refusal(ua.StatusCodes.BadServiceUnsupported)

    bench.session.before_answer = refuse
    bench.backfill.add(hole(number, 2, 8) for number in range(2))
    assert "BadServiceUnsupported (rig/0, rig/1)" in (await only_gap(bench)).reason
    assert not bench.lost


async def test_a_session_that_is_gone_is_a_loss_and_the_hole_is_kept() -> None:
    bench = Bench(ten_hertz(10))

    def gone(_: object) -> None:
        raise refusal(ua.StatusCodes.BadSessionIdInvalid)

    bench.session.before_answer = gone
    bench.backfill.add([hole(0, 2, 8)])
    await bench.settle(again=False)
    assert bench.lost
    assert bench.backfill.open_holes == 1
    assert bench.gaps == []


async def test_a_slow_historian_is_given_up_and_live_goes_on() -> None:
    bench = Bench(ten_hertz(10))

    def late(_: object) -> None:
        raise TimeoutError

    bench.session.before_answer = late
    bench.backfill.add([hole(0, 2, 8)])
    assert "in time" in (await only_gap(bench)).reason
    assert not bench.lost


async def test_a_lost_continuation_point_is_made_up_for() -> None:
    bench = Bench(ten_hertz(100, tags=2), backfill_page_rows=10)

    def forget(request: ua.HistoryReadRequest) -> None:
        nodes = request.Parameters.NodesToRead
        several = len(nodes) > 1 and nodes[1].ContinuationPoint
        lost = ua.StatusCodes.BadNoContinuationPoints
        bench.session.statuses = {1: lost} if several else {}

    bench.session.before_answer = forget
    bench.backfill.add(hole(number, 0, 99) for number in range(2))
    await bench.settle()
    assert len(bench.arrived) == len(set(bench.arrived)) == 2 * 98
    assert bench.gaps == []


async def test_a_suspicion_that_cannot_be_looked_into_is_no_gap() -> None:
    bench = Bench(ten_hertz(10))
    bench.session.levels = {0: 1}
    bench.backfill.add([hole(0, 2, 8, certain=False)])
    await bench.settle()
    assert bench.gaps == []


# --- what a restart of ours must not forget ------------------------------------------


async def test_a_hole_is_unfilled_until_its_last_row_was_taken() -> None:
    bench = Bench(ten_hertz(10, tags=2))
    bench.backfill.add([hole(0, 4, 6), hole(0, 1, 3), hole(1, 2, 5)])
    begins = {0: hole(0, 1, 3).from_ns, 1: hole(1, 2, 5).from_ns}
    assert bench.backfill.unfilled_ns == begins
    inbox = Inbox("rig", 10)
    connection = cast("Connection", FakeConnection(bench.session))
    filling = bench.backfill.run(
        connection, bench.places, inbox, judge=lambda batch: batch
    )
    async with alongside(filling, name="fill"):
        await anext(inbox)
        assert bench.backfill.unfilled_ns == begins
        while bench.backfill.unfilled_ns:
            async with asyncio.timeout(1):
                await asyncio.sleep(0)
            if inbox._historical:
                await anext(inbox)


async def test_what_is_given_up_is_unfilled_until_it_is_declared() -> None:
    bench = Bench(ten_hertz(10))
    bench.session.levels = {0: 1}
    bench.backfill.add([hole(0, 2, 8)])
    await bench.settle()
    assert len(bench.gaps) == 1
    assert bench.backfill.unfilled_ns == {}


def test_what_was_stored_is_unfilled_until_its_tag_is_heard() -> None:
    truth = ten_hertz(9)
    continuity = Continuity([0])
    continuity.resume_from({0: START_NS})
    assert continuity.awaited_ns == {}
    continuity.expect(certain=True)
    assert continuity.awaited_ns == {0: START_NS}
    continuity.see(live(truth, 8, 9))
    assert continuity.awaited_ns == {}


# --- and all of it together ---------------------------------------------------------


@st.composite
def outages(draw: st.DrawFn) -> dict[str, Any]:
    gives_points = draw(st.booleans())
    return {
        "stays": draw(st.lists(st.integers(1, 30), min_size=2, max_size=7)),
        "cuts": draw(st.lists(st.integers(1, 40), min_size=6, max_size=6)),
        "page_rows": draw(st.integers(10, 40)),
        # A server that cuts pages shorter than asked says so by a continuation point.
        "server_rows": draw(st.integers(2, 40)) if gives_points else 1000,
        "gives_points": gives_points,
        "losses": draw(st.sets(st.integers(1, 30), max_size=8)),
    }


@settings(max_examples=60, deadline=None)
@given(outage=outages())
def test_live_and_history_are_together_the_truth_exactly_once(
    outage: dict[str, Any],
) -> None:
    asyncio.run(_random_cuts(outage))


async def _random_cuts(outage: dict[str, Any]) -> None:
    """Cut a 10 Hz stream, and the connection that reads its history, at random."""
    stays, cuts = outage["stays"], outage["cuts"]
    truth = ten_hertz(sum(cuts) + sum(stays) + 1, tags=3)
    bench = Bench(truth, backfill_page_rows=outage["page_rows"])
    bench.session.page_rows = outage["server_rows"]
    bench.session.gives_points = outage["gives_points"]

    def lose(_: object) -> None:
        if len(bench.session.asked) in outage["losses"]:
            raise ConnectionError("cut while reading history")

    bench.session.before_answer = lose
    continuity = Continuity(truth)
    row = end = 0
    for stay, cut in zip(stays, cuts, strict=False):
        end = row + stay
        batch = live(truth, row, end)
        bench.backfill.add(continuity.see(batch))
        bench.batches.append(batch)
        continuity.expect(certain=True)
        await bench.settle()
        row = end + cut
    shown = {number: rows[:end] for number, rows in truth.items()}
    assert len(bench.arrived) == len(set(bench.arrived)), "a duplicate"
    assert set(bench.arrived) == rows_of(shown)
    assert bench.gaps == []
