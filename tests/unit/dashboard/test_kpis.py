"""How good the alarms are: what is judged, and what is said of it."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from appliance.alarms.metrics import Metrics
from appliance.dashboard.kpis import Judged, Kpis, kpis_of
from appliance.dashboard.model import Now, Plant
from appliance.dashboard.views import kpi as view
from appliance.dashboard.views.words import text_of
from appliance.domain.event import Event, EventKind
from appliance.wire.messages import WireError

_S = 1_000_000_000
START_NS = 1_790_000_000 * _S
LATER = Now(0.0, 0)


def told(
    count: int = 0, *, hours: float = 2.0, priority: str = "low", each_s: float = 1.0
) -> dict[str, Any]:
    """Return the hub's figures of so many alarms in so many hours, through the wire."""
    metrics = Metrics(START_NS, {})
    for number in range(count):
        details: dict[str, Any] = {"id": f"P-1/tag_{number % 12}:high", "active": True}
        metrics.add(Event(
            EventKind.ALARM, "active", START_NS + round(each_s * number * _S), "",
            priority=priority, details=details | {"announced": True},
        ))  # fmt: skip
    return metrics.figures(START_NS + round(hours * 3600 * _S))


def judged(kpis: Kpis, name: str) -> Judged:
    return {each.name: each.judged for each in (*kpis.figures, *kpis.shares)}[name]


def test_a_quiet_night_is_as_it_should_be() -> None:
    kpis = kpis_of(told(2, each_s=3600.0))
    assert (kpis.count, kpis.beyond, kpis.length_s) == (2, 0, 7200.0)
    plant = Plant(kpis=kpis)
    (text,) = text_of([view.head_row(plant, 80, UTC)]).splitlines()
    assert text.startswith("─ 2 alarms since 14:13:20 (2 h): as it should be ")


def test_rates_and_floods_are_held_against_their_targets() -> None:
    kpis = kpis_of(told(100))
    beyond = {
        "most in 10 min", "per 10 min, average", "per hour, average",
        "per day, average", "10 min with over 10", "time in flood", "top ten's share",
    }  # fmt: skip
    assert {f.name for f in kpis.figures if f.judged is Judged.BEYOND} == beyond
    assert "7 beyond target" in text_of([view.head_row(Plant(kpis=kpis), 80, UTC)])
    rows = text_of(view.figure_rows(Plant(kpis=kpis), 39)).splitlines()
    assert rows[2] == " ! most in 10 min           100    ≤ 10"
    assert all(len(row) <= 39 for row in rows)


def test_averages_of_less_than_an_hour_are_not_judged() -> None:
    kpis = kpis_of(told(20, hours=0.5))
    assert judged(kpis, "per hour, average") is Judged.EARLY
    assert judged(kpis, "most in 10 min") is Judged.BEYOND
    early = Plant(kpis=kpis_of(told(1, hours=0.5)))
    assert "too early to judge all" in text_of([view.head_row(early, 80, UTC)])


def test_a_share_far_beyond_its_target_is_marked_once_they_are_many() -> None:
    assert judged(kpis_of(told(49, priority="high")), "high") is Judged.EARLY
    assert judged(kpis_of(told(50, priority="high")), "high") is Judged.BEYOND
    assert judged(kpis_of(told(50, priority="critical")), "critical") is Judged.BEYOND
    assert judged(kpis_of(told(50, priority="low")), "low") is Judged.WELL


def test_what_chatters_or_is_stale_is_listed_though_it_is_not_among_the_ten() -> None:
    figures = told(12) | {
        "chattering": ["P-1/tag_9:high"],
        "stale": ["x:bad", "y:bad"],
    }
    kpis = kpis_of(figures)
    assert judged(kpis, "chattering") is Judged.BEYOND
    assert judged(kpis, "stale, over a day") is Judged.WELL
    items = view.frequent_items(Plant(kpis=kpis), 80)
    assert items.keys[10:] == ("P-1/tag_9:high", "x:bad", "y:bad")
    last = text_of([item.row for item in items[10:12]]).splitlines()
    assert last[0].endswith("chattering")
    assert last[1].endswith("stale")
    assert text_of([items[0].row]).endswith("1   8.33 %")


def test_a_count_of_days_names_the_day_it_began() -> None:
    kpis = kpis_of(told(1, hours=72.0))
    head = text_of([view.head_row(Plant(kpis=kpis), 80, UTC)])
    assert "since 09-21 14:13:20 (3 d)" in head


def test_before_the_hub_has_told_nothing_is_made_up() -> None:
    plant = Plant()
    assert "has not told yet" in text_of([view.head_row(plant, 80, UTC)])
    assert view.figure_rows(plant, 39) == view.share_rows(plant, 39) == []
    assert not view.frequent_items(plant, 80)
    assert "no alarm came" in text_of([view.frequent_title(plant, 80)])


@pytest.mark.parametrize(
    "strange",
    [{}, None, {**told(), "priority_pct": {}}, {**told(), "StartTime": "soon"},
     {**told(), "AlarmCount": None}, {**told(2), "top_10": [{}]}],
)  # fmt: skip
def test_a_strange_answer_is_refused_and_nothing_of_it_is_taken(
    strange: object,
) -> None:
    plant = Plant()
    with pytest.raises(WireError, match=r"a strange answer to alarms\.kpi"):
        plant.take_answer("alarms.kpi", strange, LATER)
    assert plant.kpis is None
