"""A verdict is an event, and comes back from it."""

from __future__ import annotations

from dataclasses import replace

from appliance.domain.event import Event, EventKind
from appliance.domain.tag import TagId
from appliance.domain.verdict import Verdict, verdict_event, verdict_of

OF_AN_ALARM = Event(
    EventKind.ALARM,
    "verdict",
    9,
    "…",
    asset="P",
    tag=TagId("P/a"),
    actor="bo",
    details={
        "id": "P/a:high",
        "verdict": "false",
        "verdict_note": "steam",
        "since_ns": 3,
    },
)


def test_a_verdict_on_an_alarm_says_what_it_is_about_and_since_when() -> None:
    assert verdict_of(OF_AN_ALARM) == Verdict(
        "P/a:high", "P", "P/a", "false", "steam", "bo", 3, 9
    )


def test_a_verdict_on_an_anomaly_has_no_alarm() -> None:
    event = verdict_event("P", "unknown", note="", actor="ada", utc_ns=5)
    assert event.kind is EventKind.AUDIT
    assert verdict_of(event) == Verdict("", "P", "", "unknown", "", "ada", None, 5)


def test_other_events_and_other_words_are_no_verdict() -> None:
    assert verdict_of(replace(OF_AN_ALARM, name="active")) is None
    assert verdict_of(replace(OF_AN_ALARM, details={"verdict": "perhaps"})) is None
