"""The uplink against brokers of other people, found where they are installed.

mosquitto speaks MQTT 5; amqtt and aedes speak 3.1.1 alone, so the uplink has to find
that out. aedes is looked for in the folder that WHEELTAPPER_AEDES names
(`npm install aedes@1.2.0` made it there).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from appliance.config import SiteSettings, UplinkSettings
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import companions
from appliance.sync.drain import Drain
from appliance.sync.protocol import Protocol, ProtocolChoice
from appliance.sync.uplink import Uplink
from appliance.wire.outbox import EventRow, Stream, encode_row
from fleet.broker import find_mosquitto
from fleet.delivery import open_delivery
from tests.support.cloud import until_it_listens
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

SITE = SiteSettings(id="plant-1", gateway="gw-1")
ROWS = 3000
AEDES = os.environ.get("WHEELTAPPER_AEDES", "")
NODE = shutil.which("node")
_AEDES_JS = """
import { createServer } from 'node:net'
import { pathToFileURL } from 'node:url'
const home = process.argv[2] + '/node_modules/aedes/aedes.js'
const { Aedes } = await import(pathToFileURL(home))
const broker = await Aedes.createBroker()
createServer(broker.handle).listen(Number(process.argv[3]), '127.0.0.1')
"""


def program_of(kind: str, port: int, folder: Path) -> list[str]:
    """Return how to start a broker; skip the test where it is not installed."""
    if kind == "aedes":
        if NODE is None or not Path(AEDES, "node_modules", "aedes").is_dir():
            pytest.skip("WHEELTAPPER_AEDES names no folder with aedes in it")
        script = folder / "broker.mjs"
        script.write_text(_AEDES_JS)
        return [NODE, str(script), AEDES, str(port)]
    if kind == "mosquitto" and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed")
    given = ["--port", str(port), "--kind", kind, "--dir", str(folder / "broker")]
    return [sys.executable, "-m", "fleet", "broker", *given]


@asynccontextmanager
async def broker(kind: str, folder: Path) -> AsyncIterator[int]:
    port = free_port()
    words = program_of(kind, port, folder)
    process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.DEVNULL)
    try:
        await until_it_listens(port)
        yield port
    finally:
        process.terminate()
        await process.wait()


def row(number: int) -> bytes:
    text = f"event {number}"
    return encode_row(EventRow("system", "test", number, text, "", None, "", "", {}))


@pytest.mark.parametrize(
    ("kind", "spoken"),
    [
        ("mosquitto", Protocol.V5),
        ("amqtt", Protocol.V311),
        ("aedes", Protocol.V311),
    ],
)
async def test_every_row_is_taken_by_the_brokers_word_alone(
    kind: str, spoken: Protocol, tmp_path: Path
) -> None:
    clock = SystemClock()
    drain = Drain(fleet=False, window=20, payload_max_bytes=2_000, spread=lambda: 0.5)
    choice = ProtocolChoice(None, now_s=clock.now_s())
    marked = asyncio.Event()

    def feed() -> None:
        """Be the hub: answer what the drain asks, note what it marks."""
        while (reading := drain.next_read()) is not None:
            first = reading.after + 1
            last = min(reading.after + reading.limit, ROWS)
            rows = [(seq, row(seq)) for seq in range(first, last + 1)]
            asked = rows if reading.stream is Stream.EVENT else []
            drain.load(reading, "epoch-1", asked)
        mark = drain.next_mark()
        if mark is not None:
            drain.marked(mark)
            if mark.through == ROWS:
                marked.set()

    async with broker(kind, tmp_path) as port, companions() as tasks:
        given: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "tls": False,
            "acknowledged_by": "broker",
        }
        uplink = Uplink(
            SITE,
            UplinkSettings.model_validate(given),
            drain,
            choice=choice,
            clock=clock,
            spread=lambda: 0.5,
            changed=feed,
        )
        async with listening(port) as heard:
            tasks.start(uplink.run(), name="test.uplink")
            async with asyncio.timeout(60):
                await marked.wait()
            assert await heard.count_of(Stream.EVENT) == ROWS
        assert choice.spoken is spoken
        assert drain.counters["payloads_refused"] == 0


class Heard:
    """Counts the rows that somebody else is given by the broker."""

    def __init__(self) -> None:
        self._rows: dict[Stream, set[int]] = {}
        self._changed = asyncio.Event()

    def take(self, topic_name: str, content: bytes) -> None:
        delivery = open_delivery(topic_name, content)
        known = self._rows.setdefault(delivery.key.stream, set())
        known.update(delivery.columns["seq"].tolist())
        self._changed.set()

    async def count_of(self, stream: Stream) -> int:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                while len(self._rows.get(stream, ())) < ROWS:
                    self._changed.clear()
                    await self._changed.wait()
        return len(self._rows.get(stream, ()))


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Heard]:
    """Subscribe as another client, with the library alone."""
    heard, loop, ready = Heard(), asyncio.get_running_loop(), asyncio.Event()
    client = Client(CallbackAPIVersion.VERSION2, "test-listener")

    def hear(_client: Client, _userdata: object, message: MQTTMessage) -> None:
        content = bytes(message.payload)
        loop.call_soon_threadsafe(heard.take, message.topic, content)

    def subscribed(*_: object) -> None:
        loop.call_soon_threadsafe(ready.set)

    def connected(*_: object) -> None:
        client.subscribe("wheeltapper/v1/#", qos=1)

    client.on_message = hear
    client.on_subscribe = subscribed
    client.on_connect = connected
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        async with asyncio.timeout(60):
            await ready.wait()
        yield heard
    finally:
        client.disconnect()
        await asyncio.to_thread(client.loop_stop)
