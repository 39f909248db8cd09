"""What a scan has to tell, told word for word: nothing twice, nothing left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.event import EventKind
from appliance.safety import happenings
from appliance.safety.handover import Followed, Return
from appliance.safety.maintenance import Handover, Phase
from appliance.safety.row import Bypass
from tests.unit.safety.bench import a_bench, a_row, an_element

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.domain.event import Event

ASKED = Handover("kim", "upgrade", 900.0)
GRANTED = Handover("kim", "upgrade", 900.0, Phase.GRANTED, 1.0)


def names(events: Iterable[Event]) -> list[str]:
    return [event.name for event in events]


def only(events: Iterable[Event], name: str) -> Event:
    (event,) = (each for each in events if each.name == name)
    return event


def test_a_life_begins_with_its_first_out() -> None:
    pump = a_bench(causes={"motor": ("high",)})
    (event,) = happenings.of_power_up(pump.matrix, pump.state)
    assert (event.kind, event.name, event.priority) == (
        EventKind.TRIP,
        "restored",
        "critical",
    )
    assert event.message == "motor is stopped by high, as before the restart"
    pump = a_bench()
    (event,) = happenings.of_power_up(pump.matrix, pump.state)
    assert (event.name, event.message) == ("first_out", "motor is stopped by power-up")
    assert event.details == {"element": "motor", "initiator": "power-up"}


@pytest.mark.requirement("A9")
def test_a_trip_is_told_with_its_initiator_its_asset_and_its_vote() -> None:
    rows = (a_row(), a_row(id="low", condition="low", channels=("Q/b",), setpoint=0.5))
    pump = a_bench(*rows).ready()
    pump.values |= {"P/a": 9.0, "Q/b": 0.0}
    events = pump.scan(stop="tea").events
    trips = [each for each in events if each.kind is EventKind.TRIP]
    assert [
        (each.name, each.asset, each.details["initiator"], each.details["vote"])
        for each in trips
    ] == [
        ("first_out", "P", "high", "1oo1"),
        ("trip", "Q", "low", "1oo1"),
        ("trip", "", "operator's stop", ""),
    ]
    assert {each.priority for each in trips} == {"critical"}
    demand = next(each for each in events if each.name == "demand")
    assert (demand.message, demand.details["values"]) == ("high demands the stop", "9")
    assert names(pump.scan(stop="tea").events) == ["stop_confirmed"]
    pump.values |= {"P/a": 1.0, "Q/b": 1.0}
    cleared = only(pump.scan().events[:1], "demand_cleared")
    assert cleared.message == "high demands no longer"


@pytest.mark.requirement("A8")
def test_trust_that_changes_is_told_with_priority_unless_it_comes_back() -> None:
    pump = a_bench(a_row(channels=("P/a", "P/b"), vote="2oo2")).ready()
    pump.values["P/b"] = "bad"
    events = pump.scan().events
    assert names(events) == ["channel_bad", "vote_degraded"]
    assert [each.priority for each in events] == ["high", "high"]
    assert events[0].details == {"initiator": "high", "channel": "P/b"}
    assert events[0].asset == "P"
    assert events[1].message == "high: 2oo2 has become 1oo1"
    pump.values["P/b"] = 1.0
    events = pump.scan().events
    assert names(events) == ["channel_good", "vote_restored"]
    assert [each.priority for each in events] == ["", ""]


def test_the_first_good_values_of_a_life_are_no_news() -> None:
    pump = a_bench(a_row(channels=("P/a", "P/b"), vote="1oo2"))
    pump.values = {"P/a": 1.0, "P/b": 1.0}
    assert not {"channel_good", "vote_restored"} & set(names(pump.scan().events))


def test_a_first_value_that_is_bad_is_news() -> None:
    pump = a_bench(a_row(channels=("P/a", "P/b"), vote="1oo2", bad_is="exclude"))
    pump.values = {"P/a": 1.0, "P/b": "bad"}
    found = names(pump.scan().events)
    assert "channel_bad" in found
    assert "vote_degraded" in found


def test_a_channel_that_was_late_or_bad_and_comes_back_is_news() -> None:
    pump = a_bench(a_row(channels=("P/a", "P/b"), vote="1oo2", bad_is="exclude"))
    pump.values = {"P/a": 1.0, "P/b": "bad"}
    pump.scan()
    pump.values = {"P/a": None, "P/b": 1.0}
    assert names(pump.scan().events)[:2] == ["channel_good", "vote_restored"]
    pump.values = {"P/a": None, "P/b": 1.0}
    pump.scans(0.5)
    assert pump.names[-1] == "channel_late"
    pump.values = {"P/a": 1.0, "P/b": 1.0}
    assert names(pump.scan().events) == ["channel_good"]


def test_a_stop_is_news_as_long_as_it_is_new_to_any_element() -> None:
    columns = (an_element(), an_element(id="valve", feedback=None))
    pump = a_bench(elements=columns).ready()
    assert "stop_requested" in names(pump.scan(stop="tea").events)
    pump.scan()
    assert pump.reset("valve").refusals == ()
    event = only(pump.scan(stop="smoke", actor="kim").events, "stop_requested")
    assert (event.message, event.actor) == ("stop requested: smoke", "kim")


@pytest.mark.requirement("A10")
def test_a_bypass_is_told_with_whom_it_concerns() -> None:
    pump = a_bench(a_row(channels=("P/a", "P/b"), vote="1oo2")).ready()
    bypass = Bypass("high", "P/b", pump.now_s + 60, "kim", "broken wire")
    set_ = only(pump.scan(bypasses=(bypass,), actor="lee").events, "bypassed")
    assert set_.message == "P/b: bypassed: broken wire"
    assert (set_.actor, set_.priority) == ("kim", "high")
    assert set_.details == {"initiator": "high", "channel": "P/b"}
    taken = pump.scan(unbypass=frozenset({"high"}), actor="lee").events
    assert only(taken, "bypass_removed").actor == "lee"
    assert "bypass_expired" not in names(taken)
    assert names(pump.scan(unbypass=frozenset({"high"})).events) == []
    whole = Bypass("high", None, pump.now_s + 60, "kim", "r")
    event = only(pump.scan(bypasses=(whole,)).events, "bypassed")
    assert event.message.startswith("high: bypassed")
    assert event.details["channel"] == ""


@pytest.mark.requirement("A5")
def test_a_reset_is_told_permitted_or_refused() -> None:
    pump = a_bench().ready()
    pump.values["P/a"] = 9.0
    pump.scan()
    pump.scan()
    refused = only(pump.reset().events, "reset_refused")
    assert refused.message == "reset of motor refused: the demand of high lasts"
    pump.values["P/a"] = 1.0
    pump.scan()
    granted = only(pump.reset().events, "reset")
    assert granted.message == "motor is reset; it needs a start of its own"
    assert (granted.actor, granted.details) == ("kim", {"element": "motor"})


@pytest.mark.parametrize(("arm", "mode"), [(True, "armed"), (False, "observe")])
def test_a_change_of_mode_is_told_once(arm: bool, mode: str) -> None:
    pump = a_bench(armed=not arm).ready()
    event = only(pump.scan(arm=arm, actor="kim").events, "mode")
    assert (event.message, event.actor) == (f"mode is {mode}", "kim")
    assert "mode" not in names(pump.scan(arm=arm).events)


@pytest.mark.requirement("A11")
def test_a_stop_that_fails_is_told_once_and_so_is_its_confirmation() -> None:
    pump = a_bench().ready()
    pump.running = 1.0
    pump.scan(stop="tea")
    pump.names.clear()
    for _ in range(40):
        failed = [e for e in pump.scan().events if e.name == "stop_failed"]
        if failed:
            break
    assert failed[0].priority == "critical"
    assert failed[0].details == {"element": "motor"}
    pump.running = 0.0
    pump.scans(1.0)
    assert pump.names == ["stop_failed", "stop_confirmed"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, Followed(None), []),
        (None, Followed(None, refusals=("a", "b")), ["maintenance_refused"]),
        (None, Followed(ASKED), ["maintenance_requested"]),
        (ASKED, Followed(ASKED), []),
        (ASKED, Followed(GRANTED), ["maintenance_granted"]),
        (GRANTED, Followed(GRANTED), []),
        (GRANTED, Followed(None, ended="over"), ["maintenance_ended"]),
        (None, Followed(None, ended="over"), []),
    ],
)
@pytest.mark.requirement("A4")
def test_each_step_of_a_hand_over_is_told_once(
    before: Handover | None, after: Followed, told: list[str]
) -> None:
    events = list(happenings.of_handover(before, after))
    assert names(events) == told
    for event in events:
        assert (
            event.message
            == {
                "maintenance_refused": "maintenance refused: a; b",
                "maintenance_requested": "the PLC is asked to do without us: upgrade",
                "maintenance_granted": "the PLC keeps the machine running without us",
                "maintenance_ended": "the hand-over to the PLC is over: over",
            }[event.name]
        )
        assert event.priority == ("" if event.name.endswith("refused") else "high")


@pytest.mark.parametrize(
    ("back", "told"),
    [
        (Return(waits=True), []),
        (Return(takes_over=True), ["taken_over"]),
        (Return(reasons=("a", "b")), ["take_over_refused"]),
    ],
)
@pytest.mark.requirement("A4")
def test_a_return_is_told_when_it_is_decided(back: Return, told: list[str]) -> None:
    events = list(happenings.of_return(a_bench().matrix, back))
    assert names(events) == told
    assert all("motor" in e.message or "a; b" in e.message for e in events)


def test_a_models_trust_is_told_as_the_models() -> None:
    model: dict[str, Any] = {"id": "m", "source": "model", "channels": ()}
    pump = a_bench(a_row(), a_row(**model))
    pump.values["P/a"] = 1.0
    pump.models["m"] = 0.0
    pump.scan()
    pump.models["m"] = "bad"
    event = only(pump.scan().events, "channel_bad")
    assert (event.kind, event.asset) == (EventKind.MODEL, "")
