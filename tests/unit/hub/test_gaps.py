"""What a source declares missing: committed, told once, and never lost on the way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance.domain.event import Event, EventKind, Gap
from appliance.hub import gaps
from appliance.hub.gaps import MANY, GapRecorder
from appliance.runtime.tasks import alongside
from appliance.storage.connection import StoreUnavailableError

if TYPE_CHECKING:
    import pytest

    from tests.unit.hub.conftest import ManualClock

HOLE = Gap("summary", "no history", 1_000_000_000, 3_500_000_000, -1, 7, 9)


class GapsOnly:
    """A store that keeps gaps, and refuses to flush while `refuses`."""

    def __init__(self) -> None:
        self.queued: list[Gap] = []
        self.flushed = asyncio.Event()
        self.refuses = False

    def queue_gap(self, gap: Gap) -> None:
        self.queued.append(gap)

    async def flush(self) -> None:
        self.flushed.set()
        if self.refuses:
            raise StoreUnavailableError("disk full")


async def told(recorder: GapRecorder, store: GapsOnly) -> None:
    """Let it work until it has tried to commit once, and told."""
    async with asyncio.timeout(60), alongside(recorder.run(), name="test.gaps"):
        await store.flushed.wait()
        await asyncio.sleep(0)


async def test_a_gap_is_committed_as_acquisition_and_told_with_its_source(
    manual_clock: ManualClock,
) -> None:
    store, heard = GapsOnly(), list[Event]()
    recorder = GapRecorder(store, heard.append, clock=manual_clock)
    recorder.declare("plc", HOLE)
    assert heard == []
    await told(recorder, store)
    (gap,) = store.queued
    assert gap == Gap(
        "acquisition", "plc: no history", 1_000_000_000, 3_500_000_000, -1
    )
    (event,) = heard
    assert (event.kind, event.name) == (EventKind.GAP, "declared")
    assert event.message == (
        "an unknown number of samples are missing in 2.5 s: plc: no history"
    )
    assert recorder.counters == {"gaps_declared": 1, "gaps_coalesced": 0}


async def test_a_full_disk_delays_no_telling_and_loses_no_gap(
    manual_clock: ManualClock,
) -> None:
    store, heard = GapsOnly(), list[Event]()
    store.refuses = True
    recorder = GapRecorder(store, heard.append, clock=manual_clock)
    for length in (1, 2, 3):
        recorder.declare("plc", Gap("acquisition", "x", 0, length, length))
    await told(recorder, store)
    assert [gap.count for gap in store.queued] == [1, 2, 3]
    assert [event.details["count"] for event in heard] == [1, 2, 3]


async def test_too_many_gaps_share_an_event_that_spans_them(
    manual_clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gaps, "WAITING_MAX", 2)
    store, heard = GapsOnly(), list[Event]()
    recorder = GapRecorder(store, heard.append, clock=manual_clock)
    recorder.declare("a", Gap("acquisition", "x", 5, 6, 1))
    recorder.declare("b", Gap("acquisition", "y", 7, 8, 2))
    recorder.declare("b", Gap("acquisition", "y", 3, 4, 4))
    recorder.declare("c", Gap("acquisition", "z", 1, 9, -1))
    recorder.tell()
    assert len(store.queued) == 4
    assert [event.details["from_ns"] for event in heard] == [5, 1]
    assert heard[1].details["to_ns"] == 9
    assert heard[1].details["count"] == -1
    assert heard[1].details["reason"] == MANY
    assert recorder.counters == {"gaps_declared": 4, "gaps_coalesced": 2}


async def test_what_was_declared_last_is_told_before_the_end_and_once(
    manual_clock: ManualClock,
) -> None:
    store, heard = GapsOnly(), list[Event]()
    recorder = GapRecorder(store, heard.append, clock=manual_clock)
    recorder.declare("plc", HOLE)
    recorder.tell()  # as the hub does before it closes
    assert len(store.queued) == len(heard) == 1
    recorder.tell()
    assert len(heard) == 1


async def test_a_roll_up_that_was_never_made_is_no_missing_sample(
    manual_clock: ManualClock,
) -> None:
    store, heard = GapsOnly(), list[Event]()
    recorder = GapRecorder(store, heard.append, clock=manual_clock)
    gap = Gap(gaps.SUMMARY_PERIOD, "killed", 0, 2_000_000_000, -1)
    recorder.note(gap)
    await told(recorder, store)
    assert store.queued == [gap]
    (event,) = heard
    assert event.message == "the cloud gets no roll-up of 2.0 s: killed"
