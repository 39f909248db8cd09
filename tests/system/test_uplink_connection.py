"""One connection against brokers that misbehave, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from appliance.runtime.listening import stop_listening
from appliance.sync import connection as connection_module
from appliance.sync.client import Address
from appliance.sync.connection import connect
from appliance.sync.errors import (
    PacketTooLargeError,
    ProtocolRefusedError,
    UnansweredError,
    UplinkBusyError,
    UplinkLostError,
    UplinkRefusedError,
)
from appliance.sync.hearing import ARRIVALS_MAX
from appliance.sync.news import Arrived, Published
from appliance.sync.protocol import Protocol
from tests.support.ports import refusing_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from appliance.sync.connection import Connection

    Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

pytestmark = pytest.mark.system

CONNACK = b"\x20\x03\x00\x00\x00"
"""MQTT 5: accepted, no properties."""


@asynccontextmanager
async def broker(script: Script) -> AsyncIterator[int]:
    """Serve one script to every client; it is cancelled at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await script(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await stop_listening(server)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


def says(*answers: bytes, then_waits: bool = True) -> Script:
    """Return a broker that answers each packet with the next words."""

    async def script(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for answer in answers:
            await reader.read(65536)
            writer.write(answer)
        if then_waits:
            await asyncio.Event().wait()

    return script


@asynccontextmanager
async def connected(
    script: Script,
    *,
    subscribe: str | None = None,
    protocol: Protocol = Protocol.V5,
    count: Callable[[int], None] = lambda _: None,
) -> AsyncIterator[Connection]:
    async with broker(script) as port:
        address = Address("127.0.0.1", port, "test", subscribe, session_expiry_s=60)
        async with connect(address, protocol, count=count) as connection:
            yield connection


async def failure(script: Script, *, subscribe: str | None = None) -> UplinkLostError:
    with pytest.raises(UplinkLostError) as caught:
        async with connected(script, subscribe=subscribe):
            pass
    return caught.value


async def test_a_broker_that_hangs_up_has_not_answered() -> None:
    assert isinstance(await failure(says(b"", then_waits=False)), UnansweredError)


@pytest.mark.parametrize(
    "answer",
    [b"\xf0\x00", b"\x20\x00", b"\x20\xff\xff\xff\xff\xff", b"HTTP/1.1 400\r\n"],
)
async def test_words_that_are_not_mqtt_end_the_connection(answer: bytes) -> None:
    script = says(answer, then_waits=False)
    assert isinstance(await failure(script), UnansweredError)


async def test_a_refusal_of_us_is_told_apart_from_one_of_the_protocol() -> None:
    error = await failure(says(b"\x20\x03\x00\x86\x00"))
    assert type(error) is UplinkRefusedError
    assert "Bad user name" in str(error)
    assert isinstance(await failure(says(b"\x20\x02\x00\x01")), ProtocolRefusedError)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0x89, UplinkBusyError),
        (0x8A, UplinkRefusedError),
        (0x95, PacketTooLargeError),
        (0x99, UplinkRefusedError),  # the library does not know this one
        (0xEE, UplinkBusyError),  # nor does the standard
    ],
)
async def test_each_refusal_of_connect_asks_for_its_own_answer(
    code: int, kind: type[UplinkLostError]
) -> None:
    assert type(await failure(says(bytes([0x20, 3, 0, code, 0])))) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0x8B, UplinkLostError),
        (0x8E, UplinkBusyError),
        (0x95, PacketTooLargeError),
        (0x9D, UplinkRefusedError),
        (0xEE, UplinkBusyError),
    ],
)
async def test_a_broker_says_why_it_disconnects(
    code: int, kind: type[UplinkLostError]
) -> None:
    script = says(CONNACK, bytes([0xE0, 1, code]))
    async with connected(script) as connection:
        with connection.together():
            connection.publish("a/b", b"x")
        with pytest.raises(UplinkLostError, match="ended the connection") as caught:
            await anext(connection.news())
    assert type(caught.value) is kind


async def test_a_broker_without_qos_1_is_of_no_use() -> None:
    error = await failure(says(b"\x20\x05\x00\x00\x02\x24\x00"))
    assert type(error) is UplinkRefusedError
    assert "QoS 0" in str(error)


async def test_a_message_may_expire_at_the_broker_under_mqtt_5_alone() -> None:
    heard: list[bytes] = []

    def hears(connack: bytes) -> Script:
        async def script(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.read(65536)
            writer.write(connack)
            heard.append(await reader.read(65536))
            writer.write(b"\x40\x02\x00\x01")
            await asyncio.Event().wait()

        return script

    for connack, protocol in (
        (CONNACK, Protocol.V5),
        (b"\x20\x02\x00\x00", Protocol.V311),
    ):
        async with connected(hears(connack), protocol=protocol) as connection:
            with connection.together():
                connection.publish("a/b", b"x", expiry_s=3600)
            await anext(connection.news())
    assert b"\x05\x02\x00\x00\x0e\x10x" in heard[0]
    assert heard[1].endswith(b"a/b\x00\x01x")


async def test_a_subscription_that_is_refused_is_a_refusal() -> None:
    script = says(CONNACK, b"\x90\x04\x00\x01\x00\x87")
    error = await failure(script, subscribe="a/ack")
    assert type(error) is UplinkRefusedError
    assert "Not authorized" in str(error)


async def test_a_broker_that_dies_before_it_grants_the_subscription() -> None:
    error = await failure(says(CONNACK, b"", then_waits=False), subscribe="a/ack")
    assert type(error) is UplinkLostError


async def test_a_port_where_nobody_listens_is_lost_and_not_unanswered() -> None:
    with refusing_port() as port:
        address = Address("127.0.0.1", port, "test")
        with pytest.raises(UplinkLostError) as caught:
            async with connect(address, Protocol.V5, count=lambda _: None):
                pass
    assert type(caught.value) is UplinkLostError


async def test_limits_of_the_broker_are_known() -> None:
    limits = b"\x21\x00\x05\x27\x00\x00\x10\x00"
    connack = bytes([0x20, 3 + len(limits), 0, 0, len(limits)]) + limits
    async with connected(says(connack)) as connection:
        assert connection.window == 5
        assert connection.packet_max_bytes == 4096


async def test_a_publish_answered_by_puback_and_one_that_is_refused() -> None:
    script = says(CONNACK, b"\x40\x02\x00\x01" + b"\x40\x04\x00\x02\x87\x00")
    async with connected(script) as connection:
        with connection.together():
            first = connection.publish("a/b", b"x")
            second = connection.publish("a/b", b"y")
        news = connection.news()
        assert await anext(news) == Published(first, True, False, "Success")
        refused = await anext(news)
        assert isinstance(refused, Published)
        assert (refused.mid, refused.took) == (second, False)
        assert refused.reason.startswith("Not authorized; let the broker")


async def test_a_loss_is_told_by_news_and_by_publish() -> None:
    async with connected(says(CONNACK, b"", then_waits=False)) as connection:
        with connection.together():
            connection.publish("a/b", b"x")
        with pytest.raises(UplinkLostError):
            await anext(connection.news())
        with pytest.raises(UplinkLostError), connection.together():
            connection.publish("a/b", b"y")


async def test_arrivals_beyond_the_bound_push_out_the_oldest() -> None:
    one = b"\x30\x08\x00\x01a\x00"  # QoS 0, topic "a", no properties
    flood = b"".join(one + b"%04d" % n for n in range(ARRIVALS_MAX + 10))
    end = b"\x40\x02\x00\x01"

    async def script(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(65536)
        writer.write(CONNACK)
        await reader.read(65536)
        writer.write(flood + end)
        await asyncio.Event().wait()

    async with connected(script) as connection:
        with connection.together():
            connection.publish("a/b", b"x")
        async with asyncio.timeout(60):
            while connection.arrivals_lost < 10:
                await asyncio.sleep(0)
        news = connection.news()
        while isinstance(await anext(news), Published):
            pass
        assert await anext(news) == Arrived("a", b"0011")


async def test_a_broker_that_reads_slowly_gets_everything_in_the_end() -> None:
    written = 0
    heard = 0
    begin = asyncio.Event()

    def count(more: int) -> None:
        nonlocal written
        written += more

    async def script(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal heard
        heard = len(await reader.read(65536))
        writer.write(CONNACK)
        await begin.wait()
        while content := await reader.read(65536):
            heard += len(content)

    payload = b"x" * 100_000
    async with connected(script, count=count) as connection:
        with connection.together():
            for _ in range(100):
                connection.publish("a/b", payload)
        assert written < 100 * len(payload)
        begin.set()
        async with asyncio.timeout(60):
            while heard < 100 * len(payload):
                await asyncio.sleep(0.01)
        assert written == heard


async def test_silence_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "CONNECT_WITHIN_S", 0.2)
    error = await failure(says())
    assert type(error) is UplinkLostError
    assert "said nothing" in str(error)


async def test_three_point_one_point_one_knows_no_reasons() -> None:
    script = says(b"\x20\x02\x00\x00", b"\x40\x02\x00\x01")
    async with connected(script, protocol=Protocol.V311) as connection:
        with connection.together():
            mid = connection.publish("a/b", b"x")
        news = await anext(connection.news())
        assert news == Published(mid, True, False, "Success")
