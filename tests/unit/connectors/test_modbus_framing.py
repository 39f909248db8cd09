from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu.bit_message import ReadCoilsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from connectors.modbus.framing import AsciiFramer, NumberedFramer, RtuFramer
from connectors.modbus.replies import Request, Verdict
from tests.unit.connectors.frames import ascii_line, mbap, rtu

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymodbus.pdu import ModbusPDU

    from connectors.modbus.framing import StrictFramer

DEVICE, NUMBER = 17, 1234
KINDS: tuple[type[StrictFramer], ...] = (NumberedFramer, RtuFramer, AsciiFramer)


def framed(
    kind: type[StrictFramer], pdu: bytes, *, device: int = DEVICE, number: int = NUMBER
) -> bytes:
    if kind is NumberedFramer:
        return mbap(number, device, pdu)
    return rtu(device, pdu) if kind is RtuFramer else ascii_line(device, pdu)


class Listener:
    """Feeds a framer as pymodbus does, and keeps what it gives."""

    def __init__(self, kind: type[StrictFramer], request: ModbusPDU) -> None:
        self.wrong: list[str] = []
        self.given: list[bytes] = []
        self._waiting = b""
        self._framer = kind(self.wrong.append)
        self.sent = self._framer.buildFrame(request)

    def hear(self, chunks: Iterable[bytes]) -> list[bytes]:
        for chunk in chunks:
            self._waiting += chunk
            used, pdu = self._framer.handleFrame(self._waiting, 0, 0)
            assert 0 <= used <= len(self._waiting)
            self._waiting = self._waiting[used:]
            if pdu is not None:
                assert (pdu.dev_id, pdu.transaction_id) == (DEVICE, NUMBER)
                self.given.append(pdu.function_code.to_bytes(1, "big") + pdu.encode())
        return self.given


def numbered(pdu: ModbusPDU) -> ModbusPDU:
    pdu.dev_id, pdu.transaction_id = DEVICE, NUMBER
    return pdu


requests = st.one_of(
    st.builds(
        lambda count: numbered(ReadCoilsRequest(address=0, count=count)),
        st.integers(1, 40),
    ),
    st.builds(
        lambda count: numbered(ReadHoldingRegistersRequest(address=0, count=count)),
        st.integers(1, 125),
    ),
    st.builds(
        lambda count: numbered(ReadInputRegistersRequest(address=0, count=count)),
        st.integers(1, 3),
    ),
    st.builds(
        lambda on: numbered(WriteSingleCoilRequest(address=9, bits=[on])),
        st.booleans(),
    ),
    st.builds(
        lambda word: numbered(WriteSingleRegisterRequest(address=9, registers=[word])),
        st.integers(0, 0xFFFF),
    ),
    st.builds(
        lambda words: numbered(
            WriteMultipleRegistersRequest(address=9, registers=words)
        ),
        st.lists(st.integers(0, 0xFFFF), min_size=2, max_size=4),
    ),
)


def request_of(pdu: ModbusPDU) -> Request:
    return Request(DEVICE, pdu.function_code.to_bytes(1, "big") + pdu.encode())


@st.composite
def answers(draw: st.DrawFn, request: Request) -> bytes:
    """A right answer, or a refusal."""
    if draw(st.integers(0, 5)) == 0:
        return bytes((request.function | 0x80, draw(st.integers(1, 11))))
    body = request.answer_bytes - len(request.head)
    return request.head + draw(st.binary(min_size=body, max_size=body))


@st.composite
def sliced(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """A stream in the pieces in which it may arrive."""
    cuts = draw(st.lists(st.integers(0, len(stream)), max_size=6))
    ends = sorted({0, *cuts, len(stream)})
    return [stream[start:end] for start, end in pairwise(ends)]


@st.composite
def spoilt(draw: st.DrawFn, frame: bytes) -> bytes:
    """A frame with a few bytes changed, lost or added."""
    stream = bytearray(frame)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(stream) - 1)))
        match draw(st.sampled_from(["change", "lose", "add"])):
            case "change" if stream:
                stream[at] ^= draw(st.integers(1, 255))
            case "lose":
                del stream[at : at + draw(st.integers(1, 4))]
            case _:
                stream[at:at] = draw(st.binary(min_size=1, max_size=4))
    return bytes(stream)


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_the_answer_is_given_in_whatever_pieces_it_comes(
    kind: type[StrictFramer], data: st.DataObject
) -> None:
    pdu = data.draw(requests)
    answer = data.draw(answers(request_of(pdu)))
    listener = Listener(kind, pdu)
    assert listener.hear(data.draw(sliced(framed(kind, answer)))) == [answer]
    assert listener.wrong == []


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_what_is_given_was_on_the_wire_to_the_byte(
    kind: type[StrictFramer], data: st.DataObject
) -> None:
    pdu = data.draw(requests)
    request = request_of(pdu)
    answer = data.draw(answers(request))
    device = data.draw(st.sampled_from([DEVICE, DEVICE + 1, 0, 255]))
    number = data.draw(st.sampled_from([NUMBER, NUMBER - 1, 0]))
    frame = framed(kind, answer, device=device, number=number)
    stream = data.draw(st.binary(max_size=12)) if data.draw(st.booleans()) else b""
    stream += data.draw(spoilt(frame)) + data.draw(st.binary(max_size=12))
    for given_ in Listener(kind, pdu).hear(data.draw(sliced(stream))):
        assert request.judge(given_) is not Verdict.OTHER
        whole = framed(kind, given_)
        assert (whole.upper() if kind is AsciiFramer else whole) in (
            stream.upper() if kind is AsciiFramer else stream
        )


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
def test_the_answer_to_another_question_is_never_given(
    kind: type[StrictFramer], data: st.DataObject
) -> None:
    pdu, other = data.draw(requests), request_of(data.draw(requests))
    reply = data.draw(answers(other))
    if request_of(pdu).judge(reply) is not Verdict.OTHER:
        return
    assert Listener(kind, pdu).hear([framed(kind, reply)]) == []


@pytest.mark.parametrize("kind", [RtuFramer, AsciiFramer])
def test_the_reply_of_another_device_is_skipped(kind: type[StrictFramer]) -> None:
    request = numbered(ReadInputRegistersRequest(address=0, count=1))
    late = framed(kind, b"\x04\x02\x00\x01", device=DEVICE + 1)
    ours = framed(kind, b"\x04\x02\x00\x07")
    assert Listener(kind, request).hear([late + ours]) == [b"\x04\x02\x00\x07"]


def test_a_late_reply_is_skipped_by_its_number() -> None:
    request = numbered(ReadInputRegistersRequest(address=0, count=1))
    late = framed(NumberedFramer, b"\x04\x02\x00\x01", number=NUMBER - 1)
    ours = framed(NumberedFramer, b"\x04\x02\x00\x07")
    assert Listener(NumberedFramer, request).hear([late + ours]) == [
        b"\x04\x02\x00\x07"
    ]


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 400",
        framed(NumberedFramer, b"\x04\x02\x00\x07", device=DEVICE + 1),
        framed(NumberedFramer, b"\x03\x02\x00\x07"),
        framed(NumberedFramer, b"\x04\x04\x00\x07\x00\x08"),
        framed(NumberedFramer, b"\x04\x02\x00"),
        framed(NumberedFramer, b"\x84\x00"),
    ],
    ids=["not Modbus", "wrong device", "wrong function", "long", "short", "refusal 0"],
)
def test_a_stream_that_is_out_of_step_is_told_at_once(stream: bytes) -> None:
    listener = Listener(
        NumberedFramer, numbered(ReadInputRegistersRequest(address=0, count=1))
    )
    assert listener.hear([stream]) == []
    assert len(listener.wrong) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_when_nothing_is_asked_is_thrown_away(
    kind: type[StrictFramer],
) -> None:
    listener = Listener(kind, numbered(ReadInputRegistersRequest(address=0, count=1)))
    answer = framed(kind, b"\x04\x02\x00\x07")
    assert listener.hear([answer, answer]) == [b"\x04\x02\x00\x07"]


def test_the_echo_of_a_write_may_tell_what_the_place_holds_now() -> None:
    request = numbered(WriteSingleCoilRequest(address=9, bits=[True]))
    echo = b"\x05\x00\x09\x00\x00"
    assert Listener(RtuFramer, request).hear([framed(RtuFramer, echo)]) == [echo]
    elsewhere = framed(NumberedFramer, b"\x05\x00\x08\xff\x00")
    assert Listener(NumberedFramer, request).hear([elsewhere]) == []


def test_frames_are_sent_as_the_standard_has_them() -> None:
    request = numbered(ReadInputRegistersRequest(address=5, count=1))
    pdu = b"\x04\x00\x05\x00\x01"
    for kind in KINDS:
        assert Listener(kind, request).sent == framed(kind, pdu)


def test_a_function_that_is_not_ours_has_no_answer() -> None:
    with pytest.raises(ValueError, match="not ours to ask"):
        _ = Request(DEVICE, b"\x2b\x0e\x01\x00").head
