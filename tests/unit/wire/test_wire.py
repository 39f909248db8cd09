"""What is sent comes back the same; what is broken is refused by name."""

from __future__ import annotations

import math
import struct

import msgspec
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from appliance.domain.batch import Batch, Text, Waveform, batch_of
from appliance.domain.event import Event, EventKind
from appliance.domain.sample import Quality, Sample
from appliance.domain.tag import Tag, TagId
from appliance.wire.batches import batch_of_message, message_of
from appliance.wire.events import (
    event_of_message,
    message_of_event,
    tag_of_entry,
    tag_table,
)
from appliance.wire.messages import (
    FRAME_MAX_BYTES,
    LENGTH_BYTES,
    BatchMessage,
    EventMessage,
    Request,
    TagEntry,
    WireError,
    decode_body,
    encode_frame,
    frame_length,
)
from appliance.wire.outbox import (
    PAYLOAD_MAX_BYTES,
    Ack,
    EventRow,
    GapRow,
    HealthRow,
    Row,
    SnippetRow,
    Stream,
    SummaryRow,
    decode_ack,
    decode_payload,
    decode_row,
    encode_ack,
    encode_payload,
    encode_row,
    parse_topic,
    topic,
)
from appliance.wire.samples import columns_of, message_of_samples

ROWS: dict[Stream, Row] = {
    Stream.EVENT: EventRow(
        "alarm", "active", 1, "hot", "P", "P/t", "high", "", {"a": 1}
    ),
    Stream.SUMMARY: SummaryRow("P/t", 1, 60.0, 2, 0, 1.0, 2.0, 1.5, 0.5, None),
    Stream.HEALTH: HealthRow("P", 1, 0.5, 1.0, 0.9, False, None, None, None, "", "v1"),
    Stream.SNIPPET: SnippetRow("P/a", 1, 10_240.0, 2, b"xy", "anomaly"),
    Stream.GAP: GapRow("acquisition", "killed", 1, 2, -1, 0, 0),
}


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    rows = draw(st.integers(0, 20))

    def column(kind: type[np.generic], elements: st.SearchStrategy[object]) -> object:
        return draw(hnp.arrays(kind, rows, elements=elements))

    points = draw(hnp.arrays(np.float32, st.integers(0, 9)))
    return batch_of(
        column(np.uint32, st.integers(0, 2**32 - 1)),  # type: ignore[arg-type] # drawn
        column(np.float64, st.floats(allow_nan=True)),  # type: ignore[arg-type] # drawn
        source_time_ns=column(np.int64, st.integers(-(2**63), 2**63 - 1)),  # type: ignore[arg-type] # drawn
        receive_time_ns=draw(st.integers(0, 2**62)),
        quality=column(np.uint8, st.integers(0, 2)),  # type: ignore[arg-type] # drawn
        status=column(np.uint32, st.integers(0, 2**32 - 1)),  # type: ignore[arg-type] # drawn
        group=draw(st.text(max_size=5)),
        confirms=draw(st.booleans()),
        historical=draw(st.booleans()),
        waveforms=(Waveform(1, 5, 1e4, points, Quality.UNCERTAIN, 7),),
        texts=(
            Text(2, 6, draw(st.text(max_size=5)), Quality.BAD, 8),
            Text(3, 6, 2**63),
        ),
        server_time_ns=draw(
            st.one_of(
                st.none(),
                hnp.arrays(np.int64, rows, elements=st.integers(-(2**63), 2**63 - 1)),
            )
        ),
    )


@given(batches())
def test_a_batch_survives_the_link_bit_for_bit(batch: Batch) -> None:
    frame = encode_frame(message_of(batch))
    message = decode_body(frame[LENGTH_BYTES:])
    assert isinstance(message, BatchMessage)
    back = batch_of_message(message)
    for name in ("tag", "source_time_ns", "value", "quality", "status"):
        assert getattr(back, name).tobytes() == getattr(batch, name).tobytes()
    server, server_back = batch.server_time_ns, back.server_time_ns
    if server is None or not len(server):
        assert server_back is None
    else:
        assert server_back is not None
        assert server_back.tobytes() == server.tobytes()
    assert back.texts == batch.texts
    assert back.waveforms[0].points.tobytes() == batch.waveforms[0].points.tobytes()
    assert back.waveforms[0].quality is Quality.UNCERTAIN
    same = ("group", "confirms", "historical", "receive_time_ns")
    assert all(getattr(back, name) == getattr(batch, name) for name in same)


def test_safety_speaks_the_same_batches_without_numpy() -> None:
    tags = (TagId("safety/trip"), TagId("safety/margin"))
    samples = [
        Sample(tags[0], 1.0, Quality.GOOD, 0, 5, 6),
        Sample(tags[1], math.nan, Quality.BAD, 0x80310000, 5, 6),
    ]
    message = message_of_samples(
        samples, {tags[0]: 1, tags[1]: 2}, receive_time_ns=6, group="scan"
    )
    batch = batch_of_message(message)
    assert batch.tag.tolist() == [1, 2]
    assert batch.value[0] == 1.0
    assert math.isnan(batch.value[1])
    assert batch.status.tolist() == [0, 0x80310000]
    assert batch.group == "scan"


def test_safety_tells_the_second_time_of_a_sample_that_has_one() -> None:
    tags = (TagId("a/b"), TagId("a/c"))
    samples = [
        Sample(tags[0], 1.0, Quality.GOOD, 0, 5, 6, 55),
        Sample(tags[1], 2.0, Quality.GOOD, 0, 5, 6),
    ]
    message = message_of_samples(
        samples, {tags[0]: 1, tags[1]: 2}, receive_time_ns=6, group="scan"
    )
    server = batch_of_message(message).server_time_ns
    assert server is not None
    assert server.tolist() == [55, 0]
    assert columns_of(message).server_time_ns == [55, 0]
    without = message_of_samples(
        samples[1:], {tags[1]: 2}, receive_time_ns=6, group="scan"
    )
    assert without.server_time_ns == b""
    assert columns_of(without).server_time_ns == [0]


@pytest.mark.parametrize(
    "broken",
    [
        BatchMessage(b"123", b"", b"", b"", b"", 0),
        BatchMessage(b"1234", b"", b"", b"", b"", 0),
    ],
)
def test_a_broken_batch_is_refused(broken: BatchMessage) -> None:
    with pytest.raises(WireError):
        batch_of_message(broken)


@given(st.binary(max_size=60))
def test_no_bytes_make_the_codec_fail_otherwise_than_by_name(content: bytes) -> None:
    for decode in (decode_body, decode_payload, decode_ack):
        with pytest.raises(WireError):
            decode(content)


def test_a_frame_that_is_too_long_is_refused_at_both_ends() -> None:
    with pytest.raises(WireError, match="too long"):
        encode_frame(Request(1, "x", {"y": b"0" * FRAME_MAX_BYTES}))
    with pytest.raises(WireError, match="longer than allowed"):
        frame_length(struct.pack(">I", FRAME_MAX_BYTES + 1))


def test_an_event_comes_back_the_same_and_a_broken_one_is_refused() -> None:
    event = Event(
        EventKind.ALARM, "active", 5, "hot", "P", TagId("P/t"), "high", "me", {"a": 1.5}
    )
    assert event_of_message(message_of_event(event, pending=True)) == event
    with pytest.raises(WireError, match="broken event"):
        event_of_message(EventMessage("weather", "x", 1, "x"))
    with pytest.raises(WireError, match="broken event"):
        event_of_message(EventMessage("alarm", "x", 1, "x", tag="no-slash"))


def test_the_tag_table_comes_back_the_same() -> None:
    tag = Tag(TagId("P/t"), "degC", 0.0, math.inf, "winding", ((1, "on"),))
    (entry,) = tag_table({tag.id: tag}, {tag.id: 4, TagId("P/other"): 5})
    assert entry.number == 4
    assert tag_of_entry(entry) == tag
    with pytest.raises(WireError, match="broken tag table"):
        tag_of_entry(TagEntry(1, "no-slash"))


@pytest.mark.parametrize("stream", list(Stream))
def test_rows_of_every_stream_travel_whole(stream: Stream) -> None:
    rows = [encode_row(ROWS[stream])] * 3
    content = encode_payload(epoch="e", stream=stream, first_seq=7, rows=rows)
    payload, back = decode_payload(content)
    assert (payload.epoch, payload.stream, payload.first_seq) == ("e", stream, 7)
    assert back == (ROWS[stream],) * 3


def test_a_row_of_another_stream_is_refused() -> None:
    with pytest.raises(WireError, match="broken summary row"):
        decode_row(Stream.SUMMARY, encode_row(ROWS[Stream.EVENT]))


def payload(**changes: object) -> bytes:
    fields = {"schema": 1, "epoch": "e", "stream": "gap", "first_seq": 1, "rows": []}
    return zstandard.compress(msgspec.msgpack.encode({**fields, **changes}))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (payload(schema=2), "schema 2"),
        (payload(stream="weather"), "broken payload"),
        (payload(first_seq=0), "first_seq"),
        (payload(rows=[1]), "broken gap row"),
        (zstandard.compress(b"\0" * (PAYLOAD_MAX_BYTES + 1)), "not accepted"),
        (zstandard.compress(b"junk"), "broken payload"),
    ],
)
def test_a_payload_that_is_not_ours_is_refused_by_name(
    content: bytes, reason: str
) -> None:
    with pytest.raises(WireError, match=reason):
        decode_payload(content)


def test_acknowledgements_and_topics_come_back_the_same() -> None:
    ack = Ack("e", "event", 9)
    assert decode_ack(encode_ack(ack)) == ack
    assert parse_topic(topic("s", "g", "event")) == ("s", "g", "event")
    for text in ("wheeltapper/v1/s/g", "x/wheeltapper/v1/s/g/ack", "a/b/c", ""):
        with pytest.raises(WireError, match="not a topic"):
            parse_topic(text)
