"""The table way and the slow way say the same of the same bytes."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, variant_to_binary
from hypothesis import given
from hypothesis import strategies as st

from appliance.domain.sample import Quality
from appliance.domain.tag import Tag, TagId
from connectors.opcua.message import ItemTable, decode_message
from connectors.opcua.notification import Item, decode, overflows
from connectors.opcua.published import Published, ServiceFaultError, published
from connectors.opcua.table import columns_of, times_ns
from connectors.opcua.wirescan import MalformedMessageError
from tests.unit.connectors.opcua_bytes import (
    EPOCH_TICKS,
    GOOD_TICKS,
    PICOSECONDS,
    Record,
    by_the_book,
    data_change,
    extension,
    response,
)

if TYPE_CHECKING:
    from appliance.domain.batch import Batch

RECEIVED_NS = 1_800_000_000_000_000_000
BAD_MISMATCH = 0x8074_0000


class First:
    """Takes the first element of an array."""

    def __call__(self, content: object, status: int) -> tuple[object, int]:
        if content is None:
            return None, status
        if isinstance(content, list) and content:
            return content[0], status
        return None, status if status >> 31 else BAD_MISMATCH


def tag(name: str, low: float = -math.inf, high: float = math.inf) -> Tag:
    return Tag(TagId(name), range_low=low, range_high=high)


ITEMS = {
    1: Item(tag("P-101/flow", 0.0, 100.0), 11),
    2: Item(tag("P-101/speed"), 12),
    3: Item(tag("P-101/wave", -1e9, 1e9), 13, sample_rate_hz=2048.0),
    4: Item(tag("P-101/first"), 14, pick=First()),  # type: ignore[arg-type] # like one
    900: Item(tag("P-101/last"), 15),
}
UNKNOWN = 77


def fast(message: Published) -> tuple[Batch, int]:
    table = ItemTable(ITEMS)
    found = decode_message(message, table, group="g", receive_ns=RECEIVED_NS)
    return found.batch, found.overflows


def slow(changes: list[ua.MonitoredItemNotification]) -> tuple[Batch, int]:
    batch = decode(changes, ITEMS, group="g", receive_ns=RECEIVED_NS)
    return batch, overflows(changes)


def assert_same(left: tuple[Batch, int], right: tuple[Batch, int]) -> None:
    (one, lost), (other, also_lost) = left, right
    assert lost == also_lost
    for name in ("tag", "source_time_ns", "value", "quality", "status"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
        assert getattr(one, name).dtype == getattr(other, name).dtype
    np.testing.assert_array_equal(one.server_time_ns, other.server_time_ns)
    assert one.texts == other.texts
    assert [type(text.content) for text in one.texts] == [
        type(text.content) for text in other.texts
    ]
    assert len(one.waveforms) == len(other.waveforms)
    for wave, also in zip(one.waveforms, other.waveforms, strict=True):
        np.testing.assert_array_equal(wave.points, also.points)
        assert wave.points.dtype == also.points.dtype == np.float32
        for name in ("tag", "start_ns", "sample_rate_hz", "quality", "status"):
            assert getattr(wave, name) == getattr(also, name), name
    assert (one.group, one.receive_time_ns) == (other.group, other.receive_time_ns)


def in_microseconds(batch: Batch) -> Batch:
    """Return it with times as coarse as asyncua's."""
    assert batch.server_time_ns is not None
    return replace(
        batch,
        source_time_ns=batch.source_time_ns // 1000 * 1000,
        server_time_ns=batch.server_time_ns // 1000 * 1000,
        texts=tuple(
            replace(text, source_time_ns=text.source_time_ns // 1000 * 1000)
            for text in batch.texts
        ),
        waveforms=tuple(
            replace(wave, start_ns=wave.start_ns // 1000 * 1000)
            for wave in batch.waveforms
        ),
    )


# ------------------------------------------------------------------ what is tried


def integers(bits: int, *, signed: bool) -> st.SearchStrategy[int]:
    half = 2 ** (bits - 1)
    return st.integers(-half, half - 1) if signed else st.integers(0, 2 * half - 1)


NUMBERS: dict[str, st.SearchStrategy[object]] = {
    "Boolean": st.booleans(),
    "SByte": integers(8, signed=True),
    "Byte": integers(8, signed=False),
    "Int16": integers(16, signed=True),
    "UInt16": integers(16, signed=False),
    "Int32": integers(32, signed=True),
    "UInt32": integers(32, signed=False),
    "Int64": integers(64, signed=True)
    | st.sampled_from([2**53, 2**53 + 1, -(2**53), -(2**53) - 1]),
    "UInt64": integers(64, signed=False),
    "Float": st.floats(width=32),
    "Double": st.floats(),
}
MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTHERS: dict[str, st.SearchStrategy[object]] = {
    "String": st.none() | st.text(max_size=8),
    "DateTime": st.just(MOMENT),
    "Guid": st.uuids(),
    "ByteString": st.none() | st.binary(max_size=8),
    "NodeId": st.builds(
        ua.NodeId, st.integers(0, 2**32 - 1) | st.text(max_size=4), st.integers(0, 9)
    ),
    "StatusCode": st.builds(
        lambda code: ua.StatusCode(ua.UInt32(code)), st.sampled_from([0, 0x8031_0000])
    ),
    "QualifiedName": st.builds(
        ua.QualifiedName, st.text(max_size=4), st.integers(0, 9)
    ),
    "LocalizedText": st.builds(
        ua.LocalizedText, st.none() | st.text(max_size=8), st.sampled_from([None, "de"])
    ),
    "ExtensionObject": st.builds(
        lambda body: ua.ExtensionObject(
            ua.NodeId(ua.Int32(7001), ua.Int16(3)), Body=body
        ),
        st.binary(min_size=1, max_size=8),
    ),
    "Variant": st.builds(ua.Variant, st.floats() | st.none()),
}


@st.composite
def variants(draw: st.DrawFn) -> bytes:
    """Build a Variant's bytes: mostly numbers, of all other kinds some."""
    name = draw(st.sampled_from([*NUMBERS, *NUMBERS, "Null", *OTHERS]))
    if name == "Null":
        return b"\x00"
    kind = ua.VariantType[name]
    one = (NUMBERS | OTHERS)[name]
    if draw(st.booleans()) or name == "Variant":
        return variant_to_binary(ua.Variant(draw(one), kind))
    many = draw(st.none() | st.lists(one, max_size=4))
    body = variant_to_binary(ua.Variant(many, kind, is_array=True))
    if many and draw(st.booleans()):
        sizes = draw(st.sampled_from([(len(many),), (1, len(many)), (len(many), 1)]))
        flat = bytes([body[0] | 0x40]) + body[1:]
        return flat + struct.pack(f"<i{len(sizes)}i", len(sizes), *sizes)
    return body


STATUSES = st.sampled_from([0, 0x4000_0000, 0x8031_0000, 0xC000_0000, 0x0000_0480])
TICKS = (
    st.integers(GOOD_TICKS, GOOD_TICKS + 10**12).map(lambda ticks: ticks // 10 * 10)
    | st.sampled_from([0, -1, -(2**63), 2**63 - 8, EPOCH_TICKS, EPOCH_TICKS + 10])
    | st.integers(-(2**59), 2**59).map(lambda number: number * 10)
)
RECORDS = st.builds(
    Record,
    handle=st.sampled_from([1, 2, 3, 4, 900, UNKNOWN]),
    mask=st.integers(0, 0x3F) | st.just(0x0F),
    variant=variants(),
    status=STATUSES,
    source=TICKS,
    server=TICKS,
)
RUNS = st.lists(
    st.tuples(RECORDS, st.sampled_from([1, 1, 2, 7, 8, 9, 30])), max_size=6
).map(lambda runs: [record for record, times in runs for _ in range(times)])
MIXED = st.lists(RUNS, min_size=1, max_size=2)


# ---------------------------------------------------------------------- properties


@given(MIXED)
def test_the_table_says_what_reading_record_by_record_says(
    parts: list[list[Record]],
) -> None:
    message = published(response(*map(data_change, parts)))
    assert_same(fast(message), slow(by_the_book(message)))


@given(RUNS)
def test_the_table_says_what_asyncua_says(records: list[Record]) -> None:
    plain = [
        Record(**(vars(each) | {"mask": each.mask & ~PICOSECONDS})) for each in records
    ]
    body = response(data_change(plain))
    answer = struct_from_binary(ua.PublishResponse, Buffer(body))
    message = answer.Parameters.NotificationMessage
    assert message is not None
    (part,) = message.NotificationData
    assert isinstance(part, ua.DataChangeNotification)
    assert_same(fast(published(body)), slow(part.MonitoredItems))


@given(MIXED, st.data())
def test_garbage_is_refused_or_read_as_asyncua_reads_it(
    parts: list[list[Record]], data: st.DataObject
) -> None:
    body = bytearray(response(*map(data_change, parts)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)) | st.just(len(body)))
    try:
        message = published(bytes(body[:cut]))
        found = fast(message)
    except (MalformedMessageError, ServiceFaultError):
        return
    try:
        known = by_the_book(message)
    except Exception:  # noqa: BLE001 - asyncua may refuse more, by any exception
        return
    assert_same((in_microseconds(found[0]), found[1]), slow(known))


@given(st.binary(max_size=200))
def test_any_bytes_at_all_are_refused_or_read(body: bytes) -> None:
    for prefix in (b"", b"\x01\x00\x3d\x03"):
        try:
            fast(published(prefix + body))
        except (MalformedMessageError, ServiceFaultError):
            continue


def test_a_message_cut_anywhere_is_refused() -> None:
    wave = variant_to_binary(ua.Variant([1.0, 2.0], ua.VariantType.Double))
    text = variant_to_binary(ua.Variant("Pumpe"))
    records = [
        Record(),
        Record(handle=3, variant=wave),
        Record(variant=text, mask=0x3F),
    ]
    body = response(data_change([*records, *[Record()] * 20]))
    fast(published(body))
    end = body.rindex(struct.pack("<ii", 0, 0))  # Results and DiagnosticInfos
    for cut in range(end):
        with pytest.raises(MalformedMessageError):
            fast(published(body[:cut]))


# ------------------------------------------------------------------------ examples


def one(*records: Record) -> Batch:
    return fast(published(response(data_change(records))))[0]


def test_times_are_exact_to_a_hundred_nanoseconds() -> None:
    batch = one(Record(source=GOOD_TICKS + 3, server=GOOD_TICKS + 7))
    assert batch.source_time_ns.tolist() == [1_700_000_000_000_000_300]
    assert batch.server_time_ns is not None
    assert batch.server_time_ns.tolist() == [1_700_000_000_000_000_700]


def test_no_plausible_time_is_no_time() -> None:
    ticks = np.array([0, -(2**63), 2**63 - 1, EPOCH_TICKS, EPOCH_TICKS + 10])
    assert times_ns(ticks).tolist() == [0, 0, 0, 0, 1000]


def test_without_a_source_time_the_servers_counts_and_then_ours() -> None:
    batch = one(Record(source=0), Record(source=0, server=0), Record(mask=1))
    server = 1_700_000_000_000_001_000
    assert batch.source_time_ns.tolist() == [server, RECEIVED_NS, RECEIVED_NS]
    assert batch.server_time_ns is not None
    assert batch.server_time_ns.tolist() == [server, 0, 0]


def test_picoseconds_lie_behind_their_own_time() -> None:
    batch = one(Record(mask=0x3F, server=GOOD_TICKS + 10))
    assert batch.source_time_ns.tolist() == [1_700_000_000_000_000_000]
    assert batch.server_time_ns is not None
    assert batch.server_time_ns.tolist() == [1_700_000_000_000_001_000]


def test_a_long_integer_is_exact_and_a_shorter_one_a_number() -> None:
    longer = struct.pack("<Bq", 8, 2**53 + 1)
    shorter = struct.pack("<Bq", 8, 2**53)
    batch = one(Record(2, variant=longer), Record(2, variant=shorter))
    assert [text.content for text in batch.texts] == [2**53 + 1]
    assert batch.value.tolist() == [2.0**53]


def test_a_bad_value_keeps_its_status_and_one_out_of_range_gets_one() -> None:
    far = struct.pack("<Bd", 11, 100.5)
    batch = one(Record(status=0x808C_0000), Record(variant=far), Record())
    assert batch.quality.tolist() == [Quality.BAD, Quality.BAD, Quality.GOOD]
    assert batch.status.tolist() == [0x808C_0000, 0x803C_0000, 0]


def test_a_message_without_changes_confirms_all() -> None:
    message = published(response())
    batch, lost = fast(message)
    assert (message.is_keep_alive, len(batch), batch.confirms, lost) == (
        True, 0, True, 0,
    )  # fmt: skip


def test_the_end_of_a_subscription_is_told() -> None:
    ended = published(response(extension(820, struct.pack("<IB", 0x800A_0000, 0))))
    assert ended.ended == 0x800A_0000
    assert published(response(extension(916, struct.pack("<i", 0)))).parts == 1


def test_text_that_is_no_utf_8_stays_text() -> None:
    latin = b"\x0c" + struct.pack("<i", 2) + b"\xe4!"
    (text,) = one(Record(2, variant=latin)).texts
    assert text.content == "\N{REPLACEMENT CHARACTER}!"


def test_a_structure_that_cannot_be_read_is_bad_and_hurts_no_other() -> None:
    body = struct.pack("<BBHBi", 1, 0, 811, 1, 2) + b"??"
    batch = one(Record(4, variant=b"\x16" + body), Record(2))
    assert batch.status.tolist() == [0x8007_0000, 0]


def nested(depth: int) -> bytes:
    return b"\x18" * depth + b"\x00"


def test_nesting_is_followed_a_hundred_deep_and_no_deeper() -> None:
    assert one(Record(2, variant=nested(100))).status.tolist() == [BAD_MISMATCH]
    with pytest.raises(MalformedMessageError, match="nested too deep"):
        one(Record(2, variant=nested(102)))


@pytest.mark.parametrize(
    "variant",
    [
        b"\x80" + struct.pack("<i", 2**31 - 1),  # two thousand million nothings
        b"\x8b" + struct.pack("<i", 2**31 - 1),
        b"\x8b" + struct.pack("<i", -2),
        b"\x0c" + struct.pack("<i", -2),
        b"\x4b" + struct.pack("<d", 1.0),
    ],
)
def test_a_length_that_lies_costs_nothing(variant: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        one(Record(2, variant=variant))


def test_more_records_announced_than_fit_is_malformed() -> None:
    part = extension(811, struct.pack("<i", 10_000_000) + Record().encoded())
    with pytest.raises(MalformedMessageError):
        published(response(part))


def test_a_refusal_is_told_with_its_status() -> None:
    with pytest.raises(ServiceFaultError) as refused:
        published(response(service_result=0x8079_0000))
    assert refused.value.status == 0x8079_0000


def test_of_no_items_nothing_is_taken() -> None:
    message = published(response(data_change([Record()])))
    found = decode_message(message, ItemTable({}), group="g", receive_ns=1)
    assert found.batch.sample_count == 0


def test_long_runs_are_found_whole_and_no_longer() -> None:
    number = struct.pack("<Bi", 6, 5)
    records = [Record()] * 1000 + [Record(variant=number)] + [Record()] * 8
    message = published(response(data_change(records)))
    columns = columns_of(message.body, message.changes)
    assert columns.value.tolist() == [1.5] * 1000 + [5.0] + [1.5] * 8
