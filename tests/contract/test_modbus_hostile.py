"""Modbus devices that mean harm, or do it: real sockets, bytes of our choosing."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.domain.ports import OutputFailedError, SourceUnavailableError
from appliance.domain.sample import Quality
from appliance.runtime.clock import SystemClock
from appliance.runtime.listening import stop_listening
from connectors.modbus.config import ModbusSettings
from connectors.modbus.line import Line
from connectors.modbus.output import ModbusOutput
from connectors.modbus.planner import Block
from connectors.modbus.reader import ModbusReader
from connectors.modbus.registers import Table
from connectors.modbus.station import NoAnswerError
from tests.contract.certificates import self_signed
from tests.contract.wires import LOOPBACK, settle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    Reply = Callable[[bytes], list[bytes]]

ONE = Block(Table.HOLDING, 0, 1, (0,))
PATIENT_S = 5.0
CLOCK = SystemClock()
POINTS = [
    {"name": "run", "table": "coil", "address": 4},
    {"name": "beat", "table": "holding", "address": 5, "range": [0, 99]},
    {
        "name": "speed",
        "table": "holding",
        "address": 6,
        "type": "float32",
        "order": "CDAB",
        "values": [0, 12.5],
    },
]


class Hostile:
    """A TCP server that answers each request with what `reply` makes of it."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[bytes] = []
        self.port = 0
        self.hang_up = False
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def open(self, context: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        assert self._server is not None
        await stop_listening(self._server)
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await settle()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while True:
                head = await reader.readexactly(6)
                frame = head + await reader.readexactly(int.from_bytes(head[4:], "big"))
                self.asked.append(frame)
                if self.hang_up:
                    break
                for reply in self.reply(frame):
                    writer.write(reply)
        except (asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()
            self._serving.discard(task)


@pytest_asyncio.fixture
async def hostile() -> AsyncIterator[Hostile]:
    server = Hostile(lambda frame: [answer(frame)])
    await server.open()
    yield server
    await server.close()


def answer(frame: bytes, *, value: int = 7) -> bytes:
    """Return the right answer: every register holds `value`; writes are echoed."""
    pdu = frame[7:]
    if pdu[0] in (3, 4):
        count = int.from_bytes(pdu[3:5], "big")
        told = bytes((pdu[0], 2 * count)) + value.to_bytes(2, "big") * count
    elif pdu[0] in (1, 2):
        told = bytes((pdu[0], 1, value & 1))
    else:
        told = pdu[:5] if pdu[0] == 16 else pdu
    return frame[:4] + (len(told) + 1).to_bytes(2, "big") + frame[6:7] + told


def settings_for(port: int, **keys: object) -> ModbusSettings:
    base = {
        "name": "plc",
        "connector": "modbus",
        "host": LOOPBACK,
        "port": port,
        "timeout_s": 0.1,
    }
    return ModbusSettings.model_validate(base | keys)


@asynccontextmanager
async def a_line(given_settings: ModbusSettings) -> AsyncIterator[Line]:
    line = await Line.connect(given_settings, CLOCK)
    try:
        yield line
    finally:
        line.close()


async def read_one(given_settings: ModbusSettings) -> list[int]:
    async with a_line(given_settings) as line:
        return await line.station(given_settings.device_table[0]).read(ONE)


async def test_an_honest_answer_is_read(hostile: Hostile) -> None:
    assert await read_one(settings_for(hostile.port)) == [7]


async def test_a_late_answer_is_not_the_answer_to_the_next_request(
    hostile: Hostile,
) -> None:
    late: list[bytes] = []

    def slip_by_one(frame: bytes) -> list[bytes]:
        late.append(answer(frame, value=len(late)))
        return [] if len(late) == 1 else [late[-2], late[-1]]

    hostile.reply = slip_by_one
    twins = [{"name": "a", "device_id": 1}, {"name": "b", "device_id": 2}]
    keys = settings_for(hostile.port, devices=twins)
    async with a_line(keys) as line:
        first = line.station(keys.device_table[0])
        with pytest.raises(NoAnswerError):
            await first.read(ONE)
        assert [await first.read(ONE) for _ in range(5)] == [[n] for n in range(1, 6)]


async def test_a_connection_that_dies_under_a_request_is_told_at_once(
    hostile: Hostile,
) -> None:
    hostile.hang_up = True
    async with asyncio.timeout(PATIENT_S):
        with pytest.raises(SourceUnavailableError, match="connection is lost"):
            await read_one(settings_for(hostile.port, timeout_s=60.0))


async def test_an_answer_in_single_bytes_is_read(hostile: Hostile) -> None:
    hostile.reply = lambda frame: [bytes((byte,)) for byte in answer(frame)]
    assert await read_one(settings_for(hostile.port)) == [7]


def _changed(at: int, byte: int) -> Reply:
    def reply(frame: bytes) -> list[bytes]:
        told = bytearray(answer(frame))
        told[at] = (told[at] + byte) % 256
        return [bytes(told)]

    return reply


@pytest.mark.parametrize("at", range(9), ids=lambda at: f"byte {at}")
async def test_no_byte_of_the_head_may_differ(hostile: Hostile, at: int) -> None:
    hostile.reply = _changed(at, 1)
    with pytest.raises(SourceUnavailableError):
        await read_one(settings_for(hostile.port))


@settings(max_examples=40, deadline=None)
@given(
    noise=st.binary(max_size=30),
    more=st.binary(max_size=4),
    cut=st.integers(0, 12),
    begun=st.booleans(),
)
def test_garbage_is_never_a_value(
    noise: bytes, more: bytes, cut: int, begun: bool
) -> None:
    def reply(frame: bytes) -> list[bytes]:
        told = answer(frame)[:cut] if begun else b""
        return [piece for piece in (told, noise, more) if piece]

    async def read() -> list[int]:
        server = Hostile(reply)
        await server.open()
        try:
            return await read_one(settings_for(server.port, timeout_s=0.02))
        finally:
            await server.close()

    try:
        words = asyncio.run(read())
    except SourceUnavailableError:
        return
    head = bytes.fromhex("000100000005010302")
    sent = (answer(head[:6] + b"\1\3\0\0\0\1")[:cut] if begun else b"") + noise
    assert head + words[0].to_bytes(2, "big") in sent + more


async def test_safety_reads_bad_from_a_liar(hostile: Hostile) -> None:
    hostile.reply = _changed(7, 1)
    tag = {"id": "a/b", "table": "holding", "address": 0}
    reader = ModbusReader(settings_for(hostile.port, tags=[tag]), CLOCK)
    async with reader.open():
        (sample,) = await reader.read(PATIENT_S)
    assert sample.quality is Quality.BAD


async def test_nothing_but_what_is_listed_ever_arrives(hostile: Hostile) -> None:
    output = ModbusOutput(settings_for(hostile.port, points=POINTS), CLOCK)
    wishes = [
        (name, value)
        for name in ("run", "beat", "speed", "other", "")
        for value in (0, 1, 2, -1, 12.5, 99, 100, 65_535, 65_536, 1e39)
    ]
    memory = _Memory()
    hostile.reply = memory.reply
    written: list[tuple[str, float]] = []
    async with output.open():
        for name, value in wishes:
            try:
                await output.write(name, value, deadline_s=PATIENT_S)
            except OutputFailedError:
                continue
            written.append((name, value))
    assert written == [
        *(("run", value) for value in (0, 1)),
        *(("beat", value) for value in (0, 1, 2, 12.5, 99)),
        *(("speed", value) for value in (0, 12.5)),
    ]
    arrived = {frame[6:] for frame in hostile.asked if frame[7] not in (1, 2, 3, 4)}
    assert arrived == {
        bytes.fromhex(change)
        for change in (
            "01 05 0004 0000",
            "01 05 0004 ff00",
            "01 06 0005 0000",
            "01 06 0005 0001",
            "01 06 0005 0002",
            "01 06 0005 000c",
            "01 06 0005 0063",
            "01 10 0006 0002 04 0000 0000",
            "01 10 0006 0002 04 0000 4148",
        )
    }


class _Memory:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}
        self.coils: dict[int, int] = {}

    def reply(self, frame: bytes) -> list[bytes]:
        pdu = frame[7:]
        function, address = pdu[0], int.from_bytes(pdu[1:3], "big")
        count = int.from_bytes(pdu[3:5], "big")
        told = pdu[:5]
        if function == 1:
            told = bytes((1, 1, self.coils.get(address, 0)))
        elif function == 3:
            words = [self.words.get(address + at, 0) for at in range(count)]
            body = b"".join(word.to_bytes(2, "big") for word in words)
            told = bytes((3, len(body))) + body
        elif function == 5:
            self.coils[address] = int(pdu[3] == 0xFF)
        elif function == 6:
            self.words[address] = count
        else:
            for at in range(count):
                self.words[address + at] = int.from_bytes(
                    pdu[6 + 2 * at : 8 + 2 * at], "big"
                )
        length = (len(told) + 1).to_bytes(2, "big")
        return [frame[:4] + length + frame[6:7] + told]


@pytest_asyncio.fixture
async def behind_tls(tmp_path: Path) -> AsyncIterator[Hostile]:
    certificate, key = self_signed(tmp_path, "device")
    self_signed(tmp_path, "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Hostile(lambda frame: [bytes((byte,)) for byte in answer(frame)])
    await server.open(context)
    yield server
    await server.close()


@pytest.mark.parametrize(
    "tls",
    [
        {"ca": "device.pem"},
        {"ca": "device.pem", "server_name": "device"},
        {"allow_unverified": True},
    ],
    ids=["by address", "by name", "unverified, in words"],
)
async def test_tls_reads_from_who_is_trusted(
    behind_tls: Hostile, tmp_path: Path, tls: dict[str, object]
) -> None:
    assert await read_one(over_tls(behind_tls, tmp_path, tls)) == [7]


@pytest.mark.parametrize(
    ("tls", "told"),
    [
        ({}, "certificate verify failed"),
        ({"ca": "stranger.pem"}, "certificate verify failed"),
        ({"ca": "device.pem", "server_name": "other"}, "Hostname mismatch"),
        ({"ca": "absent.pem"}, "No such file"),
    ],
    ids=["no authority", "another authority", "another name", "no file"],
)
async def test_tls_asks_nothing_of_who_is_not_trusted(
    behind_tls: Hostile, tmp_path: Path, tls: dict[str, object], told: str
) -> None:
    with pytest.raises(SourceUnavailableError, match=told):
        await read_one(over_tls(behind_tls, tmp_path, tls))
    assert behind_tls.asked == []


def over_tls(server: Hostile, folder: Path, tls: dict[str, object]) -> ModbusSettings:
    if "ca" in tls:
        tls = tls | {"ca": str(folder / str(tls["ca"]))}
    return settings_for(server.port, transport="tls", tls=tls, timeout_s=2.0)


async def test_a_serial_port_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    serial = {"port": str(tmp_path / "tty")}
    keys = settings_for(502, transport="rtu", host="", serial=serial)
    with pytest.raises(SourceUnavailableError, match="could not open port"):
        await read_one(keys)
