"""Maintenance to an event and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.domain.event import Event, EventKind
from appliance.domain.maintenance import (
    Maintenance,
    event_of_maintenance,
    maintenance_of_event,
)

DONE = Maintenance("P-101", at_ns=5, what="bearing replaced", since_ns=3)


@pytest.mark.parametrize("done", [DONE, replace(DONE, since_ns=None)])
def test_what_was_done_is_read_back_from_its_event(done: Maintenance) -> None:
    event = event_of_maintenance(done, time_ns=9, actor="anna")
    assert (event.kind, event.asset, event.actor) == (
        EventKind.MAINTENANCE,
        "P-101",
        "anna",
    )
    assert event.message == "P-101: maintenance is done: bearing replaced"
    assert maintenance_of_event(event) == done


def test_without_its_own_time_it_was_done_when_it_was_told() -> None:
    event = Event(EventKind.MAINTENANCE, "maintained", 7, "", asset="P-101")
    assert maintenance_of_event(event) == Maintenance("P-101", 7, "")


@pytest.mark.parametrize(
    "event",
    [
        Event(EventKind.ANOMALY, "maintained", 7, ""),
        Event(EventKind.MAINTENANCE, "planned", 7, ""),
    ],
)
def test_other_events_do_not_say_that_something_was_done(event: Event) -> None:
    assert maintenance_of_event(event) is None
