"""The uplink beside a bare paho loop: messages per second, rows per second, latency.

    python -m benchmarks.uplink [--quick] [--json FILE]

Needs mosquitto; figures of the fleet's half include the lake's commits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from appliance.config import SiteSettings, UplinkSettings
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import companions
from appliance.sync.drain import Drain
from appliance.sync.protocol import Protocol, ProtocolChoice
from appliance.sync.uplink import Uplink
from appliance.wire.outbox import EventRow, Stream, SummaryRow, encode_row
from fleet.broker import find_mosquitto

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.sync.drain import Reading

WINDOW = 100
CONTENT_BYTES = 200
LIVE_PERIOD_S = 0.2
LIVE_TARGET_S = 2.0
SITE = SiteSettings(id="bench", gateway="gw-1")


class Outbox:
    """Rows in memory, moved into the drain whenever it wants some."""

    def __init__(self, drain: Drain, rows: dict[Stream, list[bytes]]) -> None:
        self.rows = rows
        self.done = dict.fromkeys(Stream, 0)
        self.finished = asyncio.Event()
        self._drain = drain
        self._waiting_live: list[float] = []
        self.live_s: list[float] = []
        self._backlog = sum(map(len, rows.values()))

    def put_live(self, row: bytes) -> None:
        """Add an event now, and measure how long it takes."""
        self.rows.setdefault(Stream.EVENT, []).append(row)
        self._waiting_live.append(time.monotonic())
        self._drain.wake()
        self.move()

    def move(self) -> None:
        """Mark and read, as the feed does over the link."""
        while (mark := self._drain.next_mark()) is not None:
            self._drain.marked(mark)
            self.done[mark.stream] = mark.through
            if mark.stream is Stream.EVENT:
                told = mark.through - len(self.live_s)
                for _ in range(told):
                    since_s = self._waiting_live.pop(0)
                    self.live_s.append(time.monotonic() - since_s)
            elif sum(self.done.values()) - self.done[Stream.EVENT] == self._backlog:
                self.finished.set()
        while (reading := self._drain.next_read()) is not None:
            self._drain.load(reading, "bench-epoch", self._read(reading))

    def _read(self, reading: Reading) -> list[tuple[int, bytes]]:
        rows = self.rows.get(reading.stream, [])
        piece = rows[reading.after : reading.after + reading.limit]
        return list(enumerate(piece, start=reading.after + 1))


def ours(
    port: int,
    rows: dict[Stream, list[bytes]],
    *,
    payload_max: int,
    fleet: bool,
    live: bool,
) -> tuple[float, Outbox, int]:
    """Drain rows; return seconds, the outbox and the bytes written."""
    return asyncio.run(
        _ours(port, rows, payload_max=payload_max, fleet=fleet, live=live)
    )


async def _ours(
    port: int,
    rows: dict[Stream, list[bytes]],
    *,
    payload_max: int,
    fleet: bool,
    live: bool,
) -> tuple[float, Outbox, int]:
    clock = SystemClock()
    drain = Drain(
        fleet=fleet,
        window=WINDOW,
        payload_max_bytes=payload_max,
        spread=lambda: 0.0,
    )
    outbox = Outbox(drain, rows)
    uplink = Uplink(
        SITE,
        UplinkSettings(
            host="127.0.0.1",
            port=port,
            tls=False,
            window=WINDOW,
            acknowledged_by="fleet" if fleet else "broker",
        ),
        drain,
        choice=ProtocolChoice(Protocol.V5, now_s=clock.now_s()),
        clock=clock,
        spread=lambda: 0.0,
        changed=outbox.move,
    )
    outbox.move()
    async with companions() as tasks:
        began_s = time.monotonic()
        tasks.start(uplink.run(), name="bench.uplink")
        if live:
            tasks.start(_live(outbox, uplink), name="bench.live")
        async with asyncio.timeout(600):
            await outbox.finished.wait()
        took_s = time.monotonic() - began_s
    return took_s, outbox, uplink.counters["bytes_written"]


async def _live(outbox: Outbox, uplink: Uplink) -> None:
    row = encode_row(
        EventRow("alarm", "active", 1, "live", "P-101", None, "high", "", {})
    )
    while True:
        outbox.put_live(row)
        uplink.wake.set()
        await asyncio.sleep(LIVE_PERIOD_S)


def bare(port: int, payloads: list[bytes]) -> float:
    """Publish with paho's own thread and a semaphore; return seconds."""
    client = Client(
        CallbackAPIVersion.VERSION2, "bare", protocol=MQTTProtocolVersion.MQTTv5
    )
    client.max_inflight_messages = WINDOW
    window = threading.Semaphore(WINDOW)
    client.on_publish = lambda *_: window.release()
    client.connect("127.0.0.1", port)
    client.loop_start()
    began_s = time.monotonic()
    for payload in payloads:
        window.acquire()
        client.publish("wheeltapper/v1/bench/gw-1/event", payload, qos=1)
    for _ in range(WINDOW):
        window.acquire()
    took_s = time.monotonic() - began_s
    client.disconnect()
    client.loop_stop()
    return took_s


@contextmanager
def fleet_program(*words: str) -> Iterator[dict[str, Any]]:
    """Run `python -m fleet …` and yield what it says when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fleet", *words], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


def rate_figure(port: int, count: int, repeats: int) -> dict[str, object]:
    """Return small messages per second, one row each, against bare paho.

    The ingest has left, its session is still at the broker and takes both alike.
    """
    contents = [_noise(n).randbytes(CONTENT_BYTES) for n in range(count)]
    rows = [msgspec.msgpack.encode(content[:-100]) for content in contents]
    best_ours, best_bare = 0.0, 0.0
    for _ in range(repeats):  # alternately, so that a busy machine hits both
        took_s, _, _ = ours(
            port, {Stream.SUMMARY: rows}, payload_max=1, fleet=False, live=False
        )
        best_ours = max(best_ours, count / took_s)
        best_bare = max(best_bare, count / bare(port, contents))
    return figure(
        "uplink_messages_per_s",
        best_ours,
        best_bare,
        baseline_name="bare paho, window 100",
        target=0.8,
    )


def drain_figures(port: int, count: int, lake: str) -> list[dict[str, object]]:
    """Drain a backlog of summaries into a lake while live events go on."""
    rows = [_summary_row(n) for n in range(count)]
    words = ("--broker", f"127.0.0.1:{port}", "--lake", lake)
    with fleet_program("ingest", *words):
        took_s, outbox, written = ours(
            port, {Stream.SUMMARY: rows}, payload_max=100_000, fleet=True, live=True
        )
    plain_bytes = sum(map(len, rows))
    worst_s = max(outbox.live_s)
    single_s = bare(port, rows[: count // 10]) * 10
    return [
        figure(
            "uplink_drain_rows_per_s",
            count / took_s,
            count / single_s,
            baseline_name="bare paho, one row a message, no lake",
            target=1.0,
        ),
        figure(
            "uplink_live_latency_s",
            worst_s,
            LIVE_TARGET_S,
            baseline_name="the target itself",
            target=1.0,
            below=True,
        ),
        figure(
            "uplink_bytes",
            written,
            plain_bytes,
            baseline_name="the same rows as plain msgpack",
            target=0.5,
            below=True,
        ),
    ]


def _noise(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same at every run is the point


def _summary_row(n: int) -> bytes:
    level = 20 + _noise(n).gauss(0, 0.5)
    row = SummaryRow(
        f"P-{n % 20:03}/DE/vibration_rms", 1_700_000_000_000_000_000 + n * 10**9, 60.0,
        60, 0, round(level - 1, 2), round(level + 1, 2), round(level, 3),
        round(0.3 + level / 100, 4), round(level + 0.2, 2),
    )  # fmt: skip
    return encode_row(row)


def figure(
    name: str,
    measured: float,
    baseline: float,
    *,
    baseline_name: str,
    target: float,
    below: bool = False,
) -> dict[str, object]:
    """Return one figure as `make bench` wants it."""
    ratio = measured / baseline
    return {
        "name": name,
        "ours": round(measured, 3),
        "baseline": round(baseline, 3),
        "baseline_name": baseline_name,
        "ratio": round(ratio, 3),
        "target": target,
        "met": ratio <= target if below else ratio >= target,
    }


def main() -> int:
    """Run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if find_mosquitto() is None:
        print("mosquitto is not installed: nothing can be judged")
        return 1
    small, large = (10_000, 50_000) if args.quick else (50_000, 1_000_000)
    with (
        tempfile.TemporaryDirectory() as folder,
        fleet_program("broker", "--kind", "mosquitto") as broker,
    ):
        port = broker["port"]
        figures = drain_figures(port, large, folder)
        figures.insert(0, rate_figure(port, small, repeats=3))
    for each in figures:
        print(
            f"{each['name']:26} {each['ours']:>14,} vs {each['baseline']:>14,}"
            f"  x{each['ratio']:<7} target {each['target']}  met: {each['met']}"
            f"  ({each['baseline_name']})"
        )
    if args.json is not None:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
