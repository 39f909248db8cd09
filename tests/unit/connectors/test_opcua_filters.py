from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from asyncua import ua

from appliance.domain.batch import batch_of
from appliance.domain.tag import parse_tag_id
from connectors.opcua.confirming import Confirmations
from connectors.opcua.filters import DeadbandHere, Filter, deadband_of, filters_of
from connectors.opcua.monitored import queue_size
from connectors.opcua.overflow import Overflows

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.domain.batch import Batch
    from connectors.opcua.config import OpcuaSettings
    from connectors.opcua.tags import OpcuaTagSettings

    Build = Callable[..., OpcuaSettings]

FLOW = 3
NAMES = {FLOW: parse_tag_id("P-101/flow"), 4: parse_tag_id("P-101/level")}


def tag(opcua: Build, **given: object) -> OpcuaTagSettings:
    (found,) = opcua(tags=[{"id": "a/b", "node": "i=2258"} | given]).tags
    return found


def told(deadband: DeadbandHere, *rows: tuple[float, int]) -> list[float]:
    values, statuses = [row[0] for row in rows], [row[1] for row in rows]
    batch = batch_of(
        [FLOW] * len(rows),
        values,
        source_time_ns=1,
        receive_time_ns=1,
        status=statuses,
    )
    found: list[float] = deadband.sift(batch).value.tolist()
    return found


def test_without_a_deadband_every_change_is_asked_for(opcua: Build) -> None:
    assert filters_of(tag(opcua), None) == (Filter("none"), Filter("bare"))


def test_a_percentage_falls_back_to_its_size_and_then_to_us(opcua: Build) -> None:
    wished = filters_of(tag(opcua, deadband_pct=5.0), (0.0, 200.0))
    assert wished == (
        Filter("percent", 5.0),
        Filter("absolute", 10.0),
        Filter("none", here=10.0),
        Filter("bare", here=10.0),
    )
    requests = [each.request() for each in wished]
    assert requests[-1] is None
    kinds = [each.DeadbandType for each in requests if each is not None]
    assert kinds == [
        ua.DeadbandType.Percent,
        ua.DeadbandType.Absolute,
        ua.DeadbandType.None_,
    ]
    assert [each.words() for each in wished][1:3] == [
        "an absolute deadband of 10 instead",
        "a deadband of 10 is applied here instead",
    ]


@pytest.mark.parametrize(
    ("given", "eu_range", "size"),
    [
        ({"deadband": 2.0}, (0.0, 10.0), 2.0),
        ({"deadband_pct": 5.0}, (0.0, 10.0), 0.5),
        ({"deadband_pct": 5.0, "range_low": 0.0, "range_high": 100.0}, None, 5.0),
        ({"deadband_pct": 5.0, "range_low": 0.0}, None, None),
        ({"deadband_pct": 5.0, "range_low": 9.0, "range_high": 9.0}, None, None),
        ({}, (0.0, 10.0), None),
    ],
)
def test_a_percentage_needs_a_range(
    opcua: Build,
    given: dict[str, float],
    eu_range: tuple[float, float] | None,
    size: float | None,
) -> None:
    assert deadband_of(tag(opcua, **given), eu_range) == size
    last = filters_of(tag(opcua, **given), eu_range)[-1]
    assert last.here == size
    if size is None:
        assert last.words() == "every change is told"


def test_small_changes_are_left_out_and_never_a_change_of_status() -> None:
    deadband = DeadbandHere()
    assert told(deadband, (1.0, 0), (1.1, 0)) == [1.0, 1.1]
    deadband.set({FLOW: 1.0})
    assert told(deadband, (1.0, 0), (1.9, 0), (2.1, 0)) == [1.0, 2.1]
    assert told(deadband, (2.2, 0), (2.2, 0x4000_0000)) == [2.2]
    assert len(told(deadband, (math.nan, 0x8000_0000), (math.nan, 0x8000_0000))) == 2
    deadband.set({FLOW: None})
    assert told(deadband, (5.0, 0), (5.0, 0)) == [5.0, 5.0]


def batch(*statuses: int, at_ns: int) -> Batch:
    numbers = [FLOW] * len(statuses)
    return batch_of(
        numbers,
        [0.0] * len(statuses),
        source_time_ns=1,
        receive_time_ns=at_ns,
        status=list(statuses),
    )


def test_an_episode_of_overflows_is_one_gap_that_begins_before_it() -> None:
    overflows = Overflows(NAMES)
    overflows.see(batch(0, at_ns=100), 0.0)
    assert overflows.ended(0.0) is None
    overflows.see(batch(0, 0x0480, at_ns=200), 1.0)
    overflows.see(batch(0x0480, at_ns=300), 2.0)
    assert overflows.ended(5.0) is None
    (said,) = overflows.diagnostics
    assert (said.key, said.tags) == ("overflow", (NAMES[FLOW],))
    gap = overflows.ended(13.0)
    assert gap is not None
    assert (gap.what, gap.from_ns, gap.to_ns, gap.count) == (
        "acquisition",
        100,
        300,
        -1,
    )
    assert "P-101/flow" in gap.reason
    assert overflows.ended(14.0) is None
    assert overflows.diagnostics
    overflows.ended(70.0)
    assert overflows.diagnostics == ()


def test_an_overflow_that_lasts_is_declared_in_parts() -> None:
    overflows = Overflows(NAMES)
    for second in range(62):
        overflows.see(batch(0x0480, at_ns=second), float(second))
    gap = overflows.ended(61.0)
    assert gap is not None
    assert gap.to_ns == 61


def test_a_group_with_one_part_is_confirmed_by_each_message() -> None:
    confirmations = Confirmations({"g": {1}, "h": {1, 2}, "i": set()})
    assert confirmations.is_alone("g")
    assert not confirmations.is_alone("h")
    assert not confirmations.is_alone("i")


def test_a_spread_group_is_confirmed_as_of_its_oldest_part() -> None:
    confirmations = Confirmations({"g": {1, 2, "poll"}})
    assert confirmations.heard("g", 1, 10) is None
    assert confirmations.heard("g", 1, 20) is None
    assert confirmations.heard("g", "poll", 30) is None
    assert confirmations.heard("g", 2, 40) == 10
    assert confirmations.heard("g", 2, 50) is None


@pytest.mark.parametrize(
    ("own", "group", "size"),
    [
        ({}, {}, 8),
        ({}, {"publishing_interval_s": 1.0, "sampling_interval_s": 0.1}, 80),
        ({}, {"sampling_interval_s": 0.0}, 1000),
        ({}, {"queue_size": 5}, 5),
        ({"queue_size": 2}, {"queue_size": 5}, 2),
    ],
)
def test_a_queue_is_as_long_as_was_said_or_as_is_sensible(
    opcua: Build, own: dict[str, int], group: dict[str, float], size: int
) -> None:
    settings = opcua(groups=[{"name": "g", **group}])
    assert queue_size(tag(opcua, **own), settings.all_groups["g"]) == size
