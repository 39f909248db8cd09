"""Events: shown at once, committed in order, shown again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from appliance.domain.event import Event, EventKind
from appliance.hub import recorder as recorder_module
from appliance.hub.recorder import EventRecorder
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import alongside
from appliance.storage.connection import StoreUnavailableError
from appliance.wire.messages import EventMessage

if TYPE_CHECKING:
    from tests.unit.hub.conftest import ManualClock


def event(name: str) -> Event:
    return Event(EventKind.SYSTEM, name, 1, f"{name} happened")


class SlowStore:
    """Commits only when it is let; may refuse."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.open = asyncio.Event()
        self.refuses = False

    async def append_event(self, event: Event) -> int:
        self.names.append(event.name)
        seq = len(self.names)
        await self.open.wait()
        if self.refuses:
            raise StoreUnavailableError("disk full")
        return seq


async def test_an_event_is_shown_pending_and_again_when_it_is_committed() -> None:
    store, shown = SlowStore(), list[EventMessage]()
    recorder = EventRecorder(store, shown.append, clock=SystemClock())
    async with alongside(recorder.run(), name="test.recorder"):
        recorder.tell(event("a"))
        recorder.tell(event("b"))
        assert [(each.name, each.pending) for each in shown] == [
            ("a", True),
            ("b", True),
        ]
        store.open.set()
        assert await recorder.record(event("c")) == 3
    assert store.names == ["a", "b", "c"]
    committed = [(each.name, each.seq) for each in shown if not each.pending]
    assert committed == [("a", 1), ("b", 2), ("c", 3)]


async def test_a_burst_is_handed_to_the_store_together() -> None:
    store = SlowStore()
    recorder = EventRecorder(store, lambda _message: None, clock=SystemClock())
    for name in "abc":
        recorder.tell(event(name))
    async with alongside(recorder.run(), name="test.recorder"):
        while len(store.names) < 3:
            await asyncio.sleep(0)
        assert store.names == ["a", "b", "c"]
        store.open.set()


async def test_with_a_full_disk_events_are_shown_and_a_person_is_told() -> None:
    store, shown = SlowStore(), list[EventMessage]()
    store.refuses = True
    store.open.set()
    recorder = EventRecorder(store, shown.append, clock=SystemClock())
    async with alongside(recorder.run(), name="test.recorder"):
        recorder.tell(event("alarm"))
        with pytest.raises(StoreUnavailableError):
            await recorder.record(event("ack"))
        store.refuses = False
        assert await recorder.record(event("later")) == 3
    assert [each.name for each in shown if each.pending] == ["alarm", "ack", "later"]


async def test_when_nothing_is_committed_the_oldest_event_goes_and_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorder_module, "WAITING_MAX", 2)
    store = SlowStore()
    store.open.set()
    recorder = EventRecorder(store, lambda _message: None, clock=SystemClock())
    first = asyncio.get_running_loop().create_task(
        recorder.record(event("a")), name="test.record"
    )
    await asyncio.sleep(0)
    recorder.tell(event("b"))
    recorder.tell(event("c"))
    with pytest.raises(StoreUnavailableError):
        await first
    recorder.tell(event("d"))
    await recorder.flush()
    assert store.names == ["c", "d"]
    assert recorder.counters == {
        "events_told": 4,
        "events_dropped": 2,
        "events_coalesced": 0,
    }


async def test_one_who_no_longer_waits_disturbs_nobody() -> None:
    store = SlowStore()
    recorder = EventRecorder(store, lambda _message: None, clock=SystemClock())
    async with alongside(recorder.run(), name="test.recorder"):
        gone = asyncio.get_running_loop().create_task(
            recorder.record(event("a")), name="test.record"
        )
        while not store.names:
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait({gone})
        store.open.set()
        assert await recorder.record(event("b")) == 2


async def test_a_chattering_alarm_is_shown_each_time_and_recorded_once(
    manual_clock: ManualClock,
) -> None:
    store, shown = SlowStore(), list[EventMessage]()
    store.open.set()
    recorder = EventRecorder(store, shown.append, clock=manual_clock)
    for _ in range(25):
        recorder.tell(Event(EventKind.ALARM, "active", 1, "", details={"id": "a"}))
    async with alongside(recorder.run(), name="test.recorder"):
        await recorder.record(
            Event(EventKind.ALARM, "acked", 2, "", details={"id": "a"})
        )
    assert len(shown) == 26 + 12
    assert store.names == ["active"] * 11 + ["acked"], "what was held comes before"
    assert recorder.counters["events_coalesced"] == 14
    for _ in range(3):
        recorder.tell(Event(EventKind.ALARM, "active", 3, "", details={"id": "a"}))
    manual_clock.at_s += 60.0
    recorder.tick()
    await recorder.flush()
    assert store.names[-1] == "active"
    assert shown[-1].details["coalesced"] == 3
