"""Outbox → broker → lake → acknowledgement, with real processes that get killed."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from appliance.runtime.tasks import alongside
from appliance.sync import connection as connection_module
from appliance.sync import drain as drain_module
from appliance.wire.outbox import GapRow, SnippetRow, Stream
from fleet.lake import open_lake
from tests.support.cloud import (
    KINDS,
    broker_at,
    ingest_from,
    needs_mosquitto,
    report,
    syncing,
)
from tests.support.outbox_hub import DAY_NS, Hub, event, one_of_each, summary
from tests.support.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


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
            await hub.until(lambda: hub.status.get("uplink") == "connected")
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


async def test_a_black_hole_stalls_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CONNECT_WITHIN_S", 0.3)
    hub = Hub(tmp_path)
    hub.put(Stream.EVENT, event(1))
    with socket.create_server(("127.0.0.1", 0)) as hole:
        async with hub.serving(), syncing(tmp_path, hole.getsockname()[1]):
            await hub.until(lambda: "said nothing" in hub.status.get("uplink", ""))
    assert hub.pending == 1
    assert hub.status["counters"]["rows_held"] == 1
