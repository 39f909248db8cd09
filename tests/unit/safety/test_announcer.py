"""What scans bring is told at once, journaled with what is latched, and dated here."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.event import Event, EventKind
from appliance.safety.announcer import Announcer
from appliance.safety.latch import Latch
from appliance.safety.maintenance import Handover, Life, Phase
from appliance.safety.scan import Punctuality
from appliance.safety.tags import TagBoard
from tests.unit.safety.bench import a_bench

if TYPE_CHECKING:
    from appliance.wire.messages import BatchMessage, EventMessage
    from tests.unit.safety.bench import Bench, FakeClock

EVENT = Event(EventKind.TRIP, "first_out", 0, "motor is stopped by high")


class Listener:
    """A link and a journal that keep what they are given."""

    def __init__(self) -> None:
        self.events: list[EventMessage] = []
        self.batches: list[BatchMessage] = []
        self.kept: list[tuple[EventMessage, Any, Any]] = []
        self.on_committed: Any = None
        self.on_trouble: Any = None

    def publish_event(self, event: EventMessage) -> None:
        self.events.append(event)

    def publish_batch(self, batch: BatchMessage) -> None:
        self.batches.append(batch)

    def append(self, event: EventMessage, causes: Any, token: Any) -> None:  # noqa: ANN401
        self.kept.append((event, dict(causes), token))


@pytest.fixture
def pump() -> Bench:
    return a_bench().ready()


@pytest.fixture
def heard() -> Listener:
    return Listener()


@pytest.fixture
def announcer(pump: Bench, heard: Listener, clock: FakeClock) -> Announcer:
    return Announcer(
        heard,  # type: ignore[arg-type]  # what it uses of a link
        heard,  # type: ignore[arg-type]  # what it uses of a journal
        board=TagBoard(pump.matrix.rows),
        clock=clock,
        life=Life("boot", "rules"),
    )


@pytest.mark.requirement("A4")
def test_an_event_is_shown_as_pending_and_kept_with_what_is_latched(
    announcer: Announcer, heard: Listener, pump: Bench, clock: FakeClock
) -> None:
    latches = {
        "motor": Latch(tripped=True, causes=("high", "low")),
        "valve": Latch(tripped=False, causes=("old",)),
    }
    announcer.tell([EVENT], replace(pump.state, latches=latches))
    (event,) = heard.events
    assert event.pending
    assert event.time_ns == clock.utc_ns()
    assert heard.kept == [(event, {"motor": ("high", "low")}, None)]


@pytest.mark.requirement("A4")
def test_while_the_plc_has_the_machine_the_token_is_kept_with_every_event(
    announcer: Announcer, heard: Listener, pump: Bench
) -> None:
    standing = Handover("kim", "upgrade", 900.0, Phase.GRANTED, 300.0)
    announcer.tell([EVENT], replace(pump.state, handover=standing))
    announcer.tell_trouble("full")
    tokens = [token for _, _, token in heard.kept]
    assert [(each.boot, each.until_s) for each in tokens] == [("boot", 900.0)] * 2


def test_a_journal_that_fails_is_told_as_an_event_of_high_priority(
    announcer: Announcer, heard: Listener
) -> None:
    assert heard.on_trouble == announcer.tell_trouble
    heard.on_trouble("No space left")
    (event,) = heard.events
    assert (event.kind, event.name, event.priority) == (
        "system",
        "journal_failed",
        "high",
    )
    assert "No space left" in event.message
    heard.on_committed(event)
    assert heard.events == [event, event]


def test_tags_are_told_at_once_when_a_state_changes_and_else_now_and_then(
    announcer: Announcer, heard: Listener, pump: Bench, clock: FakeClock
) -> None:
    def show(**more: Any) -> int:  # noqa: ANN401
        given = {"heartbeat": 0, "punctuality": Punctuality(), **more}
        announcer.show(SimpleNamespace(state=pump.state, **given))  # type: ignore[arg-type]
        return len(heard.batches)

    clock.time_s = 0.0
    assert show() == 1
    clock.time_s = 0.25
    assert show(heartbeat=5) == 1, "a measure is no news"
    pump.values["P/a"] = 9.0
    pump.scan()
    assert show() == 2
    assert show() == 2
    clock.time_s += 0.25
    assert show() == 2
    clock.time_s += 0.25
    assert show() == 3
    assert {each.group for each in heard.batches} == {"safety"}
    assert heard.batches[-1].receive_time_ns == clock.utc_ns()
