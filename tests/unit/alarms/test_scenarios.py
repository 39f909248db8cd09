"""What a control room expects of an alarm, told as short stories.

The cases are those that public alarm servers test their logic with (latching, new and
worse alarms, delay, count, filter, disconnect), in our own words and life-cycle.
"""

from __future__ import annotations

import math

import pytest

from appliance.alarms.acts import Acknowledge, Reset
from appliance.alarms.lifecycle import NotPossibleError
from appliance.domain.sample import Quality
from tests.unit.alarms.room import (
    LEVEL,
    STOPPED,
    Room,
    alarm,
)

# ---------------------------------------------------------------- new and worse alarms


def test_a_new_alarm_calls_once_and_not_with_each_sample() -> None:
    room = Room(alarm())
    assert room.level(6.0) == ["active"]
    assert room.level(7.0) == []
    assert room.called() == [LEVEL]


def test_an_alarm_that_comes_back_before_it_was_seen_calls_again() -> None:
    room = Room(alarm())
    room.level(6.0)
    assert room.level(1.0) == ["returned"]
    assert room.row()["state"] == "rtn_unack"
    assert room.level(6.0) == ["active"]
    assert room.called() == [LEVEL, LEVEL]


def test_the_second_level_calls_although_the_first_was_acknowledged() -> None:
    room = Room(alarm(), alarm(rule="high_high", setpoint=8.0, priority="critical"))
    room.level(6.0)
    room.act(Acknowledge())
    room.level(9.0)
    assert room.called() == [LEVEL, "P/level:high_high"]
    assert room.row()["state"] == "active_ack"  # the first stays answered


def test_to_become_less_calls_for_nobody() -> None:
    room = Room(alarm(), alarm(rule="high_high", setpoint=8.0))
    room.level(9.0)
    before = room.called()
    assert room.level(6.0) == ["returned"]
    assert room.called() == before


def test_low_levels_are_the_mirror_of_high_ones() -> None:
    room = Room(alarm(rule="low"), alarm(rule="low_low", setpoint=2.0))
    assert room.level(4.0) == ["active"]
    assert room.level(1.0) == ["active"]
    assert room.log[-1].message == "P/level is very low: 1 bar (setpoint 2)"


# ------------------------------------------------------------------------------- latch


def test_a_latch_keeps_what_a_moment_showed_until_seen_and_reset() -> None:
    room = Room(alarm(latched=True))
    room.level(6.0)
    room.level(1.0)
    assert room.row()["state"] == "latched_unack"
    with pytest.raises(NotPossibleError, match="acknowledge it first"):
        room.act(Reset())
    room.act(Acknowledge())
    assert room.act(Reset()) == ["reset"]
    assert room.row()["state"] == "normal"


def test_without_a_latch_a_seen_alarm_clears_by_itself() -> None:
    room = Room(alarm())
    room.level(6.0)
    room.act(Acknowledge())
    room.level(1.0)
    assert room.row()["state"] == "normal"


def test_a_latched_alarm_that_comes_again_calls_again() -> None:
    room = Room(alarm(latched=True))
    room.level(6.0)
    room.level(1.0)
    room.act(Acknowledge())
    assert room.level(6.0) == ["active"]
    assert room.row()["state"] == "active_unack"


# --------------------------------------------------------------------- delay and count


def test_what_does_not_last_for_the_delay_is_no_alarm() -> None:
    room = Room(alarm(on_delay_s=4.0))
    room.level(6.0)
    assert room.row()["state"] == "pending"
    room.wait(3.9)
    assert room.level(1.0) == []
    room.wait(10.0)
    assert room.called() == []


def test_what_lasts_is_an_alarm_without_a_further_sample() -> None:
    room = Room(alarm(on_delay_s=4.0))
    room.level(6.0)
    assert room.wait(4.0) == ["active"]


def test_many_short_ones_are_an_alarm_although_none_lasts() -> None:
    room = Room(alarm(on_delay_s=60.0, count=3, count_within_s=20.0))
    told: list[str] = []
    for _ in range(3):
        told += room.level(6.0)
        room.wait(2.0)
        told += room.level(1.0)
        room.wait(2.0)
    assert told == ["active", "returned"]


def test_few_short_ones_are_none() -> None:
    room = Room(alarm(on_delay_s=60.0, count=3, count_within_s=20.0))
    for _ in range(6):
        assert room.level(6.0) == []
        room.level(1.0)
        room.wait(15.0)


def test_an_alarm_that_swings_is_one_alarm_with_an_off_delay() -> None:
    room = Room(alarm(off_delay_s=10.0))
    for _ in range(5):
        room.level(6.0)
        room.wait(2.0)
        room.level(1.0)
        room.wait(2.0)
    assert room.called() == [LEVEL]


# -------------------------------------------------------------------------- disconnect


def test_a_lost_instrument_is_its_own_alarm_and_returns_no_other() -> None:
    room = Room(alarm(), alarm(rule="bad"), alarm(rule="stale"))
    room.level(6.0)
    assert room.level(math.nan, quality=Quality.BAD) == ["active"]
    assert room.row()["state"] == "active_unack"
    assert room.row("P/level:bad")["state"] == "active_unack"
    assert room.wait(6.0, confirmed=False) == ["active"]
    assert room.row("P/level:stale")["state"] == "active_unack"
    assert room.row()["active"]


def test_after_the_connection_came_back_the_process_decides_again() -> None:
    room = Room(alarm(), alarm(rule="bad"))
    room.level(6.0)
    room.level(math.nan, quality=Quality.BAD)
    assert room.level(7.0) == ["returned"]
    assert room.row()["state"] == "active_unack"
    assert room.level(1.0) == ["returned"]


def test_a_pending_alarm_is_neither_completed_nor_cleared_by_a_loss() -> None:
    room = Room(alarm(on_delay_s=4.0))
    room.level(6.0)
    room.level(math.nan, quality=Quality.BAD)
    assert room.wait(10.0) == []
    assert room.row()["state"] == "pending"
    assert room.level(6.0) == ["active"]


# ------------------------------------------------------------ filter: state of plant


def test_in_a_declared_state_of_the_plant_an_alarm_is_not_announced() -> None:
    room = Room(alarm(suppressed_while=STOPPED))
    assert room.see({"P/running": 0.0, "P/level": 6.0}) == ["suppressed", "active"]
    assert room.called() == []
    row = room.row()
    assert row["state"] == "suppressed"
    assert row["suppressed_by"] == "P/running below 0.5"
    assert not row["announced"]


def test_when_the_state_ends_what_is_still_active_is_announced() -> None:
    room = Room(alarm(suppressed_while=STOPPED))
    room.see({"P/running": 0.0, "P/level": 6.0})
    assert room.see({"P/running": 1.0}) == ["unsuppressed", "reannounced"]
    assert room.called() == [LEVEL]
    assert room.row()["suppressed_by"] == ""


def test_what_was_gone_with_the_state_is_not_announced() -> None:
    room = Room(alarm(suppressed_while=STOPPED))
    room.see({"P/running": 0.0, "P/level": 6.0})
    assert room.see({"P/running": 1.0, "P/level": 1.0}) == ["returned", "unsuppressed"]
    assert room.called() == []


def test_a_state_that_is_not_proved_suppresses_nothing() -> None:
    room = Room(alarm(suppressed_while=STOPPED))
    room.see({"P/running": 0.0})
    assert room.see({"P/running": 0.0}, quality=Quality.BAD) == ["unsuppressed"]
    assert room.see({"P/running": 0.0}, quality=Quality.UNCERTAIN) == []
    assert room.see({"P/running": math.nan}) == []
    room.see({"P/running": 0.0})
    assert room.row()["suppressed"]
    assert room.wait(6.0, confirmed=False) == ["unsuppressed"]
    assert room.log[-1].details["reason"] == "P/running is stale"


@pytest.mark.parametrize(
    ("declared", "value", "suppressed"),
    [
        ({"above": 1.0}, 1.0, False),
        ({"above": 1.0}, 1.1, True),
        ({"equals": 2.0}, 2.0, True),
        ({"equals": 2.0}, 2.1, False),
        ({"above": 1.0, "below": 3.0}, 2.0, True),
        ({"above": 1.0, "below": 3.0}, 3.0, False),
    ],
)
def test_every_limit_of_a_declared_state_must_hold(
    declared: dict[str, float], value: float, suppressed: bool
) -> None:
    room = Room(alarm(suppressed_while={"tag": "P/running", **declared}))
    room.see({"P/running": value})
    assert room.row()["suppressed"] is suppressed


def test_a_restart_remembers_a_suppression_unless_its_rule_is_gone() -> None:
    room = Room(alarm(suppressed_while=STOPPED))
    room.see({"P/running": 0.0})
    recalled = {LEVEL: room.log[-1]}
    again = Room(alarm(suppressed_while=STOPPED), recalled=recalled)
    assert again.row()["suppressed_by"] == "P/running below 0.5"
    assert Room(alarm(), recalled=recalled).row()["state"] == "normal"
