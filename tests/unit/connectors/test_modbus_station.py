from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from appliance.domain.ports import SourceUnavailableError
from connectors.modbus.config import ModbusSettings
from connectors.modbus.permits import NotPermittedError
from connectors.modbus.planner import Block
from connectors.modbus.registers import Table
from connectors.modbus.station import NoAnswerError, RefusedError
from tests.unit.connectors.fakes import SetClock
from tests.unit.connectors.frames import mbap, rtu
from tests.unit.connectors.wires import line_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from connectors.modbus.line import Line
    from connectors.modbus.station import Station

    Build = Callable[..., ModbusSettings]

TIMEOUT_S = 0.02
TWO = Block(Table.HOLDING, 0, 2, (0,))
POINTS = [
    {"name": "run", "table": "coil", "address": 4},
    {"name": "beat", "table": "holding", "address": 5, "range": [0, 9]},
    {
        "name": "speed",
        "table": "holding",
        "address": 6,
        "type": "float32",
        "range": [0, 50],
    },
]


class Memory:
    """A device on Modbus TCP whose registers hold their own addresses."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, frame: bytes) -> Iterable[bytes]:
        number = int.from_bytes(frame[:2], "big")
        pdu = frame[7:]
        self.asked.append(pdu)
        yield mbap(number, frame[6], answer_to(pdu))


class SlowBus:
    """A device on RTU that answers in order, but each time only when asked again."""

    def __init__(self, *, late: int) -> None:
        self.late = late
        self.waiting: list[bytes] = []
        self.turn = 0

    def __call__(self, frame: bytes) -> Iterable[bytes]:
        self.turn += 1
        pdu = frame[1:-2]
        answer = answer_to(pdu, value=self.turn)
        self.waiting.append(rtu(frame[0], answer))
        if self.turn <= self.late:
            return []
        told, self.waiting = self.waiting, []
        return told


def answer_to(pdu: bytes, *, value: int | None = None) -> bytes:
    function, address = pdu[0], int.from_bytes(pdu[1:3], "big")
    count = int.from_bytes(pdu[3:5], "big")
    if function in (1, 2):
        size = -(-count // 8)
        return bytes((function, size)) + b"\x05" * size
    if function in (3, 4):
        words = [address + at if value is None else value for at in range(count)]
        told = b"".join(word.to_bytes(2, "big") for word in words)
        return bytes((function, len(told))) + told
    return pdu[:5] if function == 16 else pdu


def silent(_: bytes) -> Iterable[bytes]:
    return []


def first(line: Line, settings: ModbusSettings) -> Station:
    return line.station(settings.device_table[0])


async def test_registers_and_bits_are_read(modbus: Build, clock: SetClock) -> None:
    settings = modbus()
    line, _ = await line_on(Memory(), settings, clock)
    station = first(line, settings)
    assert await station.read(Block(Table.HOLDING, 7, 3, (0,))) == [7, 8, 9]
    assert await station.read(Block(Table.INPUT, 1, 1, (0,))) == [1]
    assert await station.read(Block(Table.COIL, 0, 3, (0,))) == [1, 0, 1]
    assert len(await station.read(Block(Table.DISCRETE, 0, 9, (0,)))) == 9
    await line.leave()


async def test_a_refusal_is_told_with_its_code(modbus: Build, clock: SetClock) -> None:
    settings = modbus()
    line, wire = await line_on(
        lambda frame: [mbap(frame[1], frame[6], bytes((frame[7] | 0x80, 2)))],
        settings,
        clock,
    )
    with pytest.raises(RefusedError) as caught:
        await first(line, settings).read(TWO)
    assert (caught.value.code, wire.closed) == (2, False)
    line.close()


async def test_a_silent_device_is_unavailable_and_its_socket_closed(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus(timeout_s=TIMEOUT_S)
    line, wire = await line_on(silent, settings, clock)
    with pytest.raises(NoAnswerError, match="device 1: no fitting answer"):
        await first(line, settings).read(TWO)
    assert wire.closed
    with pytest.raises(SourceUnavailableError, match="is lost"):
        await first(line, settings).read(TWO)


async def test_one_silent_device_does_not_close_the_socket_of_the_others(
    modbus: Build, clock: SetClock
) -> None:
    memory = Memory()
    settings = modbus(
        devices=[
            {"name": "dead", "device_id": 1, "timeout_s": TIMEOUT_S},
            {"name": "alive", "device_id": 2},
        ]
    )
    line, wire = await line_on(
        lambda frame: memory(frame) if frame[6] == 2 else [], settings, clock
    )
    dead, alive = (line.station(device) for device in settings.device_table)
    for _ in range(3):
        with pytest.raises(NoAnswerError):
            await dead.read(TWO)
        assert await alive.read(TWO) == [0, 1]
    assert not wire.closed
    line.close()


async def test_a_lost_connection_fails_what_is_asked_at_once(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus(timeout_s=60.0)
    line, wire = await line_on(silent, settings, clock)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        asking = group.create_task(_outcome(first(line, settings)), name="test.read")
        while not wire.sent:
            await asyncio.sleep(0)
        wire.lose()
    assert str(asking.result()) == "192.0.2.1:502: the connection is lost"


async def test_closing_fails_what_is_asked_at_once(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus(timeout_s=60.0)
    line, wire = await line_on(silent, settings, clock)
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        asking = group.create_task(_outcome(first(line, settings)), name="test.read")
        while not wire.sent:
            await asyncio.sleep(0)
        line.close()
    assert isinstance(asking.result(), SourceUnavailableError)


async def test_a_stream_out_of_step_is_given_up_at_once(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus(timeout_s=60.0)
    line, wire = await line_on(lambda _: [b"SSH-2.0-x\r\n"], settings, clock)
    async with asyncio.timeout(60):
        with pytest.raises(SourceUnavailableError, match="not Modbus"):
            await first(line, settings).read(TWO)
    assert wire.closed


async def test_a_cancelled_request_closes_the_socket(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus(timeout_s=60.0)
    line, wire = await line_on(silent, settings, clock)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(TIMEOUT_S):
            await first(line, settings).read(TWO)
    assert wire.closed


async def test_a_cancellation_in_the_turn_of_the_answer_is_not_lost(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus(timeout_s=60.0)
    line, wire = await line_on(silent, settings, clock)
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(first(line, settings).read(TWO), name="test.ask")
        while not wire.sent:
            await asyncio.sleep(0)
        number = int.from_bytes(wire.sent[0][:2], "big")
        wire.arrive(mbap(number, 1, b"\x03\x04\x00\x00\x00\x01"))
        asyncio.get_running_loop().call_soon(asking.cancel)
    assert asking.cancelled()
    line.close()


async def test_what_is_listed_is_written_and_nothing_else_leaves(
    modbus: Build, clock: SetClock
) -> None:
    memory = Memory()
    settings = modbus(points=POINTS)
    line, _ = await line_on(memory, settings, clock)
    station = first(line, settings)
    await station.write(Table.COIL, 4, [1])
    await station.write(Table.COIL, 4, [0])
    await station.write(Table.HOLDING, 5, [0])
    await station.write(Table.HOLDING, 6, [0x4120, 0x0000])
    written = list(memory.asked)
    assert written == [
        bytes.fromhex(pdu)
        for pdu in ("050004ff00", "0500040000", "0600050000", "1000060002044120 0000")
    ]
    for table, address, words in (
        (Table.COIL, 3, [0]),
        (Table.HOLDING, 4, [0]),
        (Table.HOLDING, 5, [10]),
        (Table.HOLDING, 5, [1, 1]),
        (Table.HOLDING, 6, [0]),
        (Table.HOLDING, 6, [0x4248, 0x0001]),
    ):
        with pytest.raises(NotPermittedError):
            await station.write(table, address, words)
    assert memory.asked == written
    assert await station.read(TWO) == [0, 1]
    line.close()


async def test_not_even_the_client_itself_can_write_what_is_not_listed(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus(points=POINTS)
    line, wire = await line_on(Memory(), settings, clock)
    client = line._client
    for forbidden in (
        client.write_coils(4, [True, True]),
        client.write_register(100, 1),
        client.mask_write_register(address=5),
        client.diag_force_listen_only(),
        client.write_coil(4, value=True, device_id=2),
    ):
        with pytest.raises(NotPermittedError):
            await forbidden
    assert wire.sent == []
    line.close()


async def test_a_late_answer_on_a_bus_is_never_the_answer_to_the_next(
    clock: SetClock,
) -> None:
    settings, device = rtu_settings(), SlowBus(late=2)
    line, wire = await line_on(device, settings, clock)
    station = first(line, settings)
    for _ in range(2):
        with pytest.raises(NoAnswerError):
            await station.read(TWO)
    # Now two late answers come along with the echo of the number that is asked first.
    assert await station.read(TWO) == [4, 4]
    assert [frame[1] for frame in wire.sent] == [3, 8, 8, 3]
    assert not wire.closed
    line.close()


async def test_another_question_needs_no_proof_to_be_in_step(clock: SetClock) -> None:
    settings, device = rtu_settings(), SlowBus(late=1)
    line, wire = await line_on(device, settings, clock)
    station = first(line, settings)
    with pytest.raises(NoAnswerError):
        await station.read(TWO)
    assert await station.read(Block(Table.INPUT, 0, 3, (0,))) == [2, 2, 2]
    assert await station.read(TWO) == [3, 3]
    assert [frame[1] for frame in wire.sent] == [3, 4, 3]
    line.close()


async def test_a_device_without_an_echo_is_asked_again_after_a_while(
    clock: SetClock,
) -> None:
    settings = rtu_settings()
    silences = 2
    memory = SlowBus(late=0)

    def far(frame: bytes) -> Iterable[bytes]:
        nonlocal silences
        if frame[1] == 8 or silences:
            silences -= frame[1] != 8
            return []
        return memory(frame)

    line, wire = await line_on(far, settings, clock)
    station = first(line, settings)
    for _ in range(6):
        with pytest.raises(NoAnswerError):
            await station.read(TWO)
        clock.pass_s(TIMEOUT_S)
    clock.pass_s(1.0)
    assert await station.read(TWO) == [1, 1]
    functions = [frame[1] for frame in wire.sent]
    assert functions[:2] == [3, 8]
    assert functions.count(3) == 3
    line.close()


async def test_a_late_refusal_is_not_the_refusal_of_the_next(clock: SetClock) -> None:
    waiting: list[bytes] = []
    refusals = {3: b"\x83\x02", 8: b"\x88\x01", 4: b"\x04\x04\0\1\0\2"}

    def far(frame: bytes) -> Iterable[bytes]:
        waiting.append(rtu(frame[0], refusals[frame[1]]))
        if frame[1] == 3 and len(waiting) == 1:
            return []
        told = list(waiting)
        waiting[:] = [b""]
        return told

    settings = rtu_settings()
    line, wire = await line_on(far, settings, clock)
    station = first(line, settings)
    with pytest.raises(NoAnswerError):
        await station.read(TWO)
    with pytest.raises(RefusedError):
        await station.read(Block(Table.HOLDING, 0, 3, (0,)))
    assert await station.read(Block(Table.INPUT, 0, 2, (0,))) == [1, 2]
    assert [frame[1] for frame in wire.sent] == [3, 8, 3, 4]
    line.close()


async def test_a_socket_without_numbers_is_given_up_after_some_silence(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus(transport="rtu-over-tcp", timeout_s=TIMEOUT_S)
    line, wire = await line_on(silent, settings, clock)
    for closed in (False, False, True):
        with pytest.raises(NoAnswerError):
            await first(line, settings).read(TWO)
        assert wire.closed is closed


async def test_a_bus_is_left_in_peace_between_frames(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus(turnaround_s=0.25)
    line, _ = await line_on(Memory(), settings, clock)
    for _ in range(3):
        await first(line, settings).read(TWO)
    assert clock.elapsed_s == pytest.approx(0.5)
    line.close()


async def test_requests_at_the_same_time_take_turns(
    modbus: Build, clock: SetClock
) -> None:
    settings = modbus()
    line, _ = await line_on(Memory(), settings, clock)
    station = first(line, settings)
    blocks = [Block(Table.HOLDING, address, 1, (0,)) for address in range(20)]
    async with asyncio.TaskGroup() as group:
        reads = [group.create_task(station.read(block)) for block in blocks]
    assert [read.result() for read in reads] == [[address] for address in range(20)]
    line.close()


@pytest.mark.parametrize("code", range(1, 12))
def test_every_refusal_is_bad(code: int) -> None:
    assert RefusedError(code).status >> 31 == 1


@how(max_examples=60, deadline=None)
@given(st.data())
def test_no_stream_of_bytes_becomes_a_value_unless_it_is_the_answer(
    data: st.DataObject,
) -> None:
    """TCP and RTU: random, spoilt and misaddressed replies, through the whole line."""
    is_rtu = data.draw(st.booleans())
    reply = data.draw(
        st.binary(max_size=20)
        | st.builds(
            lambda pdu, device, number: (
                rtu(device, pdu) if is_rtu else mbap(number, device, pdu)
            ),
            st.builds(
                lambda function, size, body: bytes((function, size)) + body,
                st.sampled_from([1, 3, 4, 0x83]),
                st.sampled_from([0, 2, 3, 4, 6]),
                st.binary(min_size=2, max_size=6),
            ),
            st.integers(0, 2),
            st.integers(0, 2),
        )
    )
    value = asyncio.run(_read_once(reply, is_rtu=is_rtu))
    if isinstance(value, list):
        body = b"".join(word.to_bytes(2, "big") for word in value)
        right = b"\x03\x04" + body
        assert (rtu(1, right) if is_rtu else mbap(1, 1, right)) in reply
    else:
        assert isinstance(value, SourceUnavailableError | RefusedError)


async def _read_once(reply: bytes, *, is_rtu: bool) -> object:
    settings = rtu_settings() if is_rtu else _settings(timeout_s=TIMEOUT_S)
    line, _ = await line_on(lambda _: [reply], settings, SetClock())
    try:
        return await _outcome(first(line, settings))
    finally:
        line.close()


async def _outcome(station: Station) -> object:
    try:
        return await station.read(TWO)
    except (SourceUnavailableError, RefusedError) as error:
        return error


def rtu_settings() -> ModbusSettings:
    serial = {"port": "/dev/ttyS0"}
    return _settings(transport="rtu", serial=serial, host="", timeout_s=TIMEOUT_S)


def _settings(**given_keys: object) -> ModbusSettings:
    keys = {"name": "plc", "connector": "modbus", "host": "192.0.2.1"}
    return ModbusSettings.model_validate(keys | given_keys)
