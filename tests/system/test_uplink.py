"""Outbox → broker → lake → acknowledgement, with real processes that get killed."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import paho.mqtt.publish
import pytest

from appliance.config import Config, SiteSettings, UplinkSettings
from appliance.link.roles import Role
from appliance.link.server import LinkServer, Peer, RefusedError
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import alongside, companions
from appliance.sync import connection as connection_module
from appliance.sync import drain as drain_module
from appliance.sync.process import Sync
from appliance.wire.outbox import (
    EventRow,
    GapRow,
    HealthRow,
    SnippetRow,
    Stream,
    SummaryRow,
    encode_payload,
    encode_row,
)
from fleet.broker import find_mosquitto
from fleet.lake import open_lake
from fleet.report import Report, report_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]

MOSQUITTO = find_mosquitto()
needs_mosquitto = pytest.mark.skipif(
    MOSQUITTO is None, reason="mosquitto is not installed"
)
KINDS = [pytest.param("mosquitto", marks=needs_mosquitto), "amqtt"]
SITE = SiteSettings(id="plant-1", gateway="gw-1")
DAY_NS = 1_700_000_000_000_000_000


class Hub:
    """An outbox in memory behind the real link, with the hub's operations."""

    def __init__(self, run_dir: Path, epoch: str = "epoch-1") -> None:
        self.epoch = epoch
        self.status: dict[str, Any] = {}
        self.acks = 0
        self.refusals = 0
        self._path = run_dir / "hub.sock"
        self._rows: dict[str, dict[int, bytes]] = {stream: {} for stream in Stream}
        self._last = dict.fromkeys(Stream, 0)
        self._changed = asyncio.Event()

    def put(self, stream: Stream, *rows: Any) -> None:  # noqa: ANN401 - any row
        for row in rows:
            self._last[stream] += 1
            self._rows[stream][self._last[stream]] = encode_row(row)

    def lose(self, stream: Stream, first: int, last: int) -> None:
        for seq in range(first, last + 1):
            self._rows[stream].pop(seq, None)

    @property
    def pending(self) -> int:
        return sum(len(rows) for rows in self._rows.values())

    async def until(self, reached: Callable[[], bool], within_s: float = 60) -> None:
        async with asyncio.timeout(within_s):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    async def until_empty(self, within_s: float = 60) -> None:
        await self.until(lambda: self.pending == 0, within_s)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        server = LinkServer(self._path, process="hub", role_of=lambda *_: Role.VIEWER)
        server.operation("outbox.read", self._read)
        server.operation("outbox.ack", self._ack)
        server.operation("process.status", self._take_status)
        async with alongside(server.serve(), name="test.hub"):
            await server.wait_ready()
            yield

    async def _read(self, args: Mapping[str, Any], _peer: Peer) -> object:
        rows: list[tuple[int, bytes]] = []
        for seq, content in self._rows[args["stream"]].items():
            if seq <= args["after"]:
                continue
            if (rows and seq != rows[-1][0] + 1) or len(rows) == args["limit"]:
                break
            rows.append((seq, content))
        return {"epoch": self.epoch, "rows": rows}

    async def _ack(self, args: Mapping[str, Any], _peer: Peer) -> object:
        assert args["epoch"] == self.epoch
        if self.refusals:
            self.refusals -= 1
            raise RefusedError("the disk is full")
        rows = self._rows[args["stream"]]
        gone = [seq for seq in rows if seq <= args["through"]]
        for seq in gone:
            del rows[seq]
        self.acks += 1
        self._changed.set()
        return {"delivered": len(gone)}

    async def _take_status(self, args: Mapping[str, Any], _peer: Peer) -> None:
        assert args["process"] == "sync"
        self.status = args["status"]
        self._changed.set()


class Program:
    """A child of the tests whose first line of output says that it is ready."""

    def __init__(self, *words: str) -> None:
        self._words = words
        self.process: subprocess.Popen[str] | None = None

    async def start(self) -> dict[str, Any]:
        self.process = self._popen()
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            line = await asyncio.to_thread(self.process.stdout.readline)
        return json.loads(line) if line else {}

    def _popen(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "fleet", *self._words],
            stdout=subprocess.PIPE,
            text=True,
        )

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        self.process = None
        return code


@contextmanager
def program(*words: str) -> Iterator[Program]:
    made = Program(*words)
    try:
        yield made
    finally:
        if made.process is not None:
            made.end(signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def broker_at(port: int, kind: str, tmp_path: Path) -> Any:  # noqa: ANN401
    kept = str(tmp_path / "broker")
    return program("broker", "--port", str(port), "--kind", kind, "--dir", kept)


def ingest_from(port: int, lake: Path) -> Any:  # noqa: ANN401
    return program("ingest", "--broker", f"127.0.0.1:{port}", "--lake", str(lake))


@asynccontextmanager
async def syncing(tmp_path: Path, port: int, **settings: object) -> AsyncIterator[Sync]:
    uplink = UplinkSettings.model_validate(
        {"host": "127.0.0.1", "port": port, "tls": False, "hold_s": 0.0, **settings}
    )
    sync = Sync(
        Config(site=SITE, uplink=uplink),
        uplink,
        tmp_path,
        run_dir=tmp_path,
        clock=SystemClock(),
    )
    async with companions() as tasks:
        tasks.start(sync.run(), name="test.sync")
        yield sync


def event(number: int) -> EventRow:
    return EventRow(
        "alarm", "active", DAY_NS + number, f"event {number}", "P-101",
        "P-101/flow", "high", "", {"value": number, "limit": None},
    )  # fmt: skip


def summary(number: int) -> SummaryRow:
    return SummaryRow(
        "P-101/flow", DAY_NS + number, 60.0, 60, 0, 1.0, 2.0, 1.5, None, number / 7
    )


def one_of_each(hub: Hub, number: int) -> None:
    at_ns = DAY_NS + number
    hub.put(Stream.EVENT, event(number))
    hub.put(Stream.SUMMARY, summary(number))
    hub.put(
        Stream.HEALTH,
        HealthRow("P-101", at_ns, 0.2, 1.0, 0.9, False, None, None, None, "", "v1"),
    )
    hub.put(
        Stream.SNIPPET,
        SnippetRow("P-101/DE/vibration", at_ns, 25600.0, 2, b"\x00\xff", "anomaly"),
    )
    hub.put(Stream.GAP, GapRow("acquisition", "killed", at_ns, at_ns + 5, -1, 0, 0))


def report(lake: Path) -> Report:
    with open_lake(lake) as opened:
        return report_of(opened)


@pytest.mark.parametrize("kind", KINDS)
async def test_rows_of_every_stream_reach_the_lake_and_leave_the_outbox(
    tmp_path: Path, kind: str
) -> None:
    hub = Hub(tmp_path)
    for number in range(200):
        one_of_each(hub, number)
    port, lake = free_port(), tmp_path / "lake"
    with broker_at(port, kind, tmp_path) as broker, ingest_from(port, lake) as ingest:
        said = await broker.start()
        assert said == {"ready": True, "broker": kind, "port": port}
        assert (await ingest.start())["mqtt"] == (5 if kind == "mosquitto" else 4)
        async with hub.serving(), syncing(tmp_path, port) as sync:
            await hub.until_empty()
            await hub.until(lambda: hub.status["uplink"] == "connected")
            mqtt = sync.status()["mqtt"]
            assert mqtt == ("V5" if kind == "mosquitto" else "V311")
        assert ingest.end(signal.SIGTERM) == 0
    found = report(lake)
    assert (found.rows, found.duplicates, found.complete) == (1000, 0, True)
    with open_lake(lake) as opened:
        assert opened.count(Stream.SNIPPET) == 200
        row = opened.rows(Stream.EVENT)[7]
        assert (row["seq"], row["message"], row["tag"]) == (8, "event 7", "P-101/flow")
        assert json.loads(row["details"]) == {"value": 7, "limit": None}
        assert opened.rows(Stream.SNIPPET)[0]["content"] == b"\x00\xff"
        assert opened.rows(Stream.SUMMARY)[3]["std"] is None
    assert json.loads((tmp_path / "sync.json").read_text())["bytes_written"] > 0


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_that_is_killed_three_times_loses_and_doubles_nothing(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain_module, "PATIENCE_FIRST_S", 2.0)
    hub = Hub(tmp_path)
    port, lake = free_port(), tmp_path / "lake"
    with broker_at(port, kind, tmp_path) as broker, ingest_from(port, lake) as ingest:
        await broker.start()
        await ingest.start()
        async with (
            hub.serving(),
            syncing(tmp_path, port, max_payload_bytes=1_000),
        ):
            for life in range(3):
                acks = hub.acks
                for number in range(2_000):
                    hub.put(Stream.SUMMARY, summary(2_000 * life + number))
                await hub.until(lambda before=acks: hub.acks > before)  # type: ignore[misc] # bound now
                assert broker.end(signal.SIGKILL) == -signal.SIGKILL
                hub.put(Stream.EVENT, event(life))
                await broker.start()
            await hub.until_empty()
        assert ingest.end(signal.SIGTERM) == 0
    found = report(lake)
    assert (found.rows, found.duplicates, found.complete) == (6_003, 0, True)


@needs_mosquitto
async def test_an_ingest_that_is_killed_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain_module, "PATIENCE_FIRST_S", 2.0)
    hub = Hub(tmp_path)
    port, lake = free_port(), tmp_path / "lake"
    with (
        broker_at(port, "mosquitto", tmp_path) as broker,
        ingest_from(port, lake) as ingest,
    ):
        await broker.start()
        await ingest.start()
        async with hub.serving(), syncing(tmp_path, port, max_payload_bytes=1_000):
            for life in range(3):
                acks = hub.acks
                for number in range(2_000):
                    hub.put(Stream.SUMMARY, summary(2_000 * life + number))
                await hub.until(lambda before=acks: hub.acks > before)  # type: ignore[misc] # bound now
                assert ingest.end(signal.SIGKILL) == -signal.SIGKILL
                hub.put(Stream.EVENT, event(life))
                await ingest.start()
            await hub.until_empty()
        assert ingest.end(signal.SIGTERM) == 0
    found = report(lake)
    assert (found.rows, found.duplicates, found.complete) == (6_003, 0, True)


@needs_mosquitto
async def test_sync_hub_and_fleet_may_come_in_any_order_and_a_lost_outbox_begins_anew(
    tmp_path: Path,
) -> None:
    port, lake = free_port(), tmp_path / "lake"
    with (
        broker_at(port, "mosquitto", tmp_path) as broker,
        ingest_from(port, lake) as ingest,
    ):
        async with syncing(tmp_path, port):
            first = Hub(tmp_path, "epoch-1")
            first.put(Stream.EVENT, *map(event, range(5)))
            async with first.serving():
                await broker.start()
                await ingest.start()
                await first.until_empty()
            second = Hub(tmp_path, "epoch-2")
            second.put(Stream.EVENT, *map(event, range(3)))
            async with second.serving():
                await second.until_empty()
    found = report(lake)
    assert [(each.epoch, each.rows) for each in found.streams] == [
        ("epoch-1", 5),
        ("epoch-2", 3),
    ]


@needs_mosquitto
async def test_a_hub_that_restarts_or_refuses_and_rows_too_long_for_its_link(
    tmp_path: Path,
) -> None:
    hub = Hub(tmp_path)
    hub.refusals = 2
    noise = random.Random(1)
    for number in range(40):  # 20 MB: one answer would be longer than a frame
        content = noise.randbytes(500_000)
        hub.put(
            Stream.SNIPPET,
            SnippetRow("P-101/DE/x", DAY_NS + number, 25600.0, 1, content, "anomaly"),
        )
    hub.put(Stream.EVENT, event(1))
    port, lake = free_port(), tmp_path / "lake"
    with (
        broker_at(port, "mosquitto", tmp_path) as broker,
        ingest_from(port, lake) as ingest,
    ):
        await broker.start()
        await ingest.start()
        async with syncing(tmp_path, port):
            async with hub.serving():
                await hub.until(lambda: hub.acks > 0)
            async with hub.serving():
                await hub.until_empty()
    found = report(lake)
    assert (found.rows, found.duplicates, found.complete) == (41, 0, True)


@needs_mosquitto
async def test_rows_lost_at_the_gateway_hold_up_nothing_and_are_reported(
    tmp_path: Path,
) -> None:
    hub = Hub(tmp_path)
    hub.put(Stream.SUMMARY, *map(summary, range(30)))
    hub.lose(Stream.SUMMARY, 1, 10)
    hub.put(Stream.GAP, GapRow(Stream.SUMMARY, "quota", DAY_NS, DAY_NS + 1, 4, 1, 4))
    port, lake = free_port(), tmp_path / "lake"
    with (
        broker_at(port, "mosquitto", tmp_path) as broker,
        ingest_from(port, lake) as ingest,
    ):
        await broker.start()
        await ingest.start()
        async with hub.serving(), syncing(tmp_path, port):
            await hub.until_empty()
        words = ("report", "--lake", str(lake), "--completeness", "--json")
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "fleet", *words],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    told = json.loads(done.stdout)
    (stream,) = [each for each in told["streams"] if each["stream"] == "summary"]
    assert (stream["declared"], stream["undeclared"]) == ([[1, 4]], [[5, 10]])
    assert (told["rows"], told["declared"], told["undeclared"]) == (21, 4, 6)


@pytest.mark.parametrize("kind", KINDS)
async def test_garbage_on_the_topics_is_counted_and_harms_nothing(
    tmp_path: Path, kind: str
) -> None:
    hub = Hub(tmp_path)
    port, lake = free_port(), tmp_path / "lake"
    with broker_at(port, kind, tmp_path) as broker, ingest_from(port, lake) as ingest:
        await broker.start()
        await ingest.start()
        good = [encode_row(event(1))]
        wrong_leaf = encode_payload(
            epoch="e", stream=Stream.GAP, first_seq=1, rows=good
        )
        too_far = encode_payload(
            epoch="e", stream=Stream.EVENT, first_seq=2**63, rows=good
        )
        nested = b"\x91" * 100_000
        garbage = [b"", b"\x00" * 50, wrong_leaf, too_far, nested]
        await asyncio.to_thread(
            paho.mqtt.publish.multiple,
            [
                (f"wheeltapper/v1/{site}/gw-1/event", content, 1, False)
                for content in garbage
                for site in (SITE.id, "..", "*", "x" * 300)
            ],
            hostname="127.0.0.1",
            port=port,
        )
        hub.put(Stream.EVENT, event(1))
        async with hub.serving(), syncing(tmp_path, port):
            await hub.until_empty()
        assert ingest.end(signal.SIGTERM) == 0
    assert report(lake).rows == 1


async def test_a_black_hole_stalls_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CONNECT_WITHIN_S", 0.3)
    hub = Hub(tmp_path)
    hub.put(Stream.EVENT, event(1))
    with socket.create_server(("127.0.0.1", 0)) as hole:
        async with hub.serving(), syncing(tmp_path, hole.getsockname()[1]):
            await hub.until(
                lambda: "said nothing" in hub.status.get("uplink", ""), within_s=20
            )
    assert hub.pending == 1
    assert hub.status["counters"]["rows_held"] == 1


def _popen_quietly(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@asynccontextmanager
async def mosquitto_with(tmp_path: Path, *lines: str) -> AsyncIterator[int]:
    """A broker of our own making, for what the demo's does not do."""
    assert MOSQUITTO is not None
    port = free_port()
    conf = tmp_path / "own.conf"
    conf.write_text(
        "\n".join([f"listener {port} 127.0.0.1", "user root", *lines]) + "\n"
    )
    process = _popen_quietly(MOSQUITTO, "-c", str(conf))
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                break
        yield port
    finally:
        process.terminate()
        process.wait(timeout=10)


@needs_mosquitto
async def test_rows_that_the_broker_refuses_stay_in_the_outbox(tmp_path: Path) -> None:
    acl = tmp_path / "acl"
    acl.write_text(
        "topic readwrite wheeltapper/v1/+/+/ack\n"
        "topic write wheeltapper/v1/+/+/health\n"
    )
    hub = Hub(tmp_path)
    one_of_each(hub, 1)
    lines = ("allow_anonymous true", f"acl_file {acl}")
    async with (
        mosquitto_with(tmp_path, *lines) as port,
        hub.serving(),
        syncing(tmp_path, port),
    ):
        await hub.until(
            lambda: hub.status.get("counters", {}).get("payloads_refused", 0) >= 4
        )
    assert hub.status["counters"]["payloads_accepted"] <= 1
    assert hub.pending == 5


@needs_mosquitto
async def test_a_plain_brokers_word_counts_only_where_somebody_listens(
    tmp_path: Path,
) -> None:
    hub = Hub(tmp_path)
    hub.put(Stream.EVENT, event(1))
    async with (
        mosquitto_with(tmp_path, "allow_anonymous true") as port,
        hub.serving(),
        syncing(tmp_path, port, acknowledged_by="broker"),
    ):
        await hub.until(
            lambda: hub.status.get("counters", {}).get("payloads_refused", 0) >= 1
        )
        assert hub.pending == 1
        async with ingesting(port, tmp_path / "lake"):
            await hub.until_empty()


@asynccontextmanager
async def ingesting(port: int, lake: Path) -> AsyncIterator[None]:
    with ingest_from(port, lake) as ingest:
        await ingest.start()
        yield


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(
        ["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=30
    )


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    folder = tmp_path / "pki"
    folder.mkdir()
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        folder, "req", "-x509", *curve, "-days", "2", "-keyout", "ca.key",
        "-out", "ca.crt", "-subj", "/CN=test-ca",
    )  # fmt: skip
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "edge"):
        openssl(
            folder, "req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}",
        )  # fmt: skip
        openssl(
            folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey",
            "ca.key", "-CAcreateserial", "-days", "2", "-out", f"{name}.crt",
            "-extfile", "ext",
        )  # fmt: skip
    return folder


@needs_mosquitto
async def test_mutual_tls_works_and_a_stranger_is_told_apart(
    tmp_path: Path, pki: Path
) -> None:
    hub = Hub(tmp_path)
    one_of_each(hub, 1)
    keys = {
        "tls": True,
        "ca_file": str(pki / "ca.crt"),
        "certificate_file": str(pki / "edge.crt"),
        "key_file": str(pki / "edge.key"),
    }
    lines = (
        f"cafile {pki}/ca.crt",
        f"certfile {pki}/server.crt",
        f"keyfile {pki}/server.key",
        "require_certificate true",
    )
    async with mosquitto_with(tmp_path, *lines, "allow_anonymous true") as port:
        async with hub.serving():
            stranger = {"tls": True, "ca_file": keys["ca_file"]}
            async with syncing(tmp_path, port, **stranger):
                await hub.until(
                    lambda: hub.status.get("uplink", "not") not in NOT_YET, within_s=20
                )
                assert hub.status["counters"]["connections"] == 0
            with program(
                "ingest", "--broker", f"127.0.0.1:{port}", "--lake",
                str(tmp_path / "lake"), "--tls", "--ca", str(pki / "ca.crt"),
                "--certificate", str(pki / "edge.crt"), "--key", str(pki / "edge.key"),
            ) as ingest:  # fmt: skip
                await ingest.start()
                async with syncing(tmp_path, port, **keys):
                    await hub.until_empty()
    assert report(tmp_path / "lake").rows == 5


NOT_YET = ("not", "not yet connected")


async def test_a_missing_key_file_is_said_and_stops_nothing(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    async with (
        hub.serving(),
        syncing(tmp_path, 1, tls=True, ca_file=str(tmp_path / "absent.crt")),
    ):
        await hub.until(lambda: "cannot be used" in hub.status.get("uplink", ""))


@needs_mosquitto
async def test_the_bytes_written_are_those_on_the_wire(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    for number in range(300):
        one_of_each(hub, number)
    port, lake = free_port(), tmp_path / "lake"
    counted = 0

    async def pass_on(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal counted
        away_reader, away_writer = await asyncio.open_connection("127.0.0.1", port)

        async def back() -> None:
            while content := await away_reader.read(65536):
                writer.write(content)

        try:
            async with alongside(back(), name="test.back"):
                while content := await reader.read(65536):
                    counted += len(content)
                    away_writer.write(content)
        finally:
            for each in (writer, away_writer):
                each.close()
                await each.wait_closed()

    with (
        broker_at(port, "mosquitto", tmp_path) as broker,
        ingest_from(port, lake) as ingest,
    ):
        await broker.start()
        await ingest.start()
        proxy = await asyncio.start_server(pass_on, "127.0.0.1", 0)
        async with proxy, hub.serving():
            proxied = proxy.sockets[0].getsockname()[1]
            async with syncing(tmp_path, proxied, max_payload_bytes=2_000) as sync:
                await hub.until_empty()
            async with asyncio.timeout(60):
                while counted != sync.status()["counters"]["bytes_written"]:
                    await asyncio.sleep(0.01)
    assert counted > 2_000
