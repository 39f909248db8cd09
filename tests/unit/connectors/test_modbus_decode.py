from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.domain.sample import (
    STATUS_BAD_NOT_A_NUMBER,
    STATUS_BAD_OUT_OF_RANGE,
    STATUS_BAD_SENSOR_FAILURE,
    Quality,
    quality_of_status,
)
from connectors.modbus.decode import BlockDecoder
from connectors.modbus.places import ModbusTagSettings
from connectors.modbus.planner import Block, Limits, plan
from connectors.modbus.registers import (
    BYTES,
    FIELDS,
    STATUS_BAD_DECODING,
    Raw,
    RegisterType,
    Table,
    UndecodableError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.modbus.decode import Columns

NO_FAULT = (RegisterType.BIT, RegisterType.STRING)
FAULTS = {RegisterType.INT8: 127, RegisterType.UINT8: 255, RegisterType.BCD16: 9_999}


def tag(**given_keys: object) -> ModbusTagSettings:
    return ModbusTagSettings.model_validate(
        {"id": "a/b", "table": "input", "address": 0} | given_keys
    )


def decoder(tags: Sequence[ModbusTagSettings]) -> tuple[Block, BlockDecoder]:
    (block,) = plan([each.place for each in tags], Limits(max_gap=125))
    return block, BlockDecoder(block, tags, range(len(tags)))


def decode(words: Sequence[int], *tags: ModbusTagSettings) -> Columns:
    _, made = decoder(tags)
    return made.decode(words, time_ns=7)


@st.composite
def tags_anywhere(draw: st.DrawFn) -> ModbusTagSettings:
    kind = draw(st.sampled_from(RegisterType))
    keys: dict[str, Any] = {
        "table": "holding",
        "type": kind,
        "address": draw(st.integers(0, 60)),
        "word_order": draw(st.sampled_from(["big", "little"])),
        "byte_order": draw(st.sampled_from(["big", "little"])),
    }
    if kind is RegisterType.BIT:
        keys["bit"] = draw(st.integers(0, 15))
    elif kind is RegisterType.STRING:
        keys["length"] = draw(st.integers(1, 9))
        keys["text_encoding"] = draw(st.sampled_from(["ascii", "utf-8"]))
    elif kind in BYTES:
        keys["byte"] = draw(st.sampled_from(["high", "low", None]))
    elif kind in FIELDS and draw(st.booleans()):
        low = draw(st.integers(0, 15))
        keys["bits"] = (low, draw(st.integers(low, 15)))
    if kind not in NO_FAULT and "bits" not in keys:
        highest = FAULTS.get(kind, 32_767)
        keys["fault_raw"] = draw(st.none() | st.integers(0, highest))
    if kind is not RegisterType.STRING:
        keys["factor"] = draw(st.sampled_from([1.0, 0.1, -2.5]))
        keys["offset"] = draw(st.sampled_from([0.0, 273.15]))
        keys["range_low"] = draw(st.none() | st.floats(-1e6, 0))
        keys["range_high"] = draw(st.none() | st.floats(1, 1e6))
    return tag(**keys)


def one_by_one(each: ModbusTagSettings, words: Sequence[int]) -> tuple[Raw, int]:
    """Return value and status of a tag, as the slow way has them."""
    try:
        raw = each.encoding.decode(words)
    except UndecodableError as error:
        is_string = each.encoding.type is RegisterType.STRING
        return str(error) if is_string else math.nan, STATUS_BAD_DECODING
    if isinstance(raw, str):
        return raw, 0
    value, status = each.scaling.apply(raw)
    unscaled = each.gain == (1.0, 0.0)
    too_long = isinstance(raw, int) and abs(raw) > 2**53
    is_text = too_long and unscaled and status != STATUS_BAD_SENSOR_FAILURE
    return raw if is_text else value, status


@given(
    st.lists(tags_anywhere(), min_size=1, max_size=20),
    st.lists(
        st.integers(0, 0xFFFF) | st.sampled_from([0, 0x7FC0, 0x7F80]),
        min_size=70,
        max_size=70,
    ),
)
def test_numpy_decodes_as_struct_does(
    tags: list[ModbusTagSettings], memory: list[int]
) -> None:
    block, made = decoder(tags)
    words = memory[block.address : block.address + block.count]
    columns = made.decode(words, time_ns=7)
    rows = {
        int(number): (value, int(quality), int(status))
        for number, value, quality, status in zip(
            columns.tag, columns.value, columns.quality, columns.status, strict=True
        )
    }
    texts = {text.tag: text for text in columns.texts}
    assert len(rows) + len(texts) == len(tags)
    for number, each in enumerate(tags):
        start = each.place.address - block.address
        value, status = one_by_one(each, words[start : start + each.encoding.words])
        if number in texts:
            told = texts[number]
            assert (told.content, told.status) == (value, status)
            assert isinstance(value, str) or abs(value) > 2**53
            continue
        got = rows[number]
        assert not isinstance(value, str)
        assert got[1:] == (quality_of_status(status), status)
        assert got[0] == value or (math.isnan(got[0]) and math.isnan(value))


def test_a_long_integer_travels_as_a_text() -> None:
    exact = 2**53 + 1
    wide = tag(type="uint64")
    columns = decode(_words(wide, exact), wide)
    assert len(columns.tag) == 0
    (text,) = columns.texts
    assert (text.content, text.source_time_ns, text.quality) == (exact, 7, Quality.GOOD)


def test_a_long_integer_out_of_range_is_a_bad_text() -> None:
    wide = tag(type="uint64", range_high=100.0)
    (text,) = decode(_words(wide, 2**60), wide).texts
    assert (text.quality, text.status) == (Quality.BAD, STATUS_BAD_OUT_OF_RANGE)


def test_a_scaled_long_integer_is_a_float() -> None:
    wide = tag(type="uint64", factor=1e-6)
    columns = decode(_words(wide, 2**60), wide)
    assert columns.texts == ()
    assert columns.value[0] == pytest.approx(2**60 * 1e-6)


def test_a_long_fault_count_is_bad_and_no_text() -> None:
    fault = 2**64 - 1
    wide = tag(type="uint64", fault_raw=fault)
    columns = decode(_words(wide, fault), wide)
    assert columns.texts == ()
    assert columns.status.tolist() == [STATUS_BAD_SENSOR_FAILURE]


def test_a_failed_transmitter_has_no_value() -> None:
    columns = decode([0xFFFF], tag(fault_raw=0xFFFF, range_high=10.0))
    assert math.isnan(columns.value[0])
    assert columns.status.tolist() == [STATUS_BAD_SENSOR_FAILURE]
    assert columns.quality.tolist() == [Quality.BAD]


def test_a_value_out_of_range_is_bad_but_shown() -> None:
    columns = decode([101], tag(range_low=0.0, range_high=100.0))
    assert columns.value.tolist() == [101.0]
    assert columns.status.tolist() == [STATUS_BAD_OUT_OF_RANGE]


@pytest.mark.parametrize("pattern", [(0x7FC0, 0), (0x7F80, 0), (0x7FA0, 1)])
def test_what_is_no_number_is_bad(pattern: tuple[int, int]) -> None:
    columns = decode(pattern, tag(type="float32"))
    assert columns.status.tolist() == [STATUS_BAD_NOT_A_NUMBER]


def test_a_float_fault_count_is_compared_as_the_device_shows_it() -> None:
    failed = tag(type="float32", fault_raw=-999.9)
    columns = decode(failed.encoding.encode(-999.9), failed)
    assert columns.status.tolist() == [STATUS_BAD_SENSOR_FAILURE]


def test_bits_become_zero_and_one() -> None:
    first, second = tag(table="coil"), tag(table="coil", address=1)
    assert decode([0, 1], first, second).value.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("kind", ["bcd16", "bcd32", "bcd64"])
def test_a_digit_above_nine_is_bad_and_named(kind: str) -> None:
    failed = tag(type=kind, fault_raw=0)
    columns = decode([0xA000, 0, 0, 0][: failed.encoding.words], failed)
    assert math.isnan(columns.value[0])
    assert columns.status.tolist() == [STATUS_BAD_DECODING]
    assert columns.quality.tolist() == [Quality.BAD]


def test_sixteen_digits_are_exact() -> None:
    counter = tag(type="bcd64")
    (text,) = decode([0x9999] * 4, counter).texts
    assert text.content == 9_999_999_999_999_999


def test_a_string_travels_as_a_text_beside_its_neighbours() -> None:
    name = tag(type="string", length=5)
    speed = tag(address=3)
    columns = decode([0x5055, 0x4D50, 0x3100, 1480], name, speed)
    assert columns.value.tolist() == [1480.0]
    assert [(text.content, text.quality) for text in columns.texts] == [
        ("PUMP1", Quality.GOOD)
    ]


def test_bytes_that_are_no_text_are_a_bad_text() -> None:
    (text,) = decode([0xC3A9], tag(type="string", length=2)).texts
    assert (text.quality, text.status) == (Quality.BAD, STATUS_BAD_DECODING)


def test_a_block_of_strings_alone_is_decoded() -> None:
    columns = decode([0x4142, 0x4344], tag(type="string", length=4))
    assert (len(columns.tag), columns.texts[0].content) == (0, "ABCD")


def test_a_range_of_counts_becomes_a_range_of_values() -> None:
    keys = {"raw_low": 6400, "raw_high": 32_000, "range_low": 0, "range_high": 10.0}
    low, high = tag(**keys), tag(**keys, address=1)
    columns = decode([6400, 32_000], low, high)
    assert columns.value.tolist() == pytest.approx([0.0, 10.0])
    assert columns.quality.tolist() == [Quality.GOOD] * 2


@given(
    st.integers(-32_768, 32_767),
    st.integers(-32_768, 32_767),
    st.decimals(-1000, 1000, places=2, allow_nan=False),
    st.decimals(-1000, 1000, places=2, allow_nan=False),
)
def test_the_ends_of_a_range_are_never_out_of_it(
    raw_low: int, raw_high: int, low: float, high: float
) -> None:
    assume(raw_low != raw_high)
    assume(low < high)
    scaled = tag(
        type="int16",
        raw_low=raw_low,
        raw_high=raw_high,
        range_low=float(low),
        range_high=float(high),
    )
    for raw, end in ((raw_low, low), (raw_high, high)):
        columns = decode([raw & 0xFFFF], scaled)
        near = pytest.approx(float(end), abs=1e-9 + 1e-9 * float(high - low))
        assert columns.value[0] == near
        assert columns.quality.tolist() == [Quality.GOOD]


def test_a_refused_block_is_one_bad_row_per_tag() -> None:
    _, made = decoder([tag(), tag(address=1)])
    columns = made.refused(0x8034_0000)
    assert columns.quality.tolist() == [Quality.BAD] * 2
    assert columns.status.tolist() == [0x8034_0000] * 2
    assert np.isnan(columns.value).all()


def _words(each: ModbusTagSettings, whole: int) -> list[int]:
    assert each.table is Table.INPUT
    return [whole >> shift & 0xFFFF for shift in (48, 32, 16, 0)]
