"""What is never learned from, and what is healthy after all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.event import Event, EventKind
from appliance.domain.maintenance import Maintenance, event_of_maintenance
from appliance.domain.tag import TagId
from appliance.domain.verdict import Verdict
from appliance.inference.labels import Labels, Span, labels_of
from models.features import FeatureTable

if TYPE_CHECKING:
    from collections.abc import Sequence

S = 1_000_000_000
NOW_S = 10_000
ASSET = "P-101"
ALARM = "P-101/flow:low"


def anomaly(name: str, at_s: int, asset: str = ASSET) -> Event:
    return Event(EventKind.ANOMALY, name, at_s * S, "", asset=asset)


def alarm(name: str, at_s: int, *, rule: str = "low", alarm_id: str = ALARM) -> Event:
    tag = TagId(alarm_id.partition(":")[0])
    details = {"id": alarm_id, "rule": rule}
    return Event(EventKind.ALARM, name, at_s * S, "", ASSET, tag, details=details)


def maintained(at_s: int, since_s: int | None) -> Event:
    since_ns = None if since_s is None else since_s * S
    done = Maintenance(ASSET, at_s * S, "bearing replaced", since_ns)
    return event_of_maintenance(done, time_ns=at_s * S, actor="anna")


def verdict(
    said: str,
    at_s: int,
    *,
    since_s: int | None = None,
    subject: str = "",
    tag: str = "",
) -> Verdict:
    since_ns = None if since_s is None else since_s * S
    return Verdict(subject, ASSET, tag, said, "", "anna", since_ns, at_s * S)


def spans(
    events: Sequence[Event], verdicts: Sequence[Verdict] = ()
) -> list[tuple[int, int]]:
    found = labels(events, verdicts)
    return [(each.from_ns // S, each.to_ns // S) for each in found.excluded]


def labels(events: Sequence[Event], verdicts: Sequence[Verdict] = ()) -> Labels:
    return labels_of(ASSET, events, verdicts, now_ns=NOW_S * S, lead_s=5.0)


def test_its_own_anomalies_are_left_out_with_what_led_to_them() -> None:
    events = [anomaly("begin", 100), anomaly("begin", 150, "P-2"), anomaly("end", 200)]
    assert spans(events) == [(95, 200)]
    assert labels(events).faults == ()  # nobody said that it was one


def test_what_still_stands_is_left_out_until_now() -> None:
    assert spans([anomaly("begin", 100)]) == [(95, NOW_S)]
    assert spans([alarm("active", 100)]) == [(95, NOW_S)]


def test_alarms_of_the_machine_are_left_out_and_those_of_the_measuring_are_not() -> (
    None
):
    events = [
        alarm("active", 100),
        alarm("acknowledged", 120),
        alarm("reannounced", 150),
        alarm("returned", 200),
        alarm("active", 300, rule="stale", alarm_id="P-101/flow:stale"),
    ]
    other = Event(EventKind.ALARM, "active", 300 * S, "", "T-1", details={"id": "t"})
    assert spans([*events, other]) == [(95, 200)]


def test_what_a_person_judged_false_is_healthy_after_all() -> None:
    events = [anomaly("begin", 100), anomaly("end", 200), alarm("active", 150)]
    assert spans(events, [verdict("false", 250)]) == [(145, NOW_S)]
    own = verdict("false", 250, since_s=150, subject=ALARM)
    assert spans(events, [own]) == [(95, 200)]
    assert spans(events, [own, verdict("false", 260)]) == []


def test_a_verdict_on_the_alarm_of_the_score_is_one_on_the_anomaly() -> None:
    score = "P-101/anomaly_score"
    said = verdict("false", 250, since_s=103, subject=f"{score}:score", tag=score)
    assert spans([anomaly("begin", 100), anomaly("end", 200)], [said]) == []


def test_the_last_verdict_counts() -> None:
    events = [anomaly("begin", 100), anomaly("end", 200)]
    changed = [verdict("true", 210), verdict("false", 300)]
    assert spans(events, changed) == []
    back = [*changed, verdict("unknown", 400)]
    assert spans(events, back) == [(95, 200)]


def test_a_confirmed_fault_is_left_out_until_the_repair() -> None:
    events = [anomaly("begin", 100), anomaly("end", 200), maintained(5000, None)]
    found = labels(events, [verdict("true", 250)])
    assert [(each.from_ns // S, each.to_ns // S) for each in found.excluded] == [
        (95, 5000)
    ]
    assert [(each.from_ns // S, each.to_ns // S) for each in found.faults] == [
        (100, 200)
    ]


def test_a_confirmed_fault_that_nobody_mended_is_still_there() -> None:
    found = labels([anomaly("begin", 100), anomaly("end", 200)], [verdict("true", 250)])
    (span,) = found.excluded
    assert (span.from_ns, span.to_ns) == (95 * S, NOW_S * S)
    assert "no repair is on record" in span.why


def test_a_verdict_counts_where_the_events_are_gone() -> None:
    (span,) = labels([], [verdict("true", 250, since_s=120)]).excluded
    assert (span.from_ns, span.to_ns) == (115 * S, NOW_S * S)


def test_from_the_anomaly_to_its_maintenance_nothing_is_learned() -> None:
    events = [anomaly("begin", 100), anomaly("end", 400), maintained(400, 100)]
    found = labels(events)
    assert {(e.from_ns // S, e.to_ns // S) for e in found.excluded} == {(95, 400)}
    assert [each.from_ns // S for each in found.faults] == [100]


def test_windows_that_touch_what_is_left_out_are_no_rows() -> None:
    ends_ns = np.arange(10, 200, 10, dtype=np.int64) * S
    column = np.ones((len(ends_ns), 1))
    table = FeatureTable(("P-101/flow:mean",), ends_ns, column, column)
    found = Labels(excluded=(Span(50 * S, 80 * S, "anomaly stood"),))
    kept = found.healthy(table, window_s=20.0).time_ns // S
    assert kept.tolist() == [10, 20, 30, 40, 50, *range(100, 200, 10)]


def test_what_nobody_looked_at_is_no_healthy_past() -> None:
    events = [
        Event(EventKind.SYSTEM, "started", 5 * S, ""),
        Event(EventKind.SYSTEM, "started", 900 * S, ""),
        Event(EventKind.SYSTEM, "stopped", 950 * S, ""),
    ]
    rows_ns = np.array([10, 20, 400, 1000], dtype=np.int64) * S
    found = labels(events).without_absence(rows_ns).excluded
    assert [(each.from_ns // S, each.to_ns // S) for each in found] == [(400, 900)]
