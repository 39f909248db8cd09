"""The demonstration's plan and report are computed from evidence alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appliance.commands.demo.plan import (
    Break,
    How,
    Plan,
    PlanError,
    parse_break,
)
from appliance.commands.demo.report import Evidence, broken_laws, report
from appliance.domain.event import Event, EventKind

S = 1_000_000_000
CHANNELS = ("a", "b", "c")


def event(kind: EventKind, name: str, at_s: float, **details: str) -> Event:
    return Event(kind, name, round(at_s * S), "said", details=details)


def truth(kind: str, t_s: float, **more: str) -> dict[str, Any]:
    return {"kind": kind, "t_s": t_s, "since_s": t_s, **more}


GOOD = Evidence(
    scenario="bearing-wear",
    start_ns=0,
    end_ns=90 * S,
    truth=[
        truth("fault", 35.0),
        truth("mark", 60.0, tag="a"),
        truth("mark_cleared", 61.0, tag="a"),
        truth("mark", 80.0, tag="b"),
        truth("mark", 80.2, tag="a"),
        truth("mark", 80.9, tag="other"),
        truth("stop_seen", 80.9),
    ],
    events=[
        event(EventKind.TRIP, "first_out", 3.0, initiator="power-up"),
        event(EventKind.ANOMALY, "begin", 48.5),
        event(EventKind.ALARM, "active", 52.0),
        event(EventKind.TRIP, "first_out", 80.8, initiator="vibration"),
    ],
    counters={
        "samples_read": 100,
        "samples_stored": 90,
        "samples_rejected": 4,
        "samples_in_flight": 6,
    },
    waveform_points=10_000,
    problems=[],
    outbox={"enqueued": 50, "delivered": 47, "pending": 2, "declared_gaps": 1},
    fleet={"rows": 47, "duplicates": 0},
    uplink_bytes=1_000,
    channels=CHANNELS,
    votes=2,
    on_delay_s=0.5,
    power_up="power-up",
    life=((40 * S, 900.0), (50 * S, 480.04)),
)


def test_a_good_run_is_reported_in_seconds_from_the_start() -> None:
    result = report(GOOD)
    assert result["fault_at"] == 35.0
    assert result["anomaly_at"] == 48.5
    assert result["detection_delay_s"] == 13.5
    assert result["trip_at"] == 80.8
    assert result["false_alarms"] == 0
    assert result["rul_h_at_alarm"] == 480.0
    assert result["raw_bytes"] == 17 * 100 + 4 * 10_000
    assert broken_laws(result) == []


def test_the_response_counts_from_the_second_channel_and_its_on_delay() -> None:
    assert report(GOOD)["trip_response_ms"] == pytest.approx(200.0)


def test_a_stop_without_a_demand_has_no_response() -> None:
    lines = [truth("mark", 80.0, tag="a"), truth("stop_seen", 80.9)]
    assert report(replace(GOOD, truth=lines))["trip_response_ms"] is None


def test_what_is_announced_before_the_fault_is_a_false_alarm() -> None:
    early = [event(EventKind.ANOMALY, "begin", 20.0), *GOOD.events]
    result = report(replace(GOOD, events=early))
    assert result["false_alarms"] == 1
    assert result["anomaly_at"] == 48.5


def test_a_source_that_says_it_is_lost_is_no_false_alarm() -> None:
    loss = event(EventKind.ALARM, "active", 20.0)
    loss = replace(loss, details={"rule": "source"})
    assert report(replace(GOOD, events=[loss, *GOOD.events]))["false_alarms"] == 0


def test_without_a_fault_every_announcement_is_false_and_times_are_none() -> None:
    result = report(replace(GOOD, truth=[]))
    assert result["false_alarms"] == 2
    assert result["fault_at"] is None
    assert result["detection_delay_s"] is None
    assert result["rul_h_at_alarm"] is None


def test_a_fault_that_nobody_noticed_has_no_times() -> None:
    result = report(replace(GOOD, events=[], life=()))
    assert result["anomaly_at"] is None
    assert result["trip_at"] is None
    assert result["rul_h_at_alarm"] is None
    assert report(replace(GOOD, life=()))["rul_h_at_alarm"] is None


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"samples_stored": 89}, "samples read"),
        ({"outbox_pending": 3}, "outbox rows"),
        ({"fleet_duplicates": 1}, "twice"),
        ({"buffer_problems": ["segment 3 is damaged"]}, "segment 3"),
        ({"fleet_rows": 46}, "lacks rows"),
    ],
)
def test_a_broken_law_is_named(change: dict[str, object], law: str) -> None:
    (broken,) = broken_laws({**report(GOOD), **change})
    assert law in broken


def test_a_longer_demonstration_keeps_its_proportions() -> None:
    plan = Plan(180.0)
    assert (plan.learn_at_s, plan.fault_at_s, plan.speed) == (60.0, 70.0, 18_000.0)
    with pytest.raises(PlanError, match="too short"):
        Plan(30.0)


def test_mishaps_are_read_from_the_command_line() -> None:
    known = ("hub", "broker")
    assert parse_break(How.KILL, "hub@50s", known) == Break(How.KILL, "hub", 50.0)
    down = parse_break(How.DOWN, "broker@40+30s", known)
    assert down == Break(How.DOWN, "broker", 40.0, 30.0)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        (How.KILL, "hub"),
        (How.KILL, "hub@5s+3s"),
        (How.DOWN, "hub@5s"),
        (How.KILL, "pump@5s"),
    ],
)
def test_a_mishap_that_cannot_be_read_is_refused(how: How, text: str) -> None:
    with pytest.raises(PlanError):
        parse_break(how, text, ("hub",))
