from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pytest
from asyncua import ua

from appliance.domain.sample import (
    STATUS_BAD_NOT_A_NUMBER,
    STATUS_BAD_OUT_OF_RANGE,
    STATUS_BAD_SENSOR_FAILURE,
    Quality,
)
from appliance.domain.tag import Tag, parse_tag_id
from connectors.opcua.notification import Item, decode, overflows
from connectors.opcua.reader import sample_of
from connectors.opcua.values import (
    STATUS_BAD_NO_DATA,
    STATUS_BAD_TYPE_MISMATCH,
    plain,
    source_time_ns,
    time_ns,
)

if TYPE_CHECKING:
    from appliance.domain.batch import Batch

RECEIVED_NS = 1_800_000_000_000_000_000
SOURCE = datetime(2026, 3, 1, 12, 0, 0, 250, tzinfo=UTC)
SOURCE_NS = 1_772_366_400_000_250_000
UNCERTAIN = 0x4000_0000
EMPTY = ua.VariantType.Double


def tag(*, low: float = -math.inf, high: float = math.inf) -> Tag:
    return Tag(parse_tag_id("P-101/flow"), range_low=low, range_high=high)


def given(content: object, status: int = 0) -> ua.DataValue:
    variant = ua.Variant(content) if content != [] else ua.Variant([], EMPTY)
    code = ua.StatusCode(ua.UInt32(status))
    return ua.DataValue(variant, code, SourceTimestamp=stamp(SOURCE))


def stamp(moment: datetime) -> ua.DateTime:
    parts = moment.timetuple()[:6]
    return ua.DateTime(*parts, moment.microsecond, tzinfo=UTC)


def changes(*values: ua.DataValue) -> list[ua.MonitoredItemNotification]:
    return [ua.MonitoredItemNotification(ua.UInt32(7), value) for value in values]


def decoded(value: ua.DataValue, item: Item | None = None) -> Batch:
    items = {7: item or Item(tag(low=0.0, high=100.0), 3)}
    return decode(changes(value), items, group="g", receive_ns=RECEIVED_NS)


@pytest.mark.parametrize(
    ("content", "status", "value", "quality", "final"),
    [
        (12.5, 0, 12.5, Quality.GOOD, 0),
        (True, 0, 1.0, Quality.GOOD, 0),
        (12, UNCERTAIN, 12.0, Quality.UNCERTAIN, UNCERTAIN),
        (
            12.5,
            STATUS_BAD_SENSOR_FAILURE,
            12.5,
            Quality.BAD,
            STATUS_BAD_SENSOR_FAILURE,
        ),
        (100.5, 0, 100.5, Quality.BAD, STATUS_BAD_OUT_OF_RANGE),
        (100.5, UNCERTAIN, 100.5, Quality.BAD, STATUS_BAD_OUT_OF_RANGE),
        (math.nan, 0, math.nan, Quality.BAD, STATUS_BAD_NOT_A_NUMBER),
        (None, 0, math.nan, Quality.BAD, STATUS_BAD_NO_DATA),
        (ua.ExtensionObject(), 0, math.nan, Quality.BAD, STATUS_BAD_TYPE_MISMATCH),
        ([1.0, 2.0], 0, math.nan, Quality.BAD, STATUS_BAD_TYPE_MISMATCH),
        (None, 0x8031_0000, math.nan, Quality.BAD, 0x8031_0000),
    ],
)
def test_row_and_sample_say_the_same(
    content: object, status: int, value: float, quality: Quality, final: int
) -> None:
    data = given(content, status)
    batch = decoded(data)
    assert (batch.tag.tolist(), batch.source_time_ns.tolist()) == ([3], [SOURCE_NS])
    assert (batch.quality.tolist(), batch.status.tolist()) == ([quality], [final])
    np.testing.assert_equal(batch.value, [value])
    sample = sample_of(tag(low=0.0, high=100.0), data, RECEIVED_NS)
    assert (sample.quality, sample.status) == (quality, final)
    assert sample.source_time_ns == SOURCE_NS
    np.testing.assert_equal(sample.value, value)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Pumpe", "Pumpe"),
        (2**60 + 1, 2**60 + 1),
        (ua.LocalizedText("Pumpe"), "Pumpe"),
        (b"\x01\xff", "01ff"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (SOURCE, "2026-03-01T12:00:00.000250Z"),
    ],
)
def test_texts_and_long_integers_are_exact(content: object, text: str | int) -> None:
    batch = decoded(given(content))
    assert len(batch) == 0
    assert batch.texts[0].content == text
    assert batch.texts[0].source_time_ns == SOURCE_NS


def test_an_array_becomes_a_waveform() -> None:
    batch = decoded(given([0.5, -0.5]), Item(tag(), 3, sample_rate_hz=2048.0))
    (burst,) = batch.waveforms
    assert (burst.tag, burst.start_ns, burst.sample_rate_hz) == (3, SOURCE_NS, 2048.0)
    assert burst.points.dtype == np.float32
    assert burst.points.tolist() == [0.5, -0.5]
    assert burst.quality is Quality.GOOD


@pytest.mark.parametrize(
    ("content", "status", "final"),
    [
        ([0.5, math.nan], 0, STATUS_BAD_NOT_A_NUMBER),
        ([0.5, 101.0], 0, STATUS_BAD_OUT_OF_RANGE),
        ([0.5], STATUS_BAD_SENSOR_FAILURE, STATUS_BAD_SENSOR_FAILURE),
        ([], 0, STATUS_BAD_TYPE_MISMATCH),
        (["a"], 0, STATUS_BAD_TYPE_MISMATCH),
        ([[1.0], [2.0]], 0, STATUS_BAD_TYPE_MISMATCH),
    ],
)
def test_a_spoilt_burst_is_bad(content: object, status: int, final: int) -> None:
    item = Item(tag(low=0.0, high=100.0), 3, sample_rate_hz=2048.0)
    (burst,) = decoded(given(content, status), item).waveforms
    assert (burst.quality, burst.status) == (Quality.BAD, final)


def test_a_single_number_on_a_waveform_is_a_plain_row() -> None:
    batch = decoded(given(5.0), Item(tag(), 3, sample_rate_hz=2048.0))
    assert batch.value.tolist() == [5.0]


def test_an_unknown_handle_is_left_out() -> None:
    batch = decode(changes(given(5.0)), {}, group="g", receive_ns=RECEIVED_NS)
    assert batch.sample_count == 0
    assert batch.confirms


def test_overflow_is_counted() -> None:
    lost = changes(given(1.0, 0x0000_0480), given(1.0), given(1.0, 0x0000_0400))
    assert overflows(lost) == 1


@pytest.mark.parametrize(
    ("stamp", "found"),
    [
        (SOURCE, SOURCE_NS),
        (SOURCE.replace(tzinfo=None), SOURCE_NS),
        (SOURCE.astimezone(timezone(timedelta(hours=2))), SOURCE_NS),
        (datetime(1601, 1, 1, tzinfo=UTC), None),
        (datetime(9999, 12, 31, tzinfo=UTC), None),
        (None, None),
    ],
)
def test_only_plausible_times_are_times(
    stamp: datetime | None, found: int | None
) -> None:
    assert time_ns(stamp) == found


def test_without_a_source_time_the_servers_time_counts_and_then_ours() -> None:
    value = ua.DataValue(ua.Variant(1.0), ServerTimestamp=stamp(SOURCE))
    assert source_time_ns(value, RECEIVED_NS) == SOURCE_NS
    assert source_time_ns(ua.DataValue(ua.Variant(1.0)), RECEIVED_NS) == RECEIVED_NS


def test_a_float_holds_integers_up_to_two_to_the_53() -> None:
    assert isinstance(plain(2**53), float)
    assert isinstance(plain(2**53 + 1), int)
    assert isinstance(plain(-(2**53) - 1), int)
