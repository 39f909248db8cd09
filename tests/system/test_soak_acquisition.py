"""10 000 OPC UA values a second through a real hub: `make soak SECONDS=…`."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import pytest

from appliance.domain.tag import TagId
from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.storage.reader import open_reader
from benchmarks.acquire_opcua import responder
from benchmarks.support.opcua_server import URI, node_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]

TAGS, PER_TAG_HZ = 1_000, 10
LOOK_EVERY_S = 1.0
READY_WITHIN_S = 60.0
SLACK_BYTES = 4_000_000
GROWTH = 1.03
LOOKED_AT = 25  # tags whose stored values are read back, spread over all

CONFIG = f"""
config_version = 1
[site]
id = "soak"
gateway = "gateway-1"
[[sources]]
name = "fast"
connector = "opcua"
url = "{{url}}"
security = {{{{ policy = "none", allow_insecure = true }}}}
publishing_interval_s = {1 / PER_TAG_HZ}
sampling_interval_s = 0
"""


def write_config(folder: Path, url: str) -> None:
    tags = "".join(
        f'[[sources.tags]]\nid = "S-1/{number:05}"\n'
        f'node = "nsu={URI};s={node_name(number)}"\n'
        for number in range(TAGS)
    )
    (folder / "wt.toml").write_text(CONFIG.format(url=url) + tags, encoding="utf-8")


@asynccontextmanager
async def hub(folder: Path) -> AsyncIterator[psutil.Process]:
    places = ("--state-dir", str(folder), "--run-dir", str(folder))
    words = ("-m", "appliance", "hub", "-c", str(folder / "wt.toml"), *places)
    process = await asyncio.create_subprocess_exec(sys.executable, *words)
    try:
        yield psutil.Process(process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(READY_WITHIN_S):
            assert await process.wait() == 0


async def status_of(folder: Path) -> dict[str, Any]:
    """Return the hub's status; wait until it has one and reads."""
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            try:
                async with connect(folder / "hub.sock", process="test") as link:
                    status: dict[str, Any] = await link.request("status")
                if status["counters"]["samples_stored"]:
                    return status
            except (LinkLostError, LinkRefusedError):
                pass
            await asyncio.sleep(0.2)


async def test_ten_thousand_a_second_cost_no_memory_no_descriptor_and_no_value(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    length_s = max(60.0, float(os.environ.get("WHEELTAPPER_SOAK_S", "600")))
    memory, descriptors = [], []
    async with responder(TAGS) as url:
        write_config(tmp_path, url)
        async with hub(tmp_path) as process:
            before = (await status_of(tmp_path))["counters"]
            cpu_s = sum(process.cpu_times()[:2])
            for _ in range(round(length_s / LOOK_EVERY_S)):
                await asyncio.sleep(LOOK_EVERY_S)
                memory.append(process.memory_info().rss)
                descriptors.append(process.num_fds())
            cpu_s = sum(process.cpu_times()[:2]) - cpu_s
            after = (await status_of(tmp_path))["counters"]
    read = after["samples_read"] - before["samples_read"]
    third = len(memory) // 3
    settled, last = np.median(memory[third:-third]), np.median(memory[-third:])
    figures = (
        f"\n{read / length_s:.0f} values/s for {length_s:g} s:",
        f"{cpu_s / read * 1e6:.2f} µs CPU a value,",
        f"RSS {settled / 1e6:.1f}, then {last / 1e6:.1f} MB,",
        f"{min(descriptors[third:])} to {max(descriptors[third:])} descriptors\n",
    )
    with capsys.disabled():
        sys.stdout.write(" ".join(figures))
    assert read >= 0.97 * TAGS * PER_TAG_HZ * length_s
    assert last <= GROWTH * settled + SLACK_BYTES
    assert max(descriptors[-third:]) <= max(descriptors[third:-third])
    assert after["samples_read"] == sum(
        after[each]
        for each in ("samples_stored", "samples_rejected", "samples_in_flight")
    )
    assert after["samples_rejected"] == 0
    assert_whole(tmp_path, round(length_s))


def assert_whole(folder: Path, length_s: int) -> None:
    """Every value of the count is on disk, once and in order."""
    with open_reader(folder / "buffer.db") as reader:
        for number in range(0, TAGS, TAGS // LOOKED_AT):
            value = reader.columns(TagId(f"S-1/{number:05}")).value
            good = value[np.isfinite(value)]
            assert len(good) >= 0.97 * PER_TAG_HZ * length_s
            assert set(np.diff(good)) == {1.0}
