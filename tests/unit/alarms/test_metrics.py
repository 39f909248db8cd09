"""Figures of the alarms: by hand, and the same whoever counts the same events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.alarms.acts import Acknowledge, Shelve, Unshelve
from appliance.alarms.engine import AlarmEngine
from appliance.alarms.lifecycle import NotPossibleError
from appliance.alarms.metrics import Metrics, recomputed
from appliance.alarms.rates import flood_time_pct, most_within, periods_over_pct
from appliance.alarms.watch import Place
from appliance.config import AlarmSettings
from appliance.domain.batch import batch_of
from appliance.domain.event import Event, EventKind
from appliance.domain.tag import TagId

if TYPE_CHECKING:
    from appliance.alarms.acts import Act

_S = 1_000_000_000
START_NS = 1_700_000_000 * _S
_MIN_NS = 60 * _S


def event(name: str, at_s: float, alarm: str = "P/a:high", **details: object) -> Event:
    active = name in {"active", "reannounced", "acknowledged"}
    told: dict[str, object] = {
        "id": alarm, "active": active, "acknowledged": name == "acknowledged",
    }  # fmt: skip
    if name in {"active", "reannounced"}:
        told["announced"] = True
    return Event(
        kind=EventKind.ALARM,
        name=name,
        time_ns=START_NS + round(at_s * _S),
        message="",
        priority="high",
        details={**told, **details},  # type: ignore[dict-item]  # plain values
    )


def figures(*events: Event, until_s: float = 3600.0) -> dict[str, object]:
    metrics = Metrics(START_NS, {})
    for each in events:
        metrics.add(each)
    return metrics.figures(START_NS + round(until_s * _S))


def test_the_names_are_those_of_alarm_metrics_type() -> None:
    found = figures()
    assert {
        "AlarmCount", "StartTime", "MaximumActiveState", "MaximumUnAck",
        "CurrentAlarmRate", "MaximumAlarmRate", "MaximumReAlarmCount",
        "AverageAlarmRate",
    } <= set(found)  # fmt: skip
    assert found["StartTime"] == "2023-11-14T22:13:20.000+00:00"


def test_a_life_is_counted_and_timed() -> None:
    found = figures(
        event("active", 0.0),
        event("acknowledged", 90.0),
        event("returned", 300.0, acknowledged=True),
        event("active", 3000.0, "P/b:low"),
    )
    assert found["AlarmCount"] == 2
    assert found["MaximumActiveState"] == 600_000.0  # of the second, until now
    assert found["MaximumUnAck"] == 600_000.0
    assert (found["CurrentAlarmRate"], found["MaximumAlarmRate"]) == (1, 1)
    assert found["AverageAlarmRate"] == pytest.approx(2 / 6)
    assert found["alarms_per_day"] == pytest.approx(48.0)
    assert (found["standing"], found["unacknowledged"]) == (1, 1)


def test_what_stood_before_counts_from_the_start_and_is_stale_from_its_own() -> None:
    before = event("active", -100_000.0, since_ns=START_NS - 100_000 * _S)
    found = Metrics(START_NS, {"P/a:high": before}).figures(START_NS + 10 * _S)
    assert found["AlarmCount"] == 0
    assert found["MaximumActiveState"] == 10_000.0
    assert found["stale"] == ["P/a:high"]


def test_announcements_again_of_one_activation_are_counted() -> None:
    found = figures(
        event("active", 0.0),
        event("reannounced", 100.0),
        event("reannounced", 200.0),
        event("returned", 300.0),
        event("active", 400.0),
        event("reannounced", 500.0),
    )
    assert found["MaximumReAlarmCount"] == 2


def test_what_was_not_announced_is_no_load() -> None:
    inhibited = event("active", 0.0, announced=False, inhibited_by="P/power:high")
    old = event("active", 1.0, announced=None, state="shelved")
    flood = event("flood_begin", 2.0, "flood")
    verdict = event("verdict", 3.0)
    assert figures(inhibited, old, flood, verdict)["AlarmCount"] == 0
    of_before = event("active", 1.0, announced=None, state="active_unack")
    assert figures(of_before)["AlarmCount"] == 1


def test_one_event_that_stands_for_several_counts_as_several() -> None:
    many = event(
        "active", 3000.0, coalesced=61, coalesced_since_ns=START_NS + 2400 * _S
    )
    found = figures(many)
    assert found["AlarmCount"] == 61
    assert found["MaximumAlarmRate"] == 61
    assert found["top_10"] == [{"alarm": "P/a:high", "count": 61, "share_pct": 100.0}]


def test_the_split_by_priority_and_the_most_frequent() -> None:
    events = [event("active", float(n), f"P/{n % 20}:high") for n in range(40)]
    found = figures(*events, event("chattering", 41.0))
    assert found["priority_pct"] == {
        "critical": 0.0, "high": 100.0, "medium": 0.0, "low": 0.0,
    }  # fmt: skip
    top = found["top_10"]
    assert isinstance(top, list)
    assert len(top) == 10
    assert found["chattering"] == ["P/a:high"]


def test_floods_by_hand() -> None:
    eleven = np.array([START_NS + n * _S for n in range(11)])
    none = np.array([], dtype=np.int64)
    assert most_within(eleven) == 11
    assert most_within(np.array([0, 600 * _S, 1201 * _S])) == 2
    assert most_within(none) == 0
    hour_ns = START_NS + 60 * _MIN_NS
    assert periods_over_pct(eleven, START_NS, hour_ns) == pytest.approx(
        100 / 6, abs=1e-3
    )
    # It begins with the eleventh (10 s), and ends when 4 are left (606 s).
    assert flood_time_pct(eleven, START_NS, hour_ns) == pytest.approx(
        596 / 36, abs=1e-3
    )
    assert flood_time_pct(eleven, START_NS, START_NS + 20 * _S) == pytest.approx(50.0)
    assert flood_time_pct(none, START_NS, START_NS) == 0.0


@settings(max_examples=60, deadline=None)
@given(
    steps_s=st.lists(st.sampled_from([0, 1, 30, 60, 100, 599, 600]), max_size=80),
    passed_s=st.integers(0, 9000),
)
def test_time_in_flood_is_what_a_person_would_count(
    steps_s: list[int], passed_s: int
) -> None:
    times_s = np.cumsum(np.array(steps_s, dtype=np.int64))
    turns = sorted([(t, 1) for t in times_s] + [(t + 600, -1) for t in times_s])
    count, since_s, flooded_s = 0, -1, 0
    for at_s, by in turns:
        if at_s > passed_s:
            break
        count += by
        if since_s < 0 and count > 10:
            since_s = at_s
        elif since_s >= 0 and count < 5:
            flooded_s, since_s = flooded_s + at_s - since_s, -1
    if since_s >= 0:
        flooded_s += passed_s - since_s
    expected = 100 * flooded_s / passed_s if passed_s else 0.0
    told = flood_time_pct(times_s * _S, 0, passed_s * _S)
    assert told == pytest.approx(expected, abs=1e-3)


ACTS: tuple[Act, ...] = (Acknowledge(), Shelve(50.0), Shelve(90.0, True), Unshelve())
PLACES = {TagId("P/a"): Place(0, "g", 5.0), TagId("P/b"): Place(1, "g", 5.0)}
ALARMS = tuple(
    AlarmSettings.model_validate(
        {"tag": tag, "rule": "high", "setpoint": 5.0, "realarm_after_s": 60.0, **more}
    )
    for tag, more in (("P/a", {}), ("P/b", {"parent": "P/a:high"}))
)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["see", "act", "tick"]),
            st.integers(0, 3),
            st.integers(0, 1),
            st.integers(1, 400),
        ),
        max_size=60,
    ),
    cut=st.integers(0, 60),
)
def test_live_and_recomputed_figures_are_equal(
    steps: list[tuple[str, int, int, int]], cut: int
) -> None:
    """Whatever happens, and wherever the counting begins."""
    engine = AlarmEngine(ALARMS, PLACES, now_s=0.0, utc_ns=START_NS)
    journal: list[Event] = []
    last: dict[str, Event] = {}
    live, begin_ns, utc_ns = Metrics(START_NS, {}), START_NS, START_NS
    for place, (what, choice, tag, passed_s) in enumerate(steps):
        utc_ns += passed_s * _S
        now_s = (utc_ns - START_NS) / _S
        if place == cut:  # the hub starts again here, and knows the last words
            begin_ns = utc_ns
            live = Metrics(begin_ns, dict(last))
        for told in _happen(engine, (what, choice, tag), now_s, utc_ns):
            journal.append(told)
            last[str(told.details["id"])] = told
            live.add(told)
    assert recomputed(journal, begin_ns, utc_ns) == live.figures(utc_ns)


def _happen(
    engine: AlarmEngine, step: tuple[str, int, int], now_s: float, utc_ns: int
) -> list[Event]:
    what, choice, tag = step
    if what == "tick":
        return engine.tick(now_s=now_s, utc_ns=utc_ns)
    if what == "see":
        batch = batch_of(
            [tag], [4.0 + choice], source_time_ns=utc_ns, receive_time_ns=0, group="g"
        )
        return engine.evaluate(batch, now_s=now_s, utc_ns=utc_ns)
    try:
        return engine.act(
            ALARMS[tag].id, ACTS[choice], actor="ada", now_s=now_s, utc_ns=utc_ns
        )
    except NotPossibleError:
        return []
