"""Ways to a real broker: TLS, WebSocket, an HTTP proxy; and ways that lead nowhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from appliance.config import UplinkSettings
from appliance.runtime.clock import SystemClock
from appliance.runtime.listening import stop_listening
from appliance.runtime.tasks import companions
from appliance.sync import connection as connection_module
from appliance.sync.connection import connect
from appliance.sync.credentials import address_of
from appliance.sync.dialling import DIALLING_MAX
from appliance.sync.drain import Drain
from appliance.sync.errors import UplinkLostError, UplinkRefusedError
from appliance.sync.news import Published
from appliance.sync.protocol import Protocol, ProtocolChoice
from appliance.sync.uplink import Uplink
from tests.support.authority import Authority
from tests.support.cloud import SITE, mosquitto_with, needs_mosquitto
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), needs_mosquitto]
LATE_S = 0.05
PROTOCOLS = pytest.mark.parametrize("protocol", Protocol)


def settings(port: int, **more: Any) -> UplinkSettings:  # noqa: ANN401 - any key
    return UplinkSettings.model_validate({"host": "127.0.0.1", "port": port, **more})


async def exchange(uplink: UplinkSettings, protocol: Protocol = Protocol.V5) -> None:
    """Publish three messages, one of them long, and hear that they were taken."""
    address = address_of(SITE, uplink, subscribe="wheeltapper/v1/plant-1/gw-1/ack")
    async with connect(address, protocol, count=lambda _: None) as connection:
        with connection.together():
            sent = [
                connection.publish("wheeltapper/v1/plant-1/gw-1/event", payload)
                for payload in (b"x", b"y" * 300_000, b"z")
            ]
        news = connection.news()
        answers = [await anext(news) for _ in sent]
        assert [isinstance(each, Published) and each.took for each in answers] == (
            [True] * 3
        )


async def refusal(uplink: UplinkSettings) -> str:
    with pytest.raises(UplinkRefusedError) as caught:
        await exchange(uplink)
    return str(caught.value)


async def pump(reader: asyncio.StreamReader, write: Callable[[bytes], Any]) -> None:
    with contextlib.suppress(ConnectionError):
        while content := await reader.read(65_536):
            done = write(content)
            if done is not None:
                await done


@asynccontextmanager
async def websocket_bridge(
    port: int, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve MQTT over WebSocket at /mqtt, for the broker at `port`."""

    async def bridge(socket_: ServerConnection) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with companions() as tasks:
                tasks.start(pump(reader, socket_.send), name="test.bridge")
                with contextlib.suppress(ConnectionClosed):
                    async for content in socket_:
                        assert isinstance(content, bytes)
                        writer.write(content)
        finally:
            writer.close()

    def at_mqtt(socket_: ServerConnection, request: Any) -> Any:  # noqa: ANN401
        if request.path != "/mqtt":
            return socket_.respond(404, "nothing here\n")
        return None

    async with serve(
        bridge,
        "127.0.0.1",
        0,
        ssl=tls,
        subprotocols=["mqtt"],  # type: ignore[list-item] # a NewType of str
        process_request=at_mqtt,
        max_size=None,
    ) as server:
        yield next(iter(server.sockets)).getsockname()[1]


class ProxyServer:
    """A small CONNECT proxy that counts its tunnels."""

    def __init__(self, pair: str | None) -> None:
        self.tunnels = 0
        self._wanted = pair
        self._tasks: set[asyncio.Task[Any]] = set()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target, _ = head.split("\r\n")[0].split(" ")
        if not self._knows(head):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        if method != "CONNECT" or not target.startswith("127.0.0.1:"):
            writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        far_reader, far = await asyncio.open_connection(
            "127.0.0.1", int(target.rpartition(":")[2])
        )
        self.tunnels += 1
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            async with companions() as tasks:
                tasks.start(pump(far_reader, writer.write), name="test.proxy")
                await pump(reader, far.write)
        finally:
            far.close()

    def _knows(self, head: str) -> bool:
        if self._wanted is None:
            return True
        coded = base64.b64encode(self._wanted.encode()).decode()
        return f"Proxy-Authorization: Basic {coded}\r\n" in head


@asynccontextmanager
async def proxy(pair: str | None = None) -> AsyncIterator[tuple[ProxyServer, int]]:
    served = ProxyServer(pair)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    try:
        yield served, server.sockets[0].getsockname()[1]
    finally:
        await stop_listening(server)
        await served.end()


@PROTOCOLS
async def test_through_a_websocket(tmp_path: Path, protocol: Protocol) -> None:
    async with (
        mosquitto_with(tmp_path, "allow_anonymous true") as port,
        websocket_bridge(port) as web,
    ):
        await exchange(settings(web, tls=False, transport="websocket"), protocol)


async def test_a_wrong_path_is_told() -> None:
    async with websocket_bridge(free_port()) as web:
        said = await refusal(
            settings(web, tls=False, transport="websocket", path="/other")
        )
    assert "no WebSocket at /other" in said


async def test_through_a_proxy_a_websocket_and_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{server}.pem", f"{server}.key")
    (tmp_path / "password").write_text("secret\n")
    way = {"host": "127.0.0.1", "username": "gw"}
    async with (
        mosquitto_with(tmp_path, "allow_anonymous true") as port,
        websocket_bridge(port, tls=context) as web,
        proxy("gw:secret") as (served, way_port),
    ):
        uplink = settings(
            web,
            ca_file=str(authority.file),
            transport="websocket",
            proxy={
                **way, "port": way_port, "password_file": str(tmp_path / "password"),
            },
        )  # fmt: skip
        await exchange(uplink)
        assert served.tunnels == 1
        said = await refusal(settings(port, tls=False, proxy={**way, "port": way_port}))
        assert "407" in said
        assert "[uplink.proxy]" in said


@PROTOCOLS
async def test_both_sides_show_certificates(tmp_path: Path, protocol: Protocol) -> None:
    authority = Authority(tmp_path)
    async with mutual_tls(tmp_path, authority, authority.issue("server")) as port:
        own = authority.issue("gw-1")
        uplink = settings(
            port,
            ca_file=str(authority.file),
            certificate_file=f"{own}.pem",
            key_file=f"{own}.key",
        )
        await exchange(uplink, protocol)


def mutual_tls(folder: Path, authority: Authority, server: str) -> Any:  # noqa: ANN401
    return mosquitto_with(
        folder,
        "allow_anonymous true",
        f"cafile {authority.file}",
        f"certfile {server}.pem",
        f"keyfile {server}.key",
        "require_certificate true",
    )


async def test_what_is_wrong_with_tls_is_told_in_words(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    own, foreign = authority.issue("gw-1"), other.issue("foreign")
    late = authority.issue("late", days=-1)

    def with_keys(port: int, stem: str, ca: Authority = authority) -> UplinkSettings:
        return settings(
            port,
            ca_file=str(ca.file),
            certificate_file=f"{stem}.pem",
            key_file=f"{stem}.key",
        )

    async with mutual_tls(tmp_path, authority, authority.issue("server")) as port:
        assert "ca_file" in await refusal(with_keys(port, own, other))
        assert "who signed our certificate" in await refusal(with_keys(port, foreign))
        assert "our certificate has expired" in await refusal(with_keys(port, late))
        nobody = settings(port, ca_file=str(authority.file))
        assert "asks for our certificate" in await refusal(nobody)
    wrong = authority.issue("wrong", address="127.0.0.9")
    async with mutual_tls(tmp_path, authority, wrong) as port:
        assert "is not for '127.0.0.1'" in await refusal(with_keys(port, own))
    async with mutual_tls(tmp_path, authority, late) as port:
        assert "has expired" in await refusal(with_keys(port, own))
    async with mosquitto_with(tmp_path, "allow_anonymous true") as port:
        with pytest.raises(UplinkLostError):
            await exchange(with_keys(port, own))


@pytest.fixture
def dropped() -> Iterator[int]:
    """A port whose packets are dropped: its queue of connections is full."""
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            each = waiting.enter_context(socket.socket())
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        yield full.getsockname()[1]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that accepts and never says a word."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(100)
        yield one.getsockname()[1]


@pytest.fixture
def dead_dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server that never answers, until the end of the test."""
    ended = threading.Event()

    def ask(*_: object, **__: object) -> list[Any]:
        ended.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    yield
    ended.set()


async def jitter_of(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[float], int]:
    """Run an uplink into nowhere for many attempts.

    Return how late a task beside it woke each time (seconds), and how much memory grew.
    """
    monkeypatch.setattr(connection_module, "CONNECT_WITHIN_S", 0.05)
    clock = SystemClock()
    uplink = Uplink(
        SITE,
        settings(port, tls=False),
        Drain(fleet=True, window=10, payload_max_bytes=10_000, spread=lambda: 0.0),
        choice=ProtocolChoice(Protocol.V5, now_s=clock.now_s()),
        clock=Hurried(),
        spread=lambda: 0.0,
        changed=lambda: None,
    )
    process = psutil.Process()
    late_s: list[float] = []
    first_bytes = 0
    async with companions() as tasks:
        tasks.start(uplink.run(), name="test.uplink")
        for turn in range(400):
            due_s = clock.now_s() + 0.01
            await asyncio.sleep(0.01)
            late_s.append(clock.now_s() - due_s)
            if turn == 200:
                first_bytes = process.memory_info().rss
    assert uplink.state != "connected"
    assert uplink.counters["connections"] == 0
    return late_s, process.memory_info().rss - first_bytes


class Hurried(SystemClock):
    """Waits a hundredth of what it is asked to."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


@pytest.mark.alone
@pytest.mark.parametrize("way", ["silent", "dropped", "dead_dns"])
async def test_a_black_hole_stalls_nothing(
    way: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = request.getfixturevalue(way) or 1
    late_s, grown_bytes = await jitter_of(port, monkeypatch)
    dialling = [each for each in threading.enumerate() if each.name == "uplink.dial"]
    print(f"{way}: {max(late_s) * 1e3:.1f} ms late, {grown_bytes} bytes")  # noqa: T201 - a figure
    # An attempt that stalls us does so each time; a busy machine does now and then.
    assert sum(each > LATE_S for each in late_s) < len(late_s) / 20
    assert grown_bytes < 4_000_000
    assert len(dialling) <= DIALLING_MAX
