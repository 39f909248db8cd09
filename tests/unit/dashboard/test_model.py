"""The state of the view, and the one thing it says first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from appliance.dashboard.advice import ON_ITS_OWN, advise
from appliance.dashboard.model import HUB, SAFETY, Plant, history_of
from appliance.dashboard.standing import alarm_of, rank_of, standing
from appliance.domain.sample import Quality
from appliance.wire.messages import EventMessage, WireError
from tests.unit.dashboard.conftest import (
    START_NS,
    alarm_row,
    at,
    batch,
    guard_status,
    tripped_status,
)

if TYPE_CHECKING:
    from collections.abc import Callable

VIBRATION = "P-101/DE/vibration_rms"


def event(name: str, at_ns: int = 1, **more: Any) -> EventMessage:  # noqa: ANN401
    return EventMessage("trip", name, at_ns, f"it is {name}", **more)


# ---------------------------------------------------------------- what is taken
def test_a_committed_event_replaces_its_pending_one_and_nothing_is_told_twice(
    plant: Plant,
) -> None:
    plant.take_event(event("trip"))
    plant.take_event(event("trip", pending=False, seq=4))
    plant.take_event(event("trip", pending=False, seq=4))
    assert [(e.pending, e.seq) for e in plant.events] == [(False, 4)]


def test_a_first_out_is_remembered_with_its_time(plant: Plant) -> None:
    told = event("first_out", at(-5).utc_ns, details={"element": "motor"})
    plant.take_answer("events.since", [_plain(told)], at(0))
    plant.take_answer("status", tripped_status(), at(0))
    assert plant.machine_stopped_by == ("vibration", at(-5).utc_ns)


def test_without_a_trip_nothing_has_stopped_the_machine(plant: Plant) -> None:
    assert plant.machine_stopped_by == ("", None)


@pytest.mark.parametrize("op", ["status", "alarms.list", "describe", "events.since"])
def test_a_strange_answer_changes_nothing(plant: Plant, op: str) -> None:
    before = (plant.guard, plant.alarms, plant.description, plant.status)
    for strange in (7, ["x"], {"process": "safety", "elements": [1]}):
        if op == "describe" and isinstance(strange, dict):
            continue
        with pytest.raises(WireError, match="strange answer"):
            plant.take_answer(op, strange, at(0))
    assert before == (plant.guard, plant.alarms, plant.description, plant.status)


def test_a_loss_keeps_the_time_when_it_began(plant: Plant) -> None:
    for second, reason in ((1, "first"), (5, "/run/hub.sock: second")):
        plant.take_loss(HUB, reason, at(second))
    assert plant.links[HUB].since_s == at(1).s
    assert plant.links[HUB].why == "second"


def test_a_history_has_no_value_where_it_was_not_good() -> None:
    given = {
        "source_time_ns": [1, 2, 3],
        "value": [0.5, None, 9.0],
        "quality": [2, 2, 0],
    }
    found = history_of("P-101/health_index", given, (0, 10))
    assert found.value[0] == 0.5
    assert all(math.isnan(value) for value in found.value[1:])


# ---------------------------------------------------------------- alarms, assets
def test_alarms_stand_in_the_order_in_which_they_matter() -> None:
    rows = [
        alarm_row(id="shelved", state="shelved"),
        alarm_row(id="gone", state="rtn_unack", active=False),
        alarm_row(id="seen", state="active_ack", acknowledged=True),
        alarm_row(id="low", priority="low"),
        alarm_row(id="older", changed_ns=START_NS - 1),
        alarm_row(id="newer"),
        alarm_row(id="critical", priority="critical", acknowledged=True),
        alarm_row(id="normal", state="normal", active=False, acknowledged=True),
        alarm_row(id="pending", state="pending", active=False, acknowledged=True),
    ]
    order = ["critical", "newer", "older", "seen", "low", "gone", "shelved"]
    assert [alarm.id for alarm in standing(rows)] == order


def test_an_alarm_of_which_little_is_known_is_still_an_alarm() -> None:
    alarm = alarm_of({"state": "active_unack", "priority": "odd"})
    assert (alarm.active, alarm.needs_acknowledgement) == (True, True)
    assert alarm.symbol == "?O"
    assert rank_of("odd") > rank_of("low")


def test_assets_come_with_the_worst_first(plant: Plant) -> None:
    assert [asset.id for asset in plant.assets(at(0))] == ["P-101", "T-101"]
    level = alarm_row(id="T-101/level:low", tag="T-101/level", priority="low")
    plant.take_answer("alarms.list", [level], at(0))
    assert [asset.id for asset in plant.assets(at(0))] == ["T-101", "P-101"]


def test_an_asset_has_life_only_while_all_of_it_may_be_believed(plant: Plant) -> None:
    life = {
        "P-101/remaining_useful_life_h": 40.0,
        "P-101/remaining_useful_life_h_low": 20.0,
    }
    plant.take_batch(batch(life, group="inference.P-101"), at(0))
    asset = plant.asset("P-101", at(0))
    assert asset is not None
    assert asset.life is not None
    assert (asset.life.low_h, asset.life.high_h) == (20.0, math.inf)
    assert asset.failure == (VIBRATION, 7.1)
    later = plant.asset("P-101", at(40))
    assert later is not None
    assert later.life is None
    assert later.health is None


# ---------------------------------------------------------------- advice
def test_when_all_is_well_nobody_is_needed(plant: Plant) -> None:
    advice = advise(plant, at(0))
    assert advice.well
    assert advice.sure == ("every model finds its machine normal; safety is armed",)


def test_quiet_is_qualified_by_what_does_not_watch(plant: Plant) -> None:
    status = guard_status(mode="observe")
    status["initiators"][0]["bypass"] = {"by": "x", "reason": "y", "left_s": 60.0}
    plant.take_answer("status", status, at(40))
    for second in range(41):
        plant.take_batch(batch({VIBRATION: 1.0}, at_s=second), at(second))
    advice = advise(plant, at(40))
    assert advice.well
    assert advice.sure == (
        "safety only observes: it would not stop anything (4, m)",
        "vibration is bypassed",
        "P-101 is not judged by a model now",
    )


def test_a_trip_comes_before_everything_else(plant: Plant) -> None:
    plant.take_answer("alarms.list", [alarm_row(priority="critical")], at(0))
    plant.take_answer("status", tripped_status(), at(0))
    plant.take_loss(HUB, "gone", at(0))
    advice = advise(plant, at(1))
    assert advice.severity == "critical"
    assert advice.wrong == "motor STOPPED by vibration"
    assert advice.sure[0] == "the stop is confirmed by its feedback"
    assert "0 of 1 channels demand it (1oo1): 1.20 mm/s, limit 7.10" in advice.sure
    assert (advice.consequence, advice.do) == ("Seizure", "Do not restart")
    assert advice.more == "and 1 alarm (3)"


@pytest.mark.parametrize(
    ("stop", "words"),
    [("pending", "NOT confirmed"), ("failed", "FAILED"), ("", "not known")],
)
def test_a_stop_that_is_not_confirmed_is_said_loudly(
    plant: Plant, stop: str, words: str
) -> None:
    plant.take_answer("status", tripped_status(stop=stop), at(0))
    assert words in advise(plant, at(0)).sure[0]


@pytest.mark.parametrize("first_out", [*ON_ITS_OWN, "something else"])
def test_a_trip_without_an_initiator_still_says_what_to_do(
    plant: Plant, first_out: str
) -> None:
    plant.take_answer("status", tripped_status(first_out), at(0))
    assert advise(plant, at(0)).do == ON_ITS_OWN.get(first_out, "See the trips (4)")


def test_a_latch_in_observe_mode_stops_nothing_and_alarms_nobody(plant: Plant) -> None:
    plant.take_answer("status", {**tripped_status(), "mode": "observe"}, at(0))
    assert advise(plant, at(0)).well


def test_a_lost_hub_comes_before_its_old_alarms(plant: Plant) -> None:
    plant.take_answer("alarms.list", [alarm_row()], at(0))
    plant.take_loss(HUB, "/run/hub.sock: No such file", at(0))
    advice = advise(plant, at(3))
    assert advice.severity == "unknown"
    assert "has not answered for 3.0 s: all values here are OLD" in advice.wrong
    assert advice.sure == ("reason: No such file", "safety still watches the machine")
    plant.take_loss(SAFETY, "gone", at(4))
    assert "does not watch" in advise(plant, at(5)).sure[1]


def test_a_lost_safety_is_worth_a_word_but_not_before_an_alarm(plant: Plant) -> None:
    plant.take_loss(SAFETY, "gone", at(0))
    assert advise(plant, at(1)).severity == "high"
    plant.take_answer("alarms.list", [alarm_row(priority="low")], at(0))
    assert advise(plant, at(1)).severity == "low"


def test_an_alarm_is_told_with_its_evidence(plant: Plant) -> None:
    plant.take_answer("alarms.list", [alarm_row(), alarm_row(id="b")], at(0))
    scores = {"P-101/anomaly_score": 3.2, "P-101/remaining_useful_life_h": 40.0}
    texts = {"P-101/anomaly_score": VIBRATION}
    plant.take_batch(batch(scores, group="inference.P-101", texts=texts), at(0))
    plant.take_batch(batch({VIBRATION: 5.2}), at(0))
    advice = advise(plant, at(0))
    assert advice.wrong == f"{VIBRATION} is high (active, not acknowledged)"
    assert advice.sure == (
        "measured 5.200 mm/s, limit 4.50; good, 0.0 s old",
        "the model agrees: score 3.2 × its limit, mostly DE/vibration_rms",  # noqa: RUF001
        "remaining life 40 h (0 h to ∞, 8 in 10)",
    )
    assert advice.do == "Look at the spectrum (within 60 min)"
    assert advice.more == "and 1 more (3)"


def _disagree(plant: Plant) -> None:
    plant.take_batch(batch({VIBRATION: 5.2}), at(0))


def _silence(plant: Plant) -> None:
    scores = {"P-101/anomaly_score": math.nan}
    plant.take_batch(batch(scores, group="inference.P-101", quality=Quality.BAD), at(0))


def _break_transmitter(plant: Plant) -> None:
    plant.take_batch(batch({VIBRATION: 0.0}, quality=Quality.BAD), at(0))


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (_disagree, "the model finds it normal (0.40 of its limit)"),
        (_silence, "the model says nothing now"),
        (_break_transmitter, "it is not measured now: bad"),
    ],
)
def test_evidence_that_is_missing_or_against_is_told_too(
    plant: Plant, happens: Callable[[Plant], None], words: str
) -> None:
    plant.take_answer("alarms.list", [alarm_row(action="")], at(0))
    happens(plant)
    advice = advise(plant, at(0))
    assert any(words in text for text in advice.sure)
    assert "No action is configured" in advice.do


def test_an_alarm_of_a_tag_that_is_not_here_says_so(plant: Plant) -> None:
    plant.take_answer("alarms.list", [alarm_row(tag="X/y", id="X/y:high")], at(0))
    assert advise(plant, at(0)).sure == ("its tag is not known here",)


def test_an_anomaly_is_told_before_its_alarm(plant: Plant) -> None:
    scores = {"P-101/anomaly_score": 3.2, "P-101/anomaly": 1.0}
    plant.take_batch(batch(scores, group="inference.P-101"), at(0))
    advice = advise(plant, at(0))
    assert (advice.severity, advice.wrong) == (
        "low",
        "P-101 behaves unlike its learned normal",
    )


def _plain(message: EventMessage) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__} | {
        "type": "event"
    }
