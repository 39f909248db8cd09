"""What safety tells as tags: of each initiator, and of itself."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from appliance.domain.sample import STATUS_BAD_WAITING, STATUS_GOOD, Quality
from appliance.safety.row import Bypass
from appliance.safety.scan import Punctuality
from appliance.safety.tags import (
    BYPASSES_TAG,
    HEARTBEAT_TAG,
    SCAN_DURATION_TAG,
    SCAN_OVERRUNS_TAG,
    TRIP_TAG,
    TagBoard,
    samples,
)
from tests.unit.safety.bench import a_bench, a_row, an_element

if TYPE_CHECKING:
    from tests.unit.safety.bench import Bench


def found(pump: Bench, **scan: Any) -> dict[str, float]:  # noqa: ANN401
    given = {"punctuality": Punctuality(), "heartbeat": 0, **scan}
    board = TagBoard(pump.matrix.rows)
    values = board.values(SimpleNamespace(state=pump.state, **given))  # type: ignore[arg-type]
    return {str(tag): value for tag, value in values.items()}


def test_every_tag_has_a_number_from_one_and_a_range() -> None:
    board = TagBoard((a_row(),))
    assert sorted(board.numbers.values()) == list(range(1, len(board.tags) + 1))
    assert board.numbers[TRIP_TAG] == 1
    spans = {
        tag.id: (tag.range_low, tag.range_high, tag.engineering_units)
        for tag in board.tags[:5]
    }
    assert spans == {
        TRIP_TAG: (0.0, 1.0, ""),
        BYPASSES_TAG: (0.0, math.inf, ""),
        HEARTBEAT_TAG: (0.0, 65_535.0, ""),
        SCAN_DURATION_TAG: (0.0, math.inf, "ms"),
        SCAN_OVERRUNS_TAG: (0.0, math.inf, ""),
    }


def test_the_numbers_of_the_scan_are_tags() -> None:
    kept = Punctuality(overruns=3, last_s=0.004)
    values = found(a_bench().ready(), punctuality=kept, heartbeat=12)
    assert values[HEARTBEAT_TAG] == 12.0
    assert values[SCAN_DURATION_TAG] == pytest.approx(4.0)
    assert values[SCAN_OVERRUNS_TAG] == 3.0


@pytest.mark.requirement("A10")
def test_a_trip_a_demand_and_a_bypass_are_tags() -> None:
    rows = (a_row(), a_row(id="low", condition="low", setpoint=0.5, deadband=0.0))
    pump = a_bench(*rows).ready()
    well = found(pump)
    assert (well[TRIP_TAG], well[BYPASSES_TAG]) == (0.0, 0.0)
    assert well["safety/high/margin"] == 6.0
    assert well["safety/low/margin"] == 0.5
    assert (well["safety/high/demand"], well["safety/high/tripped"]) == (0.0, 0.0)
    pump.values["P/a"] = 9.0
    pump.scan()
    tripped = found(pump)
    assert tripped[TRIP_TAG] == 1.0
    assert tripped["safety/high/margin"] == -2.0
    assert (tripped["safety/high/demand"], tripped["safety/high/tripped"]) == (1.0, 1.0)
    assert tripped["safety/low/tripped"] == 0.0
    pump.values["P/a"] = 1.0
    pump.scan()
    waiting = found(pump)
    assert (waiting["safety/high/demand"], waiting["safety/high/tripped"]) == (0.0, 1.0)
    pump.scan(bypasses=(Bypass("low", None, pump.now_s + 60, "kim", "r"),))
    assert found(pump)[BYPASSES_TAG] == 1.0


def test_one_element_that_is_tripped_is_a_trip() -> None:
    columns = (an_element(), an_element(id="valve", feedback=None))
    pump = a_bench(elements=columns).ready()
    pump.scan(stop="tea")
    pump.scan()
    assert pump.reset("valve").refusals == ()
    assert found(pump)[TRIP_TAG] == 1.0


def test_states_are_news_at_once_and_measures_are_not() -> None:
    board = TagBoard((a_row(),))
    before = dict.fromkeys((tag.id for tag in board.tags), 0.0)
    news = {
        str(tag.id)
        for tag in board.tags
        if board.differ({**before, tag.id: 1.0}, before)
    }
    assert news == {TRIP_TAG, BYPASSES_TAG, "safety/high/demand", "safety/high/tripped"}
    assert not board.differ(before, before)
    assert board.differ(before, {})


def test_a_value_that_there_is_not_is_a_bad_sample_of_this_moment() -> None:
    told = samples({TRIP_TAG: 1.0, BYPASSES_TAG: math.nan}, 7)
    assert [(each.tag, each.quality, each.status) for each in told] == [
        (TRIP_TAG, Quality.GOOD, STATUS_GOOD),
        (BYPASSES_TAG, Quality.BAD, STATUS_BAD_WAITING),
    ]
    assert {(each.source_time_ns, each.receive_time_ns) for each in told} == {(7, 7)}


def test_names_become_parts_of_tags_legal_short_and_no_two_alike() -> None:
    ids = ("a/b", "a+b", "a#b", " x ", " ", "\x07", "ü" * 64, "x" + "ü" * 63)
    board = TagBoard([a_row(id=each) for each in ids])
    parts = [str(tag.id).split("/")[1] for tag in board.tags[5 : 5 + len(ids)]]
    assert parts == ["a_b", "a_b_", "a_b__", "x", "_", "__", "ü" * 45, "x" + "ü" * 44]
