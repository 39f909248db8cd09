"""OPC UA from the wire into the buffer on disk, beside asyncua's own client.

Every side is a process of its own with the same server and the same load; CPU is that
process's, all threads. Ours is source, supervisor and store as the hub has them; the
baselines only count: `handler` is asyncua's documented way (an object that is called
for each value), `decoding` its decoder with a plain loop over its objects. Values count
up, so that each side knows what it lost. Servers: a responder that replays encoded
messages, asyncua's own at 8 000/s, node-opcua where it is installed.

Where the time goes, in µs per value at 10 messages/s of 1 000 values each: asyncua
spends 6 to 7 on making objects and 10 more on a task for each. Ours spends 0.12 in all
of decode, some sixty numpy calls on a message; most of the rest is one request, one
answer and one look at clocks per message and one commit per second, which larger
messages share (0.5 in all at 3 000 values, 0.35 at 6 000). Compressing comes once a
minute and makes 1.2 into 1.8 on the average; a --quick run is too short to see it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from appliance.domain.tag import Tag, TagId
from benchmarks.support.node_opcua import NotInstalledError, node_server
from benchmarks.support.opcua_server import URI, notification
from connectors.opcua.message import ItemTable, decode_message
from connectors.opcua.notification import Item
from connectors.opcua.published import published

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Figure: TypeAlias = "dict[str, Any]"
Measured: TypeAlias = "dict[str, float]"

PER_TAG_HZ = 10
ALMOST_ALL = 0.97  # of the rate asked for; the window cuts messages at both ends
QUICK_S, FULL_S, WITH_COMPRESSION_S = 3.0, 10.0, 65.0
HANDLER = "asyncua handler"


def main() -> None:
    """Measure, print a table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures = [decode_alone(50 if arguments.quick else 500)]
    figures += asyncio.run(everything(quick=arguments.quick))
    for figure in figures:
        met = {True: "met", False: "MISSED", None: "not judged"}[figure["met"]]
        print(
            f"{figure['name']:<52} {figure['ours']:>9.4g} {figure['baseline']:>9.4g}"
            f" {figure['ratio']:>8.3g}  target {figure['target']}  {met}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


async def everything(*, quick: bool) -> list[Figure]:
    """Run every load on its server, one side after the other."""
    seconds = QUICK_S if quick else FULL_S
    found = await at_ten_thousand(seconds, QUICK_S if quick else WITH_COMPRESSION_S)
    found += await at_rate(3_000, seconds)
    found += await secured(seconds)
    if not quick:
        found += await at_rate(6_000, seconds)
        found += await on_asyncuas_server(seconds)
        found += await on_node_opcua(seconds)
    return found


async def at_ten_thousand(seconds: float, ours_s: float) -> list[Figure]:
    """Compare the CPU of all three at 10 000 values/s."""
    async with responder(1_000) as url:
        ours = await side("ours", url, 1_000, ours_s)
        handler = await side("handler", url, 1_000, seconds)
        decoding = await side("decoding", url, 1_000, seconds)
    rate = "10 000/s"
    return [
        cpu(f"µs CPU/value, {rate}", ours, handler, HANDLER, at_most=0.75),
        cpu(f"µs CPU/value, {rate}", ours, decoding, "asyncua decoder", at_most=1.5),
        lost(rate, ours, handler),
        moonshot(f"µs CPU/value, {rate}, moonshot", ours, handler),
    ]


async def at_rate(tags: int, seconds: float) -> list[Figure]:
    """See what is kept when more comes than asyncua's own server can send."""
    async with responder(tags) as url:
        ours = await side("ours", url, tags, seconds)
        handler = await side("handler", url, tags, seconds)
    asked = tags * PER_TAG_HZ
    rate = f"{asked // 1000} 000/s"
    return [
        sustained(f"values/s, {rate} asked", ours, handler, asked),
        lost(rate, ours, handler),
        cpu(f"µs CPU/value, {rate}", ours, handler, HANDLER, at_most=0.75),
    ]


async def secured(seconds: float) -> list[Figure]:
    """Compare on a signed and encrypted channel."""
    with tempfile.TemporaryDirectory() as folder:
        pki = Path(folder)
        async with responder(1_000, "--pki", folder) as url:
            ours = await side("ours", url, 1_000, seconds, pki=pki)
            handler = await side("handler", url, 1_000, seconds, pki=pki)
    rate = "10 000/s, Basic256Sha256"
    return [
        cpu(f"µs CPU/value, {rate}", ours, handler, HANDLER, at_most=0.75),
        lost(rate, ours, handler),
    ]


async def on_asyncuas_server(seconds: float) -> list[Figure]:
    """Compare on a server that publishes for itself, near what it can."""
    async with responder(800, "--plain") as url:
        ours = await side("ours", url, 800, seconds)
        handler = await side("handler", url, 800, seconds)
    rate = "8 000/s, asyncua server"
    return [
        cpu(f"µs CPU/value, {rate}", ours, handler, HANDLER, at_most=0.75),
        lost(rate, ours, handler),
    ]


async def on_node_opcua(seconds: float) -> list[Figure]:
    """Compare on a server that others wrote, if it is here."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            async with node_server(Path(folder), tags=1_000) as node:
                ours = await side("ours", node.url, 1_000, seconds, uri=node.uri)
                handler = await side("handler", node.url, 1_000, seconds, uri=node.uri)
        except NotInstalledError as error:
            print(f"node-opcua is left out: {error}")
            return []
    rate = "10 000/s, node-opcua server"
    return [
        cpu(f"µs CPU/value, {rate}", ours, handler, HANDLER, at_most=0.75),
        lost(rate, ours, handler),
    ]


def decode_alone(repeats: int) -> Figure:
    """Compare the decoders on one message of 1 000 values, nothing else."""
    rows = 1_000
    body = notification(handles=range(1, rows + 1), count=7, subscription=1, request=1)
    items = {
        handle: Item(Tag(TagId(f"B-1/{handle:05}")), handle)
        for handle in range(1, rows + 1)
    }
    table = ItemTable(items)
    ours, theirs = [], []
    for _ in range(repeats):
        start = time.process_time()
        found = decode_message(published(body), table, group="g", receive_ns=1)
        ours.append(time.process_time() - start)
        start = time.process_time()
        struct_from_binary(ua.PublishResponse, Buffer(body))
        theirs.append(time.process_time() - start)
    assert len(found.batch) == rows
    mine, base = (statistics.median(each) / rows * 1e6 for each in (ours, theirs))
    return figure("µs CPU/value, decode alone", mine, base, "asyncua", "<= 0.1")


# -------------------------------------------------------------------------- figures


def figure(
    name: str,
    ours: float,
    baseline: float,
    baseline_name: str,
    target: str,
    *,
    met: bool | None = None,
) -> Figure:
    """Return a figure; a target like `<= 0.1` is judged by the ratio."""
    ratio = ours / baseline if baseline else 1.0
    if met is None:
        met = ratio <= float(target.removeprefix("<= "))
    return {
        "name": name, "ours": ours, "baseline": baseline, "ratio": ratio,
        "baseline_name": baseline_name, "target": target, "met": met,
    }  # fmt: skip


def cpu(
    name: str, ours: Measured, baseline: Measured, beside: str, *, at_most: float
) -> Figure:
    """Return what a value costs, by the ratio."""
    target = f"<= {at_most:g}"
    return figure(name, ours["cpu_us"], baseline["cpu_us"], beside, target)


def moonshot(name: str, ours: Measured, baseline: Measured) -> Figure:
    """Return what a value costs, in µs."""
    mine = ours["cpu_us"]
    return figure(name, mine, baseline["cpu_us"], HANDLER, "<= 3 µs", met=mine <= 3.0)


def lost(rate: str, ours: Measured, baseline: Measured) -> Figure:
    """Return how many values never came."""
    mine = ours["lost"]
    name = f"values lost, {rate}"
    return figure(name, mine, baseline["lost"], HANDLER, "0", met=mine == 0)


def sustained(name: str, ours: Measured, baseline: Measured, asked: int) -> Figure:
    """Return how many values a second were taken."""
    mine = ours["per_s"]
    met = mine >= ALMOST_ALL * asked
    return figure(name, mine, baseline["per_s"], HANDLER, f"{asked}", met=met)


# ------------------------------------------------------------------------ processes


@asynccontextmanager
async def responder(tags: int, *more: str) -> AsyncIterator[str]:
    """Run the server in a process of its own; its URL."""
    words = ("-m", "benchmarks.support.opcua_server", "--tags", str(tags), *more)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            ready = json.loads(await process.stdout.readline())
        yield ready["url"]
    finally:
        await process.communicate(b"")  # which closes its input: it ends


async def side(
    name: str,
    url: str,
    tags: int,
    seconds: float,
    *,
    pki: Path | None = None,
    uri: str = URI,
) -> Measured:
    """Run one client in a process of its own; what it measured."""
    words = ["-m", "benchmarks.support.opcua_clients", name, "--url", url]
    words += ["--tags", str(tags), "--seconds", str(seconds), "--uri", uri]
    words += [] if pki is None else ["--pki", str(pki)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(seconds + 120):
        out, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{name} failed: {said[-500:].decode()}")
    measured: Measured = json.loads(out.splitlines()[-1])
    return measured


if __name__ == "__main__":
    main()
