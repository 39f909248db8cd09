"""What the screens say in cases that a running plant seldom shows."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from appliance.dashboard.actions import ACTIONS, SCREENS, allowed, footer_actions
from appliance.dashboard.model import HUB, SAFETY, Plant, history_of
from appliance.dashboard.palette import STYLES, style_of
from appliance.dashboard.roster import roster
from appliance.dashboard.views import (
    alarms,
    asset,
    banner,
    events,
    models,
    overview,
    system,
    tag,
    trips,
)
from appliance.dashboard.views.alarm_detail import alarm_rows
from appliance.dashboard.views.words import text_of
from appliance.dashboard.widgets.footer import footer_row
from appliance.domain.sample import Quality
from appliance.wire.messages import EventMessage, Hello, TagEntry
from tests.unit.dashboard.conftest import (
    NUMBER,
    alarm_row,
    at,
    batch,
    guard_status,
    tripped_status,
)

if TYPE_CHECKING:
    from appliance.dashboard.machines import Asset
    from appliance.dashboard.views.words import Row

WIDTHS = (80, 120, 200)


def machine(plant: Plant, at_s: float = 0.0) -> Asset:
    found = plant.asset("P-101", at(at_s))
    assert found is not None
    return found


def every_row(plant: Plant, width: int) -> list[Row]:
    """Return all rows of all screens."""
    now = at(1)
    rows = banner.banner_rows(plant, width, now, screen="overview", zone=UTC)
    rows += overview.problem_rows(plant, width, 11, now)
    rows.append(overview.asset_head(width))
    rows += [item.row for item in overview.asset_items(plant, width, now)]
    for each in plant.assets(now):
        rows += [item.row for item in overview.value_items(plant, each, width, now)]
        rows += asset.head_rows(plant, each, width, now)
        size = (width, 9)
        rows += asset.trend_rows(None, each, size, 300.0)
        rows += asset.spectrum_rows(plant, each, size, now, envelope=True)
    lines = roster(plant.alarms)
    rows += [item.row for item in alarms.alarm_items(plant, lines, width, now)]
    first = next(iter(plant.alarms), None)
    rows += alarm_rows(plant, first, width, now, UTC)
    rows += [item.row for item in models.shelf_items(plant, width)]
    rows += [*models.judging_rows(plant, width), *models.act_rows(plant, width, UTC)]
    for name in plant.readings.names:
        rows += tag.head_rows(plant, name, width, now)
        seen = tag.View(now.utc_ns - 10**10, now.utc_ns, live=True)
        rows += tag.chart_rows(plant, name, seen, (width, 12), now=now, zone=UTC)
    rows += trips.mode_rows(plant, width, now, UTC)
    rows += [item.row for item in trips.matrix_items(plant, width)]
    row = next(iter(plant.guard.initiators), None)
    rows += trips.initiator_rows(plant, row, width)
    rows += system.process_rows(plant, width, now)
    rows += system.buffer_rows(plant, width, now)
    log = plant.events.newest_first()
    rows += [item.row for item in events.event_items(log, width, UTC, dated=True)]
    rows += events.detail_rows(next(iter(log), None), width, UTC)
    return rows


def alarm_list(plant: Plant, width: int, at_s: float = 0.0) -> str:
    """Return the list of alarms as text."""
    lines = roster(plant.alarms)
    items = alarms.alarm_items(plant, lines, width, at(at_s))
    return text_of(item.row for item in items)


HOSTILE = st.text(
    st.characters() | st.sampled_from("[]/\x1b泵é́"), min_size=1, max_size=30
)


@given(HOSTILE, st.sampled_from(WIDTHS))
def test_no_row_is_wider_than_the_terminal_whatever_is_in_it(
    text: str, width: int
) -> None:
    plant = Plant()
    tags = (TagEntry(1, f"{text}/x", text, None, None, text),)
    plant.take_hello(HUB, Hello(1, "hub", "e", tags), at(0))
    plant.take_hello(SAFETY, Hello(1, "safety", "e"), at(0))
    row = alarm_row(id=text, tag=f"{text}/x", cause=text, action=text, actor=text)
    plant.take_answer("alarms.list", [row], at(0))
    status = tripped_status(text)
    status["initiators"][0] |= {"id": text, "elements": [text], "state": text}
    plant.take_answer("status", status, at(0))
    plant.take_event(EventMessage("alarm", "x", 1, text, actor=text, priority="high"))
    plant.take_answer("status", hub_status(without_model=[text]), at(0))
    for each in every_row(plant, width):
        joined = "".join(word for word, _ in each)
        assert cell_len(joined) <= width
        assert joined.isprintable()


def hub_status(**inference: Any) -> dict[str, Any]:  # noqa: ANN401 - msgpack
    return {
        "process": "hub",
        "counters": {"samples_rejected": 3},
        "sources": {"skid": "lost", "inference": "connected"},
        "confirmed_ns": {"skid.subscription": at(0).utc_ns, "skid": 1},
        "storage": {"healthy": False, "last_error": "disk full", "usage": None},
        "processes": {"inference": {"models": {"P-101": "v1"}, **inference}},
    }


def test_the_banner_tells_trip_observe_bypass_and_loss_apart(plant: Plant) -> None:
    def shown(**changes: object) -> str:
        plant.take_answer("status", guard_status(**changes), at(0))
        return said()

    def said() -> str:
        rows = banner.banner_rows(plant, 80, at(3), screen="trips", zone=UTC)
        return text_of(rows)

    assert "safety armed · no trip" in shown()
    assert "! safety only OBSERVES" in shown(mode="observe")
    bypassed = guard_status()["initiators"]
    bypassed[0]["bypass"] = {"by": "a", "reason": "b", "left_s": 9.0}
    assert "· 1 BYPASSED" in shown(initiators=bypassed)
    plant.take_answer("status", tripped_status(), at(0))
    assert "■ TRIP motor by vibration · stop confirmed" in said()
    plant.take_loss(SAFETY, "gone", at(0))
    assert "? safety: state UNKNOWN; its last word: TRIPPED" in said()
    assert "DISCONNECTED: safety (3.0 s); trying again" in said()


def test_before_safety_has_answered_nothing_is_claimed() -> None:
    plant = Plant()
    plant.take_hello(SAFETY, Hello(1, "safety", "e"), at(0))
    rows = banner.banner_rows(plant, 120, at(0), screen="overview", zone=UTC)
    assert "safety: asking" in text_of(rows)


def test_the_trips_before_and_after_safety_was_seen(plant: Plant) -> None:
    unseen = text_of(trips.mode_rows(Plant(), 80, at(0), UTC))
    assert "safety is not connected" in unseen
    plant.take_answer(
        "status", {**tripped_status(), "mode": "observe", "journal": {"trouble": "x"}},
        at(0),
    )  # fmt: skip
    plant.take_loss(SAFETY, "gone", at(0))
    text = text_of(trips.mode_rows(plant, 80, at(0), UTC))
    assert "OBSERVE: judges, but stops nothing (OLD" in text
    assert "its journal is in trouble: x" in text


def test_the_first_out_and_a_degraded_vote_are_marked(plant: Plant) -> None:
    status = tripped_status()
    status["initiators"][0] |= {"acting_vote": "trip", "state": "bad", "margin": None}
    status["elements"][0]["causes"] = ["vibration", "scan overrun"]
    plant.take_answer("status", status, at(0))
    (item,) = trips.matrix_items(plant, 100)
    assert text_of([item.row]).startswith("1 vibration")
    assert "1oo1→trip" in text_of([item.row])
    mode = text_of(trips.mode_rows(plant, 120, at(0), UTC))
    assert "TRIPPED by vibration, then scan overrun; stop confirmed" in mode


def test_an_element_without_a_heartbeat_says_so(plant: Plant) -> None:
    element = {"id": "motor", "tripped": False, "heartbeat": False}
    plant.take_answer("status", guard_status(elements=[element]), at(0))
    assert "no heartbeat" in text_of(trips.mode_rows(plant, 80, at(0), UTC))


def test_there_may_be_no_initiator_and_no_alarm(plant: Plant) -> None:
    assert "none" in text_of(trips.initiator_rows(plant, None, 80))
    assert "no alarm stands" in text_of(alarm_rows(plant, None, 80, at(0), UTC))
    plant.take_loss(HUB, "gone", at(0))
    assert "no alarm is known" in text_of(alarm_rows(plant, None, 80, at(0), UTC))


def test_the_value_of_an_alarm_is_marked_while_it_is_not_fresh(plant: Plant) -> None:
    plant.take_answer("alarms.list", [alarm_row(actor="ada")], at(0))
    assert "?5.200 mm/s" in alarm_list(plant, 80, 60)
    (alarm,) = plant.alarms
    detail = text_of(alarm_rows(plant, alarm, 80, at(60), UTC))
    assert "ACTIVE, new since 14:13:20 (60 s) by ada" in detail
    bare = alarm_row(tag="X/y", changed_ns=0, action="", cause="", consequence="")
    plant.take_answer("alarms.list", [bare | {"respond_within_s": None}], at(0))
    (alarm,) = plant.alarms
    detail = text_of(alarm_rows(plant, alarm, 80, at(0), UTC))
    assert detail.count("not configured") == 2
    assert "the tag is not known here" in detail


@pytest.mark.parametrize(
    ("quality", "mode", "word"),
    [
        (Quality.GOOD, "running", "0.98"),
        (Quality.BAD, "stopped", "stopped"),
        (Quality.BAD, "running", "none now"),
        (Quality.UNCERTAIN, "running", "uncertain"),
    ],
)
def test_where_there_is_no_health_it_says_why(
    plant: Plant, quality: Quality, mode: str, word: str
) -> None:
    plant.take_answer("status", hub_status(modes={"P-101": mode}), at(0))
    health = batch(
        {"P-101/health_index": 0.98}, group="inference.P-101", quality=quality
    )
    plant.take_batch(health, at(0))
    assert overview.health_word(machine(plant)) == word


def test_an_asset_without_a_model_says_so(plant: Plant) -> None:
    other = Plant()
    tags = tuple(TagEntry(number, name) for name, number in NUMBER.items())
    other.take_hello(HUB, Hello(1, "hub", "e", tags), at(0))
    assert overview.health_word(machine(other)) == "no model"
    level = plant.asset("T-101", at(0))
    assert level is not None
    assert overview.health_word(level) == "-"
    assert len(overview.value_items(plant, None, 80, at(0))) == 0


def test_the_trend_shows_the_lowest_value_of_each_column_and_the_gaps(
    plant: Plant,
) -> None:
    given = {
        "source_time_ns": [0, 1, 50, 99],
        "value": [1.0, 0.5, 0.2, 0.1],
        "quality": [2, 2, 0, 2],
    }
    history = history_of("P-101/health_index", given, (0, 100))
    values = asset.resampled(history, 10, machine(plant))
    assert values[0] == 0.5
    assert values[9] == 0.1
    stray = history_of("P-101/health_index", given, (1000, 1100))
    assert not any(v == v for v in asset.resampled(stray, 10, machine(plant)))  # noqa: PLR0124 - NaN
    other = history_of("T-101/health_index", given, (0, 100))
    assert not any(v == v for v in asset.resampled(other, 10, machine(plant)))  # noqa: PLR0124 - NaN


def test_the_spectrum_says_why_there_is_none_or_no_line(plant: Plant) -> None:
    def shown() -> str:
        size = (60, 9)
        return text_of(
            asset.spectrum_rows(plant, machine(plant), size, at(0), envelope=True)
        )

    assert "no waveform yet" in shown()
    plant.take_batch(batch({}, waveform=b"\0" * 40), at(0))
    assert "too short" in shown()
    plant.take_batch(batch({}, waveform=b"\0" * 4096), at(0))
    assert "O outer race 74 Hz" in shown()
    plant.take_batch(batch({"P-101/motor/speed": 0.0}), at(0))
    assert "the machine stands still" in shown()
    plant.take_batch(batch({"P-101/motor/speed": 0.0}, quality=Quality.BAD), at(0))
    assert "the speed is not known" in shown()
    plant.take_answer("describe", {}, at(0))
    assert "no waveform yet" in shown()


def test_the_system_names_what_is_in_trouble(plant: Plant) -> None:
    told = hub_status(
        without_model=["T-101"], refused={"V-101": "bad digest"}, modes={}
    )
    told["processes"]["sync"] = {"uplink": "connecting", "mqtt": "unknown"}
    plant.take_answer("status", told, at(0))
    outbox = {"event": {"pending": 2, "delivered": 1, "declared_gaps": 4,
                        "oldest_ns": at(-60).utc_ns, "pending_bytes": 10}}  # fmt: skip
    plant.take_answer("outbox.status", outbox, at(0))
    plant.take_loss(SAFETY, "gone", at(0))
    text = text_of(
        [*system.process_rows(plant, 60, at(0)), *system.buffer_rows(plant, 60, at(0))]
    )
    for words in (
        "does not answer: gone", "lost, 0.0 s ago", "TROUBLE: disk full",
        "3 rejected", "no model: learn one", "refused: bad digest", "version v1 judges",
        "uplink connecting", "for 60 s", "4 rows", "not measured yet",
    ):  # fmt: skip
        assert words in text
    assert "all of this is 30 s old" in text_of(system.process_rows(plant, 60, at(30)))


@pytest.mark.parametrize(
    ("linked", "models", "words"),
    [
        (True, {"P-101": "v1"}, "works"),
        (False, {}, "works, waits for a model"),
        (False, {"P-101": "v1"}, "lost"),
    ],
)
def test_inference_that_waits_is_not_inference_that_is_lost(
    plant: Plant, linked: bool, models: dict[str, str], words: str
) -> None:
    told = hub_status() | {"sources": {"inference": "connected" if linked else "lost"}}
    told["processes"]["inference"] = {"models": models}
    plant.take_answer("status", told, at(0))
    text = text_of(system.process_rows(plant, 60, at(0)))
    assert f"inference   {words}" in text
    assert ("not yet: no model" in text) == (not linked and not models)


def test_an_event_that_is_not_on_disk_says_so(plant: Plant) -> None:
    plant.take_event(EventMessage("audit", "x", at(0).utc_ns, "reset", actor="ada"))
    log = plant.events.newest_first()
    (item,) = events.event_items(log, 100, UTC, dated=False)
    assert "14:13:20" in text_of([item.row])
    assert "ada      reset …not on disk yet" in text_of([item.row])


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("screen", SCREENS)
def test_help_and_quit_are_always_in_the_footer(screen: str, width: int) -> None:
    row = footer_row(screen, width)
    text = text_of([row])
    assert "S STOP" in text
    assert "? help" in text
    assert "q quit" in text
    assert cell_len(text) <= width


def test_the_table_decides_what_is_allowed_where() -> None:
    assert allowed("act", ("reset",), "trips")
    assert not allowed("act", ("reset",), "overview")
    assert allowed("show", ("alarms",), "trips")
    assert allowed("something_of_textual", (), "trips")
    assert len({action.keys for action in ACTIONS}) == len(ACTIONS)
    names = {action.name for action in footer_actions("trips")}
    assert names >= {"act('reset')", "act('stop')", "help"}


def test_no_act_that_asks_first_is_begun_with_the_key_that_confirms() -> None:
    for action in ACTIONS:
        assert "y" not in action.keys.split(",")


def test_every_style_that_is_used_exists(plant: Plant) -> None:
    plant.take_answer("alarms.list", [alarm_row()], at(0))
    plant.take_answer("status", hub_status(), at(0))
    used = {style for row in every_row(plant, 80) for _, style in row}
    assert used <= STYLES.keys()
    assert style_of("unheard of") == STYLES[""]


def source_alarm() -> dict[str, Any]:
    """Return a fault that a source has raised about itself."""
    return alarm_row(
        id="source skid:clock",
        tag="",
        tags=["P-101/flow", "P-101/speed"],
        rule="source",
        value=None,
        setpoint=None,
        cause="its clock is at 2000",
        action="set the clock of the PLC",
        consequence="",
    )


def test_a_fault_of_a_source_stands_in_the_list_with_its_remedy(plant: Plant) -> None:
    plant.take_answer("alarms.list", [source_alarm()], at(0))
    (alarm,) = plant.alarms
    assert "source skid:clock" in alarm_list(plant, 120)
    said = text_of(alarm_rows(plant, alarm, 120, at(0), UTC))
    assert "─ source skid - its clock is at 2000 ─" in said
    assert "set the clock of the PLC" in said
    assert "touches P-101/flow, P-101/speed" in said


def test_the_system_screen_shows_error_and_faults_of_a_source(plant: Plant) -> None:
    fault = {"key": "clock", "message": "its clock is at 2000", "priority": "high"}
    told = {"skid": {"error": "no route", "diagnostics": [fault] * 5}}
    plant.take_answer("status", hub_status() | {"source_details": told}, at(0))
    said = text_of(system.process_rows(plant, 120, at(0)))
    assert "lost" in said
    assert ": no route" in said
    assert said.count("its clock is at 2000") == 3
    assert "and 2 more" in said
