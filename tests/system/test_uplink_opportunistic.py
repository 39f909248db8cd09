"""The uplink over links that are seldom there, narrow, or closed by the clock."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from appliance.runtime.listening import stop_listening
from appliance.sync import uplink as uplink_module
from appliance.wire.outbox import EventRow, Stream, SummaryRow
from fleet.lake import open_lake
from tests.support.cloud import (
    broker_at,
    ingest_from,
    needs_mosquitto,
    report,
    syncing,
)
from tests.support.outbox_hub import Hub, event
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), needs_mosquitto]

MINUTE_NS = 60_000_000_000
START_NS = 1_700_000_100_000_000_000 // (60 * MINUTE_NS) * 60 * MINUTE_NS


@dataclass
class Link:
    """A proxy before the broker: up or down, and so many bytes a second."""

    to_port: int
    bytes_per_s: float = float("inf")
    up: asyncio.Event = field(default_factory=asyncio.Event)
    carried: int = 0
    port: int = 0
    _lines: set[asyncio.Task[None]] = field(default_factory=set)

    def cut(self) -> None:
        self.up.clear()
        for line in self._lines:
            line.cancel()

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if self.up.is_set():
                await self._carry(reader, writer)
        self._lines.discard(line)
        writer.close()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        away_reader, away = await asyncio.open_connection("127.0.0.1", self.to_port)

        async def back() -> None:
            while content := await away_reader.read(65536):
                writer.write(content)

        answers = asyncio.ensure_future(back())
        try:
            while content := await reader.read(4096):
                if self.bytes_per_s < float("inf"):
                    await asyncio.sleep(len(content) / self.bytes_per_s)
                self.carried += len(content)
                away.write(content)
        finally:
            answers.cancel()
            away.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await answers


@asynccontextmanager
async def link_to(port: int, bytes_per_s: float = float("inf")) -> AsyncIterator[Link]:
    link = Link(port, bytes_per_s)
    link.up.set()
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        await stop_listening(server)
        link.cut()
        for _ in range(1000):
            if not link._lines:
                break
            await asyncio.sleep(0.01)


def minute(number: int, tags: int = 10) -> SummaryRow:
    tag, period = number % tags, number // tags
    level = 20.0 + tag + (period % 7) / 8
    return SummaryRow(
        f"P-{tag}/flow", START_NS + period * MINUTE_NS, 60.0, 60, 0,
        level - 1, level + 1, level, 0.25, level + 0.5,
    )  # fmt: skip


async def test_a_link_that_is_up_three_seconds_at_a_time_brings_everything(
    tmp_path: Path,
) -> None:
    hub = Hub(tmp_path)
    count = 40_000
    for number in range(count):
        hub.put(Stream.SUMMARY, minute(number * 7919 % 100_000, tags=977))
    port, lake = free_port(), tmp_path / "lake"
    with (
        broker_at(port, "mosquitto", tmp_path) as broker,
        ingest_from(port, lake) as ingest,
    ):
        await broker.start()
        await ingest.start()
        async with link_to(port, 60_000) as link, hub.serving():
            async with syncing(tmp_path, link.port) as sync:
                for turn in range(20):
                    hub.put(Stream.EVENT, event(turn))
                    with contextlib.suppress(TimeoutError):
                        await hub.until_empty(within_s=3.0)
                    if hub.pending == 0:
                        break
                    link.cut()
                    await asyncio.sleep(1.0)
                    link.up.set()
                await hub.until_empty()
                counters = sync.status()["counters"]
                duty = sync.status()["link"]["duty"]
    found = report(lake)
    assert (found.duplicates, found.complete) == (0, True)
    assert found.rows >= count
    assert counters["connections"] >= 2
    assert 0.0 < duty < 1.0
    # a cut costs what was under way: a second of the link, and the lake's commit
    cuts = counters["connections"] - 1
    assert counters["rows_resent"] <= 0.2 * count * cuts


@pytest.mark.alone
async def test_a_narrow_link_is_measured_and_a_live_event_waits_little(
    tmp_path: Path,
) -> None:
    hub = Hub(tmp_path)
    for number in range(60_000):
        hub.put(Stream.SUMMARY, minute(number * 7919 % 100_000, tags=977))
    port, lake = free_port(), tmp_path / "lake"
    with (
        broker_at(port, "mosquitto", tmp_path) as broker,
        ingest_from(port, lake) as ingest,
    ):
        await broker.start()
        await ingest.start()
        async with (
            link_to(port, 40_000) as link,
            hub.serving(),
            syncing(tmp_path, link.port) as sync,
        ):
            await hub.until(lambda: hub.acks > 3)
            loop = asyncio.get_running_loop()
            waits = []
            for number in range(4):
                began_s = loop.time()
                hub.put(Stream.EVENT, event(number))
                await hub.until(lambda: hub.pending_of(Stream.EVENT) == 0)
                waits.append(loop.time() - began_s)
            measured = sync.status()["link"]["bytes_per_s"]
            assert hub.pending > 0, "the backlog has gone: nothing was shown"
    # the poll of the outbox (1 s), the link (1 s) and the lake's commit
    assert min(waits) < 3.0, waits
    assert 10_000 < measured < 160_000


async def test_a_backlog_that_would_take_too_long_is_merged_exactly(
    tmp_path: Path,
) -> None:
    hub = Hub(tmp_path)
    tags, minutes = 10, 600
    for number in range(tags * minutes):
        hub.put(Stream.SUMMARY, minute(number, tags))
    port, lake = free_port(), tmp_path / "lake"
    with (
        broker_at(port, "mosquitto", tmp_path) as broker,
        ingest_from(port, lake) as ingest,
    ):
        await broker.start()
        await ingest.start()
        async with hub.serving(), syncing(tmp_path, port) as sync:
            sync._drain.coarsen(900.0)
            await hub.until_empty()
    found = report(lake)
    (stream,) = [each for each in found.streams if each.stream == "summary"]
    assert (found.duplicates, found.complete) == (0, True)
    assert stream.rows + stream.merged == tags * minutes
    assert stream.merged > 0.8 * tags * minutes
    assert stream.ranges == ((1, tags * minutes),)
    with open_lake(lake) as opened:
        rows = [r for r in opened.rows(Stream.SUMMARY) if r["tag"] == "P-3/flow"]
    every = [minute(number, tags) for number in range(3, tags * minutes, tags)]
    assert sum(row["count"] for row in rows) == sum(row.count for row in every)
    mean = sum(row["count"] * row["mean"] for row in rows) / (60 * minutes)
    assert mean == pytest.approx(
        sum(row.mean or 0.0 for row in every) / minutes, rel=1e-12
    )
    squares = sum(r["count"] * (r["std"] ** 2 + r["mean"] ** 2) for r in rows)
    exact = sum(60 * ((r.std or 0.0) ** 2 + (r.mean or 0.0) ** 2) for r in every)
    assert squares == pytest.approx(exact, rel=1e-12)
    assert max(row["max"] for row in rows) == max(row.max or 0.0 for row in every)


async def test_out_of_its_window_it_connects_for_an_alarm_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uplink_module, "_LINGER_TICKS", 1)
    now = datetime.now(UTC)
    far = f"{(now.hour + 11) % 24:02}:00-{(now.hour + 12) % 24:02}:00 daily"
    hub = Hub(tmp_path)
    hub.put(Stream.SUMMARY, *(minute(number) for number in range(50)))
    port, lake = free_port(), tmp_path / "lake"
    with (
        broker_at(port, "mosquitto", tmp_path) as broker,
        ingest_from(port, lake) as ingest,
    ):
        await broker.start()
        await ingest.start()
        async with hub.serving(), syncing(tmp_path, port, windows=[far]):
            await hub.until(lambda: "pausing" in hub.status.get("uplink", ""))
            assert hub.status["counters"]["connections"] == 0
            hub.put(Stream.EVENT, event(1))
            await hub.until(lambda: hub.pending_of(Stream.EVENT) == 0)
            await hub.until(
                lambda: (
                    hub.status["counters"]["connections"] == 1
                    and "pausing" in hub.status["uplink"]
                )
            )
            hub.put(Stream.EVENT, EventRow("system", "x", 1, "", "", None, "", "", {}))
            words = hub.status["link"]["waits_for"]
    assert words.startswith("the window opens")
    assert hub.pending == 51
    assert report(lake).rows == 1
