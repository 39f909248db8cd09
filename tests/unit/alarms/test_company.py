"""Alarms among others: families, floods, and what is on record of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.alarms.acts import Acknowledge, Shelve, TakeOut, Unshelve
from appliance.alarms.listing import Filter
from tests.unit.alarms.room import (
    EPOCH_NS,
    FLOW,
    LEVEL,
    POWER,
    STOPPED,
    Room,
    S,
    alarm,
)

if TYPE_CHECKING:
    from appliance.config import AlarmSettings

# ------------------------------------------------------------------ parent and children


def family() -> tuple[AlarmSettings, ...]:
    """Power lost, therefore no flow, therefore a wrong level."""
    return (
        alarm("P/power", priority="high"),
        alarm("P/flow", parent=POWER, priority="medium"),
        alarm("P/level", parent=FLOW, priority="low"),
    )


def test_a_parent_calls_for_all_its_children() -> None:
    room = Room(*family())
    told = room.see({"P/power": 9.0}) + room.see({"P/flow": 9.0, "P/level": 9.0})
    assert told == ["active", "active", "active"]
    assert room.called() == [POWER]
    row = room.row()
    assert (row["state"], row["inhibited_by"]) == ("active_unack", FLOW)
    assert (row["parent"], row["group"]) == (FLOW, POWER)
    assert room.overview()["unacknowledged"] == 1
    assert room.overview()["inhibited"] == 2


def test_when_the_parent_is_gone_what_nobody_has_seen_is_announced() -> None:
    room = Room(*family())
    room.see({"P/power": 9.0, "P/flow": 9.0, "P/level": 9.0})
    room.act(Acknowledge(), FLOW)
    assert room.see({"P/power": 1.0}) == ["returned"]
    assert room.row()["inhibited_by"] == FLOW  # it still stands, acknowledged
    assert room.see({"P/flow": 1.0}) == ["returned", "reannounced"]
    assert room.called()[-1] == LEVEL


def test_a_parent_of_lower_priority_silences_nobody() -> None:
    room = Room(
        alarm("P/power", priority="low"),
        alarm("P/flow", parent=POWER, priority="critical"),
    )
    room.see({"P/power": 9.0, "P/flow": 9.0})
    assert room.called() == [POWER, FLOW]
    assert room.row(FLOW)["group"] == POWER  # and still it is known whose child it is


def test_a_parent_that_nobody_sees_silences_nobody() -> None:
    room = Room(*family())
    room.see({"P/power": 9.0})
    room.act(Shelve(60.0), POWER)
    room.see({"P/flow": 9.0})
    assert room.called() == [POWER, FLOW]
    room.act(Unshelve(), POWER)
    assert room.row(FLOW)["inhibited_by"] == POWER


def test_shelving_a_parent_lets_its_children_speak() -> None:
    room = Room(*family())
    room.see({"P/power": 9.0, "P/flow": 9.0})
    assert room.act(TakeOut(), POWER, "new switchgear") == [
        "out_of_service", "reannounced",
    ]  # fmt: skip
    assert room.row(POWER)["out_of_service_reason"] == "new switchgear"


def test_a_restart_knows_who_speaks_for_whom() -> None:
    room = Room(*family())
    room.see({"P/power": 9.0, "P/flow": 9.0})
    recalled = {str(event.details["id"]): event for event in room.log}
    again = Room(*family(), recalled=recalled)
    assert again.row(FLOW)["inhibited_by"] == POWER


# ------------------------------------------------------------ chattering, stale, flood


def test_three_times_in_a_minute_is_chattering_until_it_is_calm() -> None:
    room = Room(alarm())
    told: list[str] = []
    for at_s in (0.0, 30.0, 60.0):
        room.now_s = at_s
        told += room.level(6.0) + room.level(1.0)
    assert told[-3:] == ["active", "chattering", "returned"]
    assert room.row()["chattering"]
    assert room.row()["count"] == 3
    assert room.wait(599.0) == []
    assert room.wait(1.0) == ["calm"]
    assert not room.row()["chattering"]


def test_three_times_in_more_than_a_minute_is_not() -> None:
    room = Room(alarm())
    for at_s in (0.0, 30.0, 60.001):
        room.now_s = at_s
        room.level(6.0)
        room.level(1.0)
    assert not room.row()["chattering"]


def test_what_is_active_for_more_than_a_day_is_stale() -> None:
    room = Room(alarm())
    room.level(6.0)
    room.wait(86_400.0)
    assert (room.row()["stale"], room.overview()["stale"]) == (False, 0)
    room.wait(0.1)
    assert (room.row()["stale"], room.overview()["stale"]) == (True, 1)
    room.level(1.0)
    assert not room.row()["stale"]


def test_the_eleventh_in_ten_minutes_begins_a_flood_fewer_than_five_end_it() -> None:
    room = Room(alarm())
    told: list[str] = []
    for place in range(11):
        room.now_s = 20.0 * place
        told += room.level(6.0) + room.level(1.0)
    assert told.count("flood_begin") == 1
    assert told[-2:] == ["flood_begin", "returned"]
    assert room.overview()["flood"]
    room.now_s = 720.0  # those of 120 s and later are still within ten minutes
    assert room.wait(0.0) == []
    assert room.wait(0.1) == ["flood_end"]
    assert not room.overview()["flood"]


def test_what_is_not_announced_floods_nobody() -> None:
    room = Room(alarm(suppressed_while=STOPPED))
    room.see({"P/running": 0.0})
    for place in range(30):
        room.now_s = float(place)
        room.level(6.0)
        room.level(1.0)
    assert not room.overview()["flood"]


# ------------------------------------------------------------------- across a restart


def test_a_restart_goes_on_with_what_chatters_and_with_its_count() -> None:
    old = Room(alarm())
    for at_s in (0.0, 30.0, 60.0):
        old.now_s = at_s
        old.level(6.0)
        old.level(1.0)
    old.now_s = 160.0
    room = Room(alarm(), before=old)
    assert (room.row()["chattering"], room.row()["count"]) == (True, 3)
    assert room.overview()["chattering"] == 1
    assert room.wait(499.0) == []
    assert room.wait(1.0) == ["calm"]
    assert not Room(alarm(), before=room).row()["chattering"]


def test_the_third_activation_chatters_though_the_first_two_were_before_it() -> None:
    old = Room(alarm())
    for at_s in (0.0, 30.0):
        old.now_s = at_s
        old.level(6.0)
        old.level(1.0)
    room = Room(alarm(), before=old)
    assert room.level(6.0) == ["active", "chattering"]


def test_what_chattered_more_than_a_day_ago_is_calm_at_once() -> None:
    old = Room(alarm())
    for _ in range(3):
        old.level(6.0)
        old.level(1.0)
    old.now_s = 90_000.0
    room = Room(alarm(), before=old)
    del old.log[:]
    assert room.wait(0.0) == ["calm"]


def flooded() -> Room:
    """Return a room in a flood: ten were announced, one more, in 200 s."""
    room = Room(alarm())
    for place in range(11):
        room.now_s = 20.0 * place
        room.level(6.0)
        room.level(1.0)
    return room


def test_a_flood_goes_on_across_a_restart_and_ends_when_it_would_have() -> None:
    old = flooded()
    begun_ns = old.overview()["flood_since_ns"]
    room = Room(alarm(), before=old)
    assert room.overview()["flood"]
    assert room.overview()["flood_since_ns"] == begun_ns
    assert room.overview()["announced_10min"] == 11
    room.now_s = 520.0
    assert "flood_end" not in room.wait(0.0)
    assert "flood_end" in room.wait(0.1)
    assert not Room(alarm(), before=room).overview()["flood"]


def test_a_flood_that_a_long_standstill_outlasted_is_said_to_be_over() -> None:
    old = flooded()
    old.now_s = 3_600.0
    assert "flood_end" in Room(alarm(), before=old).wait(0.0)


def test_what_was_announced_before_a_restart_counts_for_a_flood_after_it() -> None:
    old = Room(alarm())
    for place in range(10):
        old.now_s = 20.0 * place
        old.level(6.0)
        old.level(1.0)
    old.now_s = 200.0
    assert "flood_begin" in Room(alarm(), before=old).level(6.0)


def test_an_event_that_stands_for_several_counts_as_several_after_a_restart() -> None:
    old = Room(alarm())
    old.now_s = 100.0
    old.level(6.0)
    details = {"coalesced": 3, "coalesced_since_ns": old.utc_ns - 60 * S}
    (event,) = old.log
    old.log = [replace(event, details={**event.details, **details})]
    room = Room(alarm(), before=old)
    assert room.row()["count"] == 3
    assert room.overview()["announced_10min"] == 3


def test_events_stamped_by_a_clock_that_ran_ahead_count_for_nothing() -> None:
    old = Room(alarm())
    old.level(6.0)
    (event,) = old.log
    old.log = [replace(event, time_ns=event.time_ns + 3600 * S)]
    room = Room(alarm(), before=old)
    assert (room.row()["count"], room.overview()["announced_10min"]) == (0, 0)


# -------------------------------------------------------------------- what is on record


def test_who_did_what_and_why_is_in_the_list_and_survives_a_restart() -> None:
    room = Room(alarm(respond_within_s=60.0))
    room.level(6.0)
    assert room.row()["respond_by_ns"] == EPOCH_NS + 60 * S
    room.wait(1.0)
    room.act(Acknowledge())
    room.act(Shelve(600.0), reason="valve is changed")
    room.engine.judge(
        LEVEL, "false", note="steam", actor="bo", now_s=2.0, utc_ns=room.utc_ns
    )
    again = Room(alarm(respond_within_s=60.0), recalled={LEVEL: room.log[-1]})
    row = again.row()
    assert row["since_ns"] == EPOCH_NS
    assert (row["acknowledged_by"], row["acknowledged_ns"]) == ("ada", EPOCH_NS + S)
    assert (row["shelved_by"], row["shelve_reason"]) == (
        "ada",
        "valve is changed",
    )
    assert room.row()["verdict"] == "false"
    assert (room.row()["verdict_by"], room.row()["verdict_note"]) == ("bo", "steam")


def test_a_verdict_is_on_one_activation() -> None:
    room = Room(alarm())
    room.level(6.0)
    event = room.engine.judge(
        LEVEL, "true", note="", actor="bo", now_s=1.0, utc_ns=room.utc_ns
    )
    assert (event.name, event.details["since_ns"]) == ("verdict", EPOCH_NS)
    room.level(1.0)
    room.level(6.0)
    assert room.row()["verdict"] == ""


def test_an_event_that_calls_says_what_to_do() -> None:
    room = Room(alarm(action="close the valve", consequence="it spills"))
    room.level(6.0)
    details = room.log[-1].details
    assert details["action"] == "close the valve"
    assert details["consequence"] == "it spills"
    room.level(1.0)
    assert "action" not in room.log[-1].details


def test_an_alarm_of_a_model_brings_its_explanation() -> None:
    told = {
        "score": 1.8, "since_ns": 17, "life_h": 90.0, "life_low_h": 40.0,
        "life_high_h": 200.0, "health_index": 0.6,
        "tags": [{"tag": "P/level", "share": 0.75}],
        "likely": [{"fault": "cavitation", "confidence": 0.8, "evidence": "it hisses"}],
    }  # fmt: skip
    room = Room(alarm("P/anomaly_score", "score"), explanation=told)
    room.see({"P/anomaly_score": 1.8})
    details = room.log[-1].details
    assert details["contributing"] == "P/level 75 %"
    assert (details["likely_fault"], details["evidence"]) == ("cavitation", "it hisses")
    assert (details["life_low_h"], details["life_high_h"]) == (40.0, 200.0)
    assert details["abnormal_since_ns"] == 17
    assert room.row("P/anomaly_score:score")["explanation"] == told
    assert room.log[-1].message == (
        "P/anomaly_score is beyond its learned limit: 1.8 bar; most of it from P/level;"
        " likely cavitation; 40 to 200 h of life left"
    )


def test_a_life_without_an_upper_bound_is_told_as_such() -> None:
    told = {"tags": [], "life_low_h": 40.0, "life_high_h": None}
    room = Room(alarm("P/anomaly_score", "score"), explanation=told)
    room.see({"P/anomaly_score": 1.8})
    assert room.log[-1].message.endswith("1.8 bar; 40 h of life left, or more")


def test_a_list_can_be_asked_for_less() -> None:
    room = Room(*family())
    room.see({"P/flow": 9.0})

    def ids(only: Filter) -> list[str]:
        return [r["id"] for r in room.engine.table(now_s=0, utc_ns=0, only=only)]

    assert ids(Filter(standing=True)) == [FLOW]
    assert ids(Filter(tag="P/level")) == [LEVEL]
    assert ids(Filter(asset="Q")) == []
    assert ids(Filter(limit=1)) == [FLOW]  # what stands comes first
    assert len(ids(Filter())) == 3
