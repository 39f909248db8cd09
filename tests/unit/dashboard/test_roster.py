"""Which alarms are listed: filters, floods, and what is never hidden."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.dashboard.roster import (
    ALL,
    ASIDE,
    AUTO,
    GROUPED,
    NEW,
    SINGLY,
    URGENT,
    Line,
    is_flood,
    roster,
)
from appliance.dashboard.standing import PRIORITIES, Alarm, alarm_of
from tests.unit.dashboard.conftest import START_NS, alarm_row


def alarm(number: int, **changes: Any) -> Alarm:  # noqa: ANN401 - a row of msgpack
    """Return an alarm of P-101 that came `number` seconds after the start."""
    row = alarm_row(id=f"a{number}", group=f"a{number}")
    row["since_ns"] = START_NS + number * 10**9
    return alarm_of(row | changes)


def ids(lines: tuple[Line, ...]) -> list[str]:
    return [line.alarm.id + (f"+{line.below}" if line.below else "") for line in lines]


def test_filters_let_through_what_they_say() -> None:
    alarms = (
        alarm(1),
        alarm(2, acknowledged=True, state="active_ack", priority="medium"),
        alarm(3, state="shelved"),
        alarm(4, inhibited_by="a1", priority="low"),
    )
    shown = {
        each: ids(roster(alarms, chosen=each)) for each in (ALL, NEW, URGENT, ASIDE)
    }
    assert shown == {
        ALL: ["a1", "a2", "a3", "a4"],
        NEW: ["a1"],
        URGENT: ["a1"],
        ASIDE: ["a3"],
    }


def test_in_a_flood_children_stand_below_the_root_that_the_hub_names() -> None:
    alarms = (
        alarm(1, group="a3"),
        alarm(2, group="a3", priority="critical"),
        alarm(3, tag="T-1/x", group="a3"),
        alarm(4, tag="V-1/x"),
    )
    assert ids(roster(alarms, grouping=AUTO, flooded=True)) == ["a2", "a3+1", "a4"]
    assert ids(roster(alarms, grouping=GROUPED)) == ["a2", "a3+1", "a4"]
    assert len(roster(alarms, grouping=SINGLY, flooded=True)) == 4
    assert len(roster(alarms, grouping=AUTO)) == 4


def test_without_a_named_root_the_first_alarm_of_the_asset_is_it() -> None:
    alarms = (alarm(5), alarm(1), alarm(3, state="shelved"), alarm(4, tag="V-1/x"))
    assert ids(roster(alarms, grouping=GROUPED)) == ["a1+1", "a3", "a4"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(PRIORITIES), st.integers(0, 6), st.sampled_from("PQR")
        ),
        max_size=12,
    )
)
def test_grouping_hides_no_critical_alarm_and_counts_every_one(
    drawn: list[tuple[str, int, str]],
) -> None:
    alarms = tuple(
        alarm(place, priority=priority, group=f"a{root}", tag=f"{asset}/x")
        for place, (priority, root, asset) in enumerate(drawn)
    )
    lines = roster(alarms, grouping=GROUPED)
    shown = {line.alarm.id for line in lines}
    assert {a.id for a in alarms if a.priority == "critical"} <= shown
    assert len(lines) + sum(line.below for line in lines) <= len(alarms)


@pytest.mark.parametrize(("count", "flood"), [(10, False), (11, True)])
def test_more_than_ten_in_ten_minutes_are_a_flood(count: int, flood: bool) -> None:
    now_ns = START_NS + 60 * 10**9
    assert is_flood([alarm(place) for place in range(count)], now_ns) is flood
    assert not is_flood([alarm(0)] * 20, now_ns + 10**12)
