"""No value without its trust and its age."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from appliance.dashboard.model import HUB
from appliance.dashboard.readings import Reading, Trust
from appliance.dashboard.views.words import shown_value, text_of, value_words
from appliance.domain.sample import (
    STATUS_BAD_NO_COMMUNICATION,
    STATUS_BAD_SENSOR_FAILURE,
    Quality,
)
from appliance.wire.messages import BatchMessage, Hello, TagEntry, WireError
from tests.unit.dashboard.conftest import NAMES, at, batch

if TYPE_CHECKING:
    from appliance.dashboard.model import Plant

VIBRATION = "P-101/DE/vibration_rms"


def reading(plant: Plant, after_s: float = 0.0, tag: str = VIBRATION) -> Reading:
    found = plant.readings.reading(tag, at(after_s).s)
    assert found is not None
    return found


def test_a_fresh_value_is_good_and_has_its_age(plant: Plant) -> None:
    found = reading(plant, 2.0)
    assert (found.value, found.trust, found.age_s) == (1.2, Trust.GOOD, 2.0)
    assert found.good_value == 1.2
    assert plant.readings.good_value(VIBRATION, at(2).s) == 1.2


def test_a_steady_value_stays_fresh_while_its_group_is_confirmed(plant: Plant) -> None:
    plant.take_batch(batch({}, at_s=9.0), at(9))
    assert reading(plant, 12.0).trust is Trust.GOOD
    assert reading(plant, 12.0).age_s == pytest.approx(3.0)


def test_a_value_that_is_not_confirmed_is_stale_after_its_sources_limit(
    plant: Plant,
) -> None:
    assert reading(plant, 10.0).trust is Trust.GOOD
    assert reading(plant, 10.1).trust is Trust.STALE
    assert reading(plant, 10.1).good_value is None


def test_derived_tags_have_the_limit_of_their_asset(plant: Plant) -> None:
    assert reading(plant, 29.0, "P-101/health_index").trust is Trust.GOOD
    assert reading(plant, 31.0, "P-101/health_index").trust is Trust.STALE


def test_a_wall_clock_set_back_does_not_make_a_value_fresh(plant: Plant) -> None:
    late = batch({VIBRATION: 1.3}, at_s=0.0)
    plant.readings.take(late, now_s=1020.0, utc_ns=at(-3600).utc_ns)
    assert plant.readings.age_s(VIBRATION, 1031.0) == pytest.approx(11.0)


def test_a_confirmation_that_was_long_on_its_way_is_as_old_as_it_is(
    plant: Plant,
) -> None:
    plant.take_batch(batch({VIBRATION: 1.3}, at_s=1.0), at(8))
    assert reading(plant, 8.0).age_s == pytest.approx(7.0)


def test_when_the_link_is_lost_nothing_is_fresh_from_that_moment(plant: Plant) -> None:
    plant.take_loss(HUB, "gone", at(1))
    assert {reading(plant, 1.0, name).trust for name in NAMES} == {Trust.NO_LINK}
    assert plant.readings.good_value(VIBRATION, at(1).s) is None


def test_a_bad_value_shows_no_number_but_why(plant: Plant) -> None:
    for status, why in (
        (STATUS_BAD_SENSOR_FAILURE, "sensor"),
        (STATUS_BAD_NO_COMMUNICATION, "no comm"),
        (0x80FF_0000, "bad"),
    ):
        bad = batch(
            {VIBRATION: 9.9}, quality=Quality.BAD, status=status, confirms=False
        )
        plant.take_batch(bad, at(1))
        found = reading(plant, 1.0)
        assert (found.trust, found.why) == (Trust.BAD, why)
        assert "9.9" not in text_of([value_words(found, trail_width=8)])


def test_good_and_not_a_number_is_bad(plant: Plant) -> None:
    plant.take_batch(batch({VIBRATION: math.nan}), at(0))
    assert reading(plant).trust is Trust.BAD


def test_each_trust_looks_different_without_colour(plant: Plant) -> None:
    shown = {shown_value(reading(plant), 9), shown_value(reading(plant, 60.0), 9)}
    plant.take_batch(batch({VIBRATION: 1.2}, quality=Quality.UNCERTAIN), at(0))
    shown.add(shown_value(reading(plant), 9))
    plant.take_batch(batch({VIBRATION: 1.2}, quality=Quality.BAD), at(0))
    shown.add(shown_value(reading(plant), 9))
    shown.add(shown_value(reading(plant, tag="safety/trip"), 9))
    assert len(shown) == 5


def test_a_tag_that_never_came_is_waiting_and_never_old(plant: Plant) -> None:
    found = reading(plant, tag="safety/trip")
    assert (found.trust, found.age_s) == (Trust.WAITING, None)


def test_an_unknown_tag_is_no_reading_and_is_reported(plant: Plant) -> None:
    assert plant.readings.reading("X/y", at(0).s) is None
    assert plant.readings.good_value(None, at(0).s) is None
    assert not plant.take_batch(batch({"X/y": 1.0, VIBRATION: 2.0}), at(0))
    assert reading(plant).value == 2.0


def test_a_batch_without_a_group_confirms_its_own_tags(plant: Plant) -> None:
    plant.take_batch(batch({VIBRATION: 2.0}, at_s=50.0, group=""), at(50))
    assert reading(plant, 50.0).trust is Trust.GOOD
    assert reading(plant, 50.0, "P-101/motor/speed").trust is Trust.STALE


def test_a_burst_is_fresh_by_its_group_and_shown_as_one(plant: Plant) -> None:
    plant.take_batch(batch({}, waveform=b""), at(0))
    found = reading(plant, tag="P-101/DE/acceleration")
    assert found.age_s == 0.0
    assert shown_value(found, 9).strip() == "burst"


def test_a_trail_grows_by_a_step_a_second_and_keeps_the_gap(plant: Plant) -> None:
    for second in range(3):
        plant.pass_time(at(second))
        plant.pass_time(at(second + 0.3))
    plant.pass_time(at(20))
    trail = reading(plant, 20.0).trail
    assert trail[:3] == (1.2, 1.2, 1.2)
    assert math.isnan(trail[3])
    assert len(trail) == 4


def test_a_new_tag_table_keeps_what_is_known(plant: Plant) -> None:
    tags = (TagEntry(70, VIBRATION, "mm/s"), TagEntry(71, "P-101/new", "bar"))
    plant.take_hello(HUB, Hello(1, "hub", "epoch", tags), at(1))
    assert reading(plant, 1.0).value == 1.2
    assert "P-101/new" in plant.readings
    assert "T-101/level" not in plant.readings


def test_a_broken_batch_is_refused(plant: Plant) -> None:
    with pytest.raises(WireError):
        plant.take_batch(BatchMessage(b"abc", b"", b"", b"", b"", 1), at(0))
