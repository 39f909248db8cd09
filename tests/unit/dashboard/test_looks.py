"""Limits, gauges, the forecast, a tag's screen, the shelf, one alarm whole."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from appliance.dashboard.limits import limits_by_tag
from appliance.dashboard.machines import Life
from appliance.dashboard.model import Missing, Plant, history_of
from appliance.dashboard.shelf import read_shelf
from appliance.dashboard.views import models, system, tag
from appliance.dashboard.views.alarm_detail import alarm_rows
from appliance.dashboard.views.forecast import fan_of
from appliance.dashboard.views.gauge import gauge
from appliance.dashboard.views.words import Items, text_of
from appliance.domain.health import (
    Contribution,
    Explanation,
    LikelyFault,
    PastEpisode,
    SensorFinding,
)
from appliance.domain.sample import Quality
from appliance.updates import journal
from appliance.wire.messages import Hello, TagEntry
from tests.unit.dashboard.conftest import DESCRIPTION, START_NS, alarm_row, at, batch

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.dashboard.machines import Asset

VIBRATION = "P-101/DE/vibration_rms"
ALARMS = [
    {"id": "v:high", "tag": VIBRATION, "rule": "high", "setpoint": 4.5,
     "priority": "high"},
    {"id": "v:bad", "tag": VIBRATION, "rule": "bad", "setpoint": None,
     "priority": "low"},
    {"id": "s", "tag": "P-101/anomaly_score", "rule": "score", "setpoint": None,
     "priority": "medium"},
    {"id": "l", "tag": "T-101/level", "rule": "low_low", "setpoint": 5,
     "priority": "critical"},
]  # fmt: skip
TRIPS = [
    {"id": "hh", "channels": [VIBRATION], "condition": "high", "setpoint": 7.1},
    {"id": "band", "channels": ["T-101/level"], "condition": "outside",
     "setpoint": 95.0, "setpoint_low": 2.0},
    {"id": "dry", "channels": ["T-101/level"], "condition": "low", "setpoint": 1.0},
    {"id": "fast", "channels": [VIBRATION], "condition": "rate", "setpoint": 1.0},
]  # fmt: skip
DESCRIBED = DESCRIPTION | {"alarms": ALARMS, "initiators": TRIPS}


@pytest.fixture
def known(plant: Plant) -> Plant:
    """The plant with its limits."""
    plant.take_answer("describe", DESCRIBED, at(0))
    return plant


def machine(plant: Plant) -> Asset:
    found = plant.asset("P-101", at(0))
    assert found is not None
    return found


def shown(plant: Plant, width: int = 100, name: str = VIBRATION) -> str:
    seen = tag.View(START_NS - 10**10, START_NS, live=True)
    rows = tag.head_rows(plant, name, width, at(0))
    rows += tag.chart_rows(plant, name, seen, (width, 14), now=at(0), zone=UTC)
    return text_of(rows)


def test_a_value_that_has_a_word_shows_it_beside_the_number() -> None:
    plant = Plant()
    tags = (TagEntry(99, "P-101/mode", states=((0, "local"), (2, "remote"))),)
    plant.take_hello("hub", Hello(1, "hub", "e", tags), at(0))
    plant.take_batch(batch({"P-101/mode": 2.0}), at(0))
    assert "2.000 remote  " in shown(plant, name="P-101/mode")


def past(values: list[float | None], name: str = VIBRATION) -> Any:  # noqa: ANN401 - a history
    step = 10**10 // len(values)
    told = {
        "source_time_ns": [START_NS - 10**10 + n * step for n in range(len(values))],
        "value": values,
        "quality": [0 if value is None else 2 for value in values],
    }
    return history_of(name, told, (START_NS - 10**10, START_NS))


def test_limits_are_those_of_alarms_and_trips_that_hold_a_level() -> None:
    found = limits_by_tag(DESCRIBED)
    levels = {
        name: [(each.level, each.above, each.priority) for each in limits]
        for name, limits in found.items()
    }
    assert levels == {
        VIBRATION: [(4.5, True, "high"), (7.1, True, "trip")],
        "P-101/anomaly_score": [(1.0, True, "medium")],
        "T-101/level": [
            (1.0, False, "trip"),
            (2.0, False, "trip"),
            (5.0, False, "critical"),
            (95.0, True, "trip"),
        ],
    }


def test_a_gauge_marks_limits_and_value_and_hides_a_value_it_does_not_trust(
    known: Plant,
) -> None:
    limits = known.limits[VIBRATION]

    def drawn(value: float, quality: Quality = Quality.GOOD) -> str:
        known.take_batch(batch({VIBRATION: value}, quality=quality), at(0))
        reading = known.readings.reading(VIBRATION, 1000.0)
        assert reading is not None
        return text_of([gauge(reading, limits, 20)])

    assert drawn(1.2) == "──●──────|─────‖────"
    assert drawn(50.0).endswith("●")
    assert drawn(1.2, Quality.BAD) == "─────────|─────‖────"
    reading = known.readings.reading("P-101/motor/speed", 1000.0)
    assert reading is not None
    assert text_of([gauge(replace(reading, range_high=None), (), 9)]) == ""


def test_the_forecast_falls_to_zero_at_the_remaining_life_within_its_interval(
    plant: Plant,
) -> None:
    asset = machine(plant)
    assert fan_of(replace(asset, life=None), 10, 5).lines == ()
    whole = replace(asset, life=Life(expected_h=40.0, low_h=20.0, high_h=80.0))
    fan = fan_of(whole, 16, 8)
    assert (fan.hours, fan.width, len(fan.lines)) == (80.0, 16, 8)
    column = ["".join(line[n] for line in fan.lines) for n in range(16)]
    assert column[0].index("─") == 0
    assert column[7].index("─") == 7, "failed after 40 h of 80 h"
    assert column[4].count("░") > column[0].count("░"), "the longer, the less is known"
    endless = replace(whole, life=Life(40.0, 20.0, math.inf))
    assert fan_of(endless, 16, 8).hours == 80.0
    assert fan_of(whole, 3, 8).lines == ()


def test_a_tag_shows_value_limits_gaps_and_what_is_beyond(known: Plant) -> None:
    known.take_batch(batch({VIBRATION: 5.2}), at(0))
    assert "asking the hub for its past" in shown(known)
    known.take_history(past([1.0, 1.2, None, 5.0, 5.2]))
    known.missing[VIBRATION] = (
        Missing("a restart", START_NS - 10**10, START_NS - 9 * 10**9),
    )
    text = shown(known)
    for words in (
        "5.200 mm/s   good, 0.0 s old",
        "▲H above 4.50 high alarm · ■X above 7.10 trip",
        "▲H 4.50┤",
        "lowest 1.000 mm/s, highest 5.200 mm/s, 5 points shown; a gap: a restart",
        "last 10 s",
        "×",  # noqa: RUF001 - the sign
    ):
        assert words in text
    styles = {
        style
        for row in tag.chart_rows(
            known, VIBRATION, tag.View(0, 1, live=False), (80, 12), now=at(0), zone=UTC
        )
        for _, style in row
    }
    assert "line-high" in styles
    assert "line-trip" not in styles


def test_a_tag_that_nobody_knows_and_one_without_a_past_say_so(known: Plant) -> None:
    assert "there is no such tag here" in shown(known, name="X/y")
    known.take_history(past([None, None]))
    assert "nothing good was stored in this time" in shown(known)


def test_a_model_born_alarm_says_why_since_when_and_what_it_is_likely(
    plant: Plant,
) -> None:
    told = Explanation(
        "P-101", START_NS - 10**11, "running", 3.0, 1.0,
        tags=(Contribution(VIBRATION, 0.61, "velocity_rms", "up"),),
        likely=(LikelyFault("outer_race", 0.9, "BPFO line 14 dB up"),),
        sensor=(SensorFinding("P-101/flow", "stuck", "no change for 2 h"),),
        similar=(PastEpisode(START_NS - 10**16, 0.93, "bearing replaced"),),
    )  # fmt: skip
    texts = {"P-101/anomaly_score": VIBRATION}
    plant.take_batch(batch({}, group="inference.P-101", texts=texts), at(0))
    plant.readings.texts["P-101/explanation"] = told.text()
    row = alarm_row(
        id="P-101/anomaly_score:score", tag="P-101/anomaly_score", rule="score",
        since_ns=START_NS - 10**9, acknowledged_by="ada", verdict="true",
        verdict_by="ada", verdict_note="spall", chattering=True, count=7,
        shelved_until_ns=START_NS + 10**12, state="shelved", shelved_by="bob",
        shelve_reason="known", one_shot=True, inhibited_by="root",
    )  # fmt: skip
    plant.take_answer("alarms.list", [row], at(0))
    text = text_of(alarm_rows(plant, plant.alarms[0], 120, at(10), UTC))
    for words in (
        "60 min left to respond, of 60 min",
        "outer race, 90 %: BPFO line 14 dB up",
        "P-101/flow stuck: no change for 2 h",
        f"{VIBRATION} 61 % (velocity_rms up)",
        "machine running",
        "93 %: bearing replaced",
        "seen by ada",
        "or until it is gone once by bob: known",
        "true by ada: spall",
        "root speaks for it",
        "7 times lately · CHATTERS",
    ):
        assert words in text


def test_the_time_to_respond_runs_out_loudly(plant: Plant) -> None:
    plant.take_answer("alarms.list", [alarm_row(since_ns=START_NS)], at(0))
    (alarm,) = plant.alarms

    def said(at_s: float) -> str:
        return text_of(alarm_rows(plant, alarm, 100, at(at_s), UTC))

    assert "60 min left to respond, of 60 min" in said(0)
    assert "10 min left to respond" in said(3000)
    assert "TOO LATE by 10 min: it was 60 min" in said(4200)
    gone = replace(alarm, active=False)
    rows = alarm_rows(plant, gone, 100, at(4200), UTC)
    assert "to respond within 60 min" in text_of(rows)
    assert replace(alarm, respond_within_s=None).respond_left_s(0) is None


def test_the_shelf_is_read_as_it_lies(tmp_path: Path) -> None:
    assert "there are no models below" in read_shelf(tmp_path).trouble
    root = tmp_path / "models"
    for version in ("v1", "v2"):
        (root / "P-101" / version).mkdir(parents=True)
    (root / "P-101" / "active").symlink_to("v2")
    act = journal.Act(START_NS, "activate", "P-101", "v2", "v1", "ada")
    journal.append(root, act)
    plant = Plant()
    plant.shelf = read_shelf(tmp_path)
    states = {each.version: each.state for each in plant.shelf.versions}
    assert states == {"v1": "candidate", "v2": "active"}
    text = text_of(models.act_rows(plant, 100, UTC))
    assert "activate v2 of P-101 by ada, before: v1" in text
    items = models.shelf_items(plant, 80)
    assert "v1" in text_of(item.row for item in items)


def test_the_models_say_who_judges_what_is_missing_and_what_is_refused() -> None:
    plant = Plant()
    assert "inference has not said yet" in text_of(models.judging_rows(plant, 80))
    plant.status = {
        "processes": {
            "inference": {
                "models": {"P-101": "v1"}, "shadows": {"P-101": "v2"},
                "without_model": ["T-1"], "refused": {"V-1": "bad digest"},
            }
        }
    }  # fmt: skip
    text = text_of(models.judging_rows(plant, 80))
    for words in ("judges      v1", "shadow      v2", "learn T-1", "bad digest"):
        assert words in text


def test_certificates_are_coloured_only_when_they_need_somebody() -> None:
    plant = Plant()
    day = 86_400 * 10**9
    names = [(400, ""), (20, "notice"), (3, "high"), (-1, "high")]
    plant.machine = {
        "disk_bytes": 1e9, "disk_free_bytes": 1e8, "cores": 1, "load_1min": 4.0,
        "certificates": [
            {"place": "own", "subject": f"CN={days}", "ends_ns": START_NS + days * day}
            for days, _ in names
        ],
    }  # fmt: skip
    rows = system.machine_rows(plant, 60, at(0))
    styles = {
        row[1][0].split("=")[-1].strip(): row[1][1]
        for row in rows
        if len(row) > 1 and "CN=" in row[1][0]
    }
    assert styles == {str(days): style for days, style in names}
    assert "load 4.0/1" in text_of(rows)
    assert "ENDED" in text_of(rows)


def test_a_list_of_ten_thousand_draws_only_what_is_asked_for() -> None:
    asked: list[int] = []

    def draw(place: int) -> Any:  # noqa: ANN401 - a row
        asked.append(place)
        return ((str(place), ""),)

    items = Items([str(place) for place in range(10_000)], draw)
    assert items[9_999].row == (("9999", ""),)
    assert items[-1].key == "9999"
    assert [item.key for item in items[3:5]] == ["3", "4"]
    assert items[3].row == items[3].row
    assert asked == [9_999, 3, 4]
