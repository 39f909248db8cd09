"""Every reason code of MQTT 5 and 3.1.1 has an answer, and each answer an error."""

from __future__ import annotations

import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from appliance.sync.errors import (
    PacketTooLargeError,
    ProtocolRefusedError,
    UplinkBusyError,
    UplinkLostError,
    UplinkRefusedError,
    error_of,
)
from appliance.sync.patience import BUSY_S, REFUSED_S, RETRY_S, Patience
from appliance.sync.reasons import CODE_OF_311, TABLE, Advice, Course, Packet, advise

CONNACK = {
    0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C,
    0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
}  # fmt: skip
PUBACK = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}
SUBACK = {0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2}
DISCONNECT = {
    0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90,
    0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F,
    0xA0, 0xA1, 0xA2,
}  # fmt: skip
STANDARD = {
    Packet.CONNACK: CONNACK,
    Packet.PUBACK: PUBACK,
    Packet.SUBACK: SUBACK,
    Packet.DISCONNECT: DISCONNECT,
}
ALL = [(packet, code) for packet, codes in STANDARD.items() for code in sorted(codes)]
PAHO = {
    Packet.CONNACK: PacketTypes.CONNACK,
    Packet.PUBACK: PacketTypes.PUBACK,
    Packet.SUBACK: PacketTypes.SUBACK,
    Packet.DISCONNECT: PacketTypes.DISCONNECT,
}


@pytest.mark.parametrize("packet", Packet)
def test_the_table_holds_what_the_standard_lets_a_server_say(packet: Packet) -> None:
    assert set(TABLE[packet]) == STANDARD[packet]


@pytest.mark.parametrize("packet", Packet)
def test_the_library_knows_no_code_that_the_table_does_not(packet: Packet) -> None:
    for code in range(256):
        try:
            known = ReasonCode(PAHO[packet], identifier=code)
        except (KeyError, ValueError):
            continue
        if packet is Packet.DISCONNECT and code == 0x04:  # a client's alone
            continue
        assert advise(packet, code).reason == str(known)


@pytest.mark.parametrize(("packet", "code"), ALL)
def test_a_failure_never_goes_on_and_a_success_always_does(
    packet: Packet, code: int
) -> None:
    goes_on = advise(packet, code).course is Course.GO_ON
    assert goes_on is (code < 0x80 and packet is not Packet.DISCONNECT)


@pytest.mark.parametrize(("packet", "code"), ALL)
def test_whoever_must_act_is_told_what_to_do(packet: Packet, code: int) -> None:
    advice = advise(packet, code)
    if advice.course is Course.ASK_A_PERSON:
        assert advice.remedy
        assert str(advice) == f"{advice.reason}; {advice.remedy}"


@pytest.mark.parametrize("packet", Packet)
def test_a_code_of_no_standard_has_an_answer_too(packet: Packet) -> None:
    for code in set(range(256)) - STANDARD[packet]:
        advice = advise(packet, code)
        assert "does not know" in advice.reason, code
        patient = code >= 0x80 or packet is Packet.DISCONNECT
        assert advice.course is (Course.BACK_OFF if patient else Course.GO_ON), code


@pytest.mark.parametrize(
    ("code", "course"),
    [
        (0, Course.GO_ON),
        (1, Course.OTHER_PROTOCOL),
        (2, Course.ASK_A_PERSON),
        (3, Course.BACK_OFF),
        (4, Course.ASK_A_PERSON),
        (5, Course.ASK_A_PERSON),
    ],
)
def test_the_return_codes_of_3_1_1(code: int, course: Course) -> None:
    assert advise(Packet.CONNACK, CODE_OF_311[code]).course is course
    assert len(CODE_OF_311) == 6


@pytest.mark.parametrize(
    ("course", "kind"),
    [
        (Course.RETRY, UplinkLostError),
        (Course.BACK_OFF, UplinkBusyError),
        (Course.ASK_A_PERSON, UplinkRefusedError),
        (Course.SMALLER, PacketTooLargeError),
        (Course.OTHER_PROTOCOL, ProtocolRefusedError),
    ],
)
def test_each_course_is_an_error(course: Course, kind: type[UplinkLostError]) -> None:
    advice = Advice(Packet.DISCONNECT, 0x80, "why", course, "what helps")
    error = error_of("it ended", advice)
    assert type(error) is kind
    assert str(error) == "it ended: why; what helps"


def test_patience_is_of_three_kinds_and_ends_with_success() -> None:
    patience = Patience(lambda: 0.0)
    for error, (first, longest) in (
        (UplinkLostError("x"), RETRY_S),
        (UplinkBusyError("x"), BUSY_S),
        (UplinkRefusedError("x"), REFUSED_S),
    ):
        waits = [patience.after(error) for _ in range(12)]
        assert waits == sorted(waits)
        assert waits[0] <= first
        assert waits[-1] <= longest
        patience.reset()
        assert patience.after(error) == waits[0]
