"""Tags, samples, batches, scaling, health: the words of the trade."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.batch import (
    Text,
    Waveform,
    bad_batch,
    batch_of,
    keep_alive,
    samples_of,
)
from appliance.domain.health import derived_tags
from appliance.domain.sample import (
    STATUS_BAD_NO_COMMUNICATION,
    STATUS_BAD_NOT_A_NUMBER,
    STATUS_BAD_OUT_OF_RANGE,
    STATUS_BAD_SENSOR_FAILURE,
    STATUS_GOOD,
    Quality,
    Sample,
    bad_sample,
    quality_of_status,
)
from appliance.domain.scaling import Scaling
from appliance.domain.tag import (
    TAG_ID_MAX_BYTES,
    Asset,
    InvalidTagIdError,
    Tag,
    TagId,
    asset_of,
    parse_tag_id,
)

FLOW = TagId("P-101/flow")


@pytest.mark.parametrize(
    "name", ["P-101/flow", "P-101/DE/vibration_rms", "[P-101]/x", "Kessel 3/Öl/°C"]
)
def test_names_of_plants_are_tag_names_and_stay_as_they_are(name: str) -> None:
    assert parse_tag_id(name) == name
    assert asset_of(parse_tag_id(name)) == name.split("/", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("flow", "form"),
        ("", "form"),
        ("P-101/", "empty part"),
        ("/flow", "empty part"),
        ("P-101/ /x", "empty part"),
        ("P-101/+", "forbidden"),
        ("P-101/#", "forbidden"),
        ("P-101/a\nb", "forbidden"),
        ("P-101/a\x1b[31m", "forbidden"),
        ("P/" + "ö" * TAG_ID_MAX_BYTES, "longer"),
        ("P/\ud800", "forbidden"),
    ],
)
def test_what_is_no_tag_name_is_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(InvalidTagIdError, match=reason):
        parse_tag_id(name)


@given(st.text(max_size=200))
def test_a_name_is_refused_or_returned_as_it_is(name: str) -> None:
    try:
        assert parse_tag_id(name) == name
    except InvalidTagIdError:
        return
    assert len(name.encode()) <= TAG_ID_MAX_BYTES


def test_a_range_has_a_span_and_no_range_is_infinite() -> None:
    assert Tag(FLOW, "m3/h", 0.0, 120.0).span == 120.0
    assert math.isinf(Tag(FLOW).span)


def test_a_value_has_a_word_where_the_tag_has_one_for_it() -> None:
    mode = Tag(FLOW, states=((0, "local"), (2, "remote")))
    found = [mode.state_of(value) for value in (0.0, 2.0, 1.0, 1.5, math.nan)]
    assert found == ["local", "remote", "", "", ""]
    assert Asset("P-101", "pump").tags == ()


@given(st.integers(0, 2**32 - 1))
def test_quality_follows_the_severity_bits_of_the_status(status: int) -> None:
    expected = {0: Quality.GOOD, 1: Quality.UNCERTAIN}.get(status >> 30, Quality.BAD)
    assert quality_of_status(status) is expected


def sample(value: float, quality: Quality = Quality.GOOD) -> Sample:
    return Sample(FLOW, value, quality, 0, 1, 2)


def test_only_a_good_finite_value_is_trusted() -> None:
    assert sample(3.5).trusted_value == 3.5
    assert sample(3.5, Quality.UNCERTAIN).trusted_value is None
    assert sample(3.5, Quality.BAD).trusted_value is None
    assert sample(math.nan).trusted_value is None
    assert sample(math.inf).trusted_value is None
    assert bad_sample(FLOW, STATUS_BAD_NO_COMMUNICATION, 7).trusted_value is None


@pytest.mark.parametrize(
    ("raw", "value", "status"),
    [
        (100, 1.0, STATUS_GOOD),
        (0, 0.0, STATUS_GOOD),
        (1000, 10.0, STATUS_GOOD),
        (1001, 10.01, STATUS_BAD_OUT_OF_RANGE),
        (-1, -0.01, STATUS_BAD_OUT_OF_RANGE),
        (65535, math.nan, STATUS_BAD_SENSOR_FAILURE),
        (math.inf, math.inf, STATUS_BAD_NOT_A_NUMBER),
        (math.nan, math.nan, STATUS_BAD_NOT_A_NUMBER),
    ],
)
def test_counts_become_units_and_what_cannot_be_is_bad(
    raw: float, value: float, status: int
) -> None:
    scaling = Scaling(factor=0.01, low=0.0, high=10.0, fault_raw=65535)
    scaled, told = scaling.apply(raw)
    assert told == status
    assert scaled == pytest.approx(value, nan_ok=True)


def test_a_batch_spreads_scalars_and_keeps_columns() -> None:
    batch = batch_of([1, 2], [0.5, math.nan], source_time_ns=[5, 6], receive_time_ns=9)
    assert len(batch) == 2
    assert batch.quality.tolist() == [Quality.GOOD, Quality.GOOD]
    assert batch.source_time_ns.tolist() == [5, 6]
    assert batch.tag.dtype == np.uint32
    assert batch.value.dtype == np.float64


def test_columns_of_differing_length_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        batch_of([1, 2], [0.5], source_time_ns=1, receive_time_ns=1)


def test_a_keep_alive_confirms_and_a_lost_source_does_not() -> None:
    assert len(keep_alive("fast", 3)) == 0
    assert keep_alive("fast", 3).confirms
    lost = bad_batch([1, 2], STATUS_BAD_NO_COMMUNICATION, time_ns=4, group="fast")
    assert not lost.confirms
    assert lost.quality.tolist() == [Quality.BAD, Quality.BAD]
    assert np.isnan(lost.value).all()


def test_waveforms_and_texts_count_as_samples() -> None:
    burst = Waveform(3, 1, 10_240.0, np.zeros(4, np.float32))
    batch = batch_of(
        [1],
        [0.5],
        source_time_ns=1,
        receive_time_ns=1,
        waveforms=(burst,),
        texts=(Text(4, 1, 2**60),),
    )
    assert batch.sample_count == 3
    assert batch.where(batch.tag > 1).sample_count == 2


def test_rows_become_samples_and_unknown_numbers_are_skipped() -> None:
    batch = batch_of([1, 9], [0.5, 1.5], source_time_ns=7, receive_time_ns=8)
    assert list(samples_of(batch, {1: FLOW})) == [
        Sample(FLOW, 0.5, Quality.GOOD, 0, 7, 8)
    ]


def test_the_tags_of_inference_are_ordinary_tags_of_the_asset() -> None:
    tags = derived_tags("P-101")
    assert tags[0].id == "P-101/health_index"
    assert {asset_of(tag.id) for tag in tags} == {"P-101"}
