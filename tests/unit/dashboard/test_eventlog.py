"""The log: what is told twice is one; pages join without a seam."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.dashboard import eventlog
from appliance.dashboard.eventlog import EventLog
from appliance.wire.messages import EventMessage, WireError


def told(number: int, **changes: Any) -> EventMessage:  # noqa: ANN401 - a field
    wanted: dict[str, Any] = {
        "kind": "alarm", "name": "active", "time_ns": number, "message": f"m{number}",
        "details": {"id": "a"}, "seq": number, "pending": False,
    }  # fmt: skip
    return EventMessage(**wanted | changes)


def page(*numbers: int) -> dict[str, Any]:
    rows = [
        {"kind": "alarm", "name": "active", "time_ns": n, "message": f"m{n}", "seq": n,
         "asset": "", "tag": None, "priority": "", "actor": "", "details": {"id": "a"}}
        for n in numbers
    ]  # fmt: skip
    return {"events": rows}


def test_the_committed_copy_replaces_the_pending_one_and_not_the_other_way() -> None:
    log = EventLog()
    log.take(told(1, pending=True, seq=0))
    log.take(told(1))
    log.take(told(1, pending=True, seq=0))
    assert [event.seq for event in log] == [1]


def test_pages_go_back_to_the_beginning_and_say_so() -> None:
    log = EventLog()
    log.take(told(6))
    log.take_page(page(5, 4), asked=2)
    assert (log.oldest_seq, log.complete) == (4, False)
    log.take_page(page(3), asked=2)
    assert (log.oldest_seq, log.complete) == (3, True)
    assert [event.seq for event in log.newest_first()] == [6, 5, 4, 3]
    assert not any(event.pending for event in log)


@pytest.mark.parametrize("rows", [[{"kind": 1}], [{}]])
def test_a_page_that_is_none_is_refused(rows: list[Any]) -> None:
    with pytest.raises(WireError):
        EventLog().take_page({"events": rows})


def test_the_oldest_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "KEPT", 3)
    log = EventLog()
    for number in (5, 1, 4, 3, 2):
        log.take(told(number))
    assert [event.seq for event in log] == [5, 4, 3]


def test_it_can_be_kept_to_a_kind_an_alarm_or_a_tag() -> None:
    log = EventLog()
    log.take(told(1))
    log.take(told(2, details={"id": "b"}, tag="P/x", asset="P"))
    log.take(told(3, kind="system", details={}, asset="P"))
    assert [e.seq for e in log.newest_first("system")] == [3]
    assert [e.seq for e in log.of_alarm("a", 9)] == [1]
    assert [e.seq for e in log.of_alarm("b", 1)] == [2]
    assert [e.seq for e in log.of_tag("P/x", "P", from_ns=0, to_ns=9)] == [3, 2]
    assert [e.seq for e in log.of_tag("P/y", "P", from_ns=0, to_ns=9)] == [3]
    assert log.of_tag("P/x", "P", from_ns=4, to_ns=9) == []
