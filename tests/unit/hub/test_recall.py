"""What a log leaves to be remembered."""

from __future__ import annotations

from appliance.domain.event import Event, EventKind, Gap
from appliance.hub.recall import recalled


def event(kind: EventKind, name: str, **details: str | int) -> Event:
    return Event(kind, name, 1, "", asset="P-101", details=details)


GAP = Gap("acquisition", "the last run was not shut down", 0, 2_500_000_000, -1)


def test_the_last_word_on_each_alarm_and_anomaly_counts() -> None:
    found = recalled(
        [
            event(EventKind.ALARM, "active", id="a:high"),
            event(EventKind.ALARM, "active", id="b:low"),
            event(EventKind.ANOMALY, "begin"),
            event(EventKind.ALARM, "returned", id="a:high"),
            event(EventKind.ANOMALY, "end"),
            event(EventKind.AUDIT, "opened"),
        ],
        [],
    )
    assert {k: e.name for k, e in found.alarms.items()} == {
        "a:high": "returned",
        "b:low": "active",
    }
    assert found.anomalies["P-101"].name == "end"


def test_the_highest_number_of_each_epoch_of_safety_counts() -> None:
    found = recalled(
        [
            event(EventKind.TRIP, "first_out", origin_epoch="one", origin_seq=7),
            event(EventKind.SAFETY, "reset", origin_epoch="one", origin_seq=6),
            event(EventKind.SAFETY, "reset", origin_epoch="two", origin_seq=1),
            event(EventKind.SAFETY, "odd", origin_epoch="two", origin_seq="x"),
        ],
        [],
    )
    assert found.origins == {"one": 7, "two": 1}


def test_each_gap_is_told_once_however_often_we_start() -> None:
    others = Gap("summary", "outbox quota", 0, 1, 5)
    first = recalled([], [others, GAP])
    (told,) = first.events_of_gaps(9)
    assert told.kind is EventKind.GAP
    assert told.message == (
        "an unknown number of samples are missing in 2.5 s:"
        " the last run was not shut down"
    )
    again = recalled([told], [others, GAP])
    assert list(again.events_of_gaps(9)) == []
    counted = Gap("acquisition", "memory was full", 0, 1_000_000_000, 12)
    third = recalled([told], [others, GAP, counted])
    (new,) = third.events_of_gaps(9)
    assert new.message == "12 samples are missing in 1.0 s: memory was full"
    assert list(recalled([told, new], [GAP, others, counted]).events_of_gaps(9)) == []
