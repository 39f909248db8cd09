"""Pages of the live buffer are spoilt: the hub goes on, salvages, and says so."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance.commands.demo.settings import write_config
from appliance.domain.tag import TagId
from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.storage.quarantine import wrecks
from appliance.storage.reader import open_reader
from appliance.storage.repair import verify
from appliance.wire.outbox import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from appliance.storage.reader import BufferReader

pytestmark = [pytest.mark.system, pytest.mark.alone]

WITHIN_S = 60.0
GAP_MAX_S = 5.0
LOOK_AGAIN_S = 8.0
SPEED = TagId("P-101/motor/speed")
NAMES = ("skid-opcua", "skid-modbus")


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(WITHIN_S):
                await process.wait()
        await process.communicate()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A hub on the simulated plant; its uplink reaches nobody."""
    async with program("sim_plant", "healthy", "--disarmed") as plant:
        assert plant.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            ready = json.loads(await plant.stdout.readline())
        config = tmp_path / "wt.toml"
        write_config(
            config,
            opcua_url=ready["opcua_url"],
            modbus_port=ready["modbus_port"],
            broker_port=1,
        )
        places = ("--state-dir", str(tmp_path), "--run-dir", str(tmp_path))
        async with program("appliance", "hub", "-c", str(config), *places) as process:
            yield process


async def until(
    folder: Path, well: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                async with connect(folder / "hub.sock", process="test") as link:
                    status: Mapping[str, Any] = await link.request("status")
                if well(status):
                    return status
            except (LinkLostError, LinkRefusedError):
                pass
            await asyncio.sleep(0.1)


def stored(count: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda status: status["counters"]["samples_stored"] >= count


def mended(status: Mapping[str, Any]) -> bool:
    return not status["storage"]["diagnostics"] and status["storage"]["healthy"]


def spoil(path: Path, *, pages: int, seed: int) -> None:
    """Write noise over random pages of the file and of its log."""
    dice = random.Random(seed)
    for place in (path, path.with_name(f"{path.name}-wal")):
        with place.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            for _ in range(pages):
                file.seek(dice.randrange(max(1, size // 4096)) * 4096)
                file.write(dice.randbytes(4096))


async def spoil_until_found(path: Path, *, part: float, seed: int) -> None:
    """Write noise until the hub meets some; what it rewrites before is no damage."""
    async with asyncio.timeout(WITHIN_S):
        while not wrecks(path):
            pages = max(3, int(path.stat().st_size // 4096 * part))
            spoil(path, pages=pages, seed=seed)
            seed += 1000
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN_S):
                    while not wrecks(path):
                        await asyncio.sleep(0.1)


def numbers_of_the_outbox(reader: BufferReader, stream: Stream) -> list[int]:
    """Return every number of a stream that is there, or whose loss is declared."""
    sql = f"SELECT seq FROM outbox_{stream}"  # noqa: S608 - a closed enum
    rows = reader._connection.execute(sql).fetchall()
    numbers = {row[0] for row in rows}
    for gap in reader.gaps():
        if gap.what == stream and gap.first:
            numbers |= set(range(gap.first, gap.through + 1))
    return sorted(numbers)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_hub_survives_spoilt_pages_with_its_acquisition_whole(
    tmp_path: Path, hub: asyncio.subprocess.Process, seed: int
) -> None:
    path = tmp_path / "buffer.db"
    await until(tmp_path, lambda s: all(s["sources"][n] == "connected" for n in NAMES))
    before = await until(tmp_path, stored(400))
    await spoil_until_found(path, part=0.1, seed=seed)
    there = (await until(tmp_path, mended))["counters"]["samples_stored"]
    after = await until(tmp_path, stored(there + 400))
    assert after["epoch"] == before["epoch"]
    assert hub.returncode is None, "the same process all the time"
    hub.send_signal(signal.SIGTERM)
    async with asyncio.timeout(WITHIN_S):
        assert await hub.wait() == 0
    assert verify(path) == ()
    with open_reader(path) as reader:
        times_ns = reader.columns(SPEED).source_time_ns
        told = [event.name for event in reader.events()]
        counters = reader.counters()
        raw_lost = sum(gap.count for gap in reader.gaps() if gap.what == "raw")
        for stream in Stream:
            numbers = numbers_of_the_outbox(reader, stream)
            assert numbers == list(range(1, len(numbers) + 1)), stream
    assert told.count("buffer_damaged") == told.count("buffer_salvaged") >= 1
    assert raw_lost == counters.get("samples_dropped", 0)
    assert _longest_gap_s(times_ns) < GAP_MAX_S or raw_lost > 0


async def test_from_the_damage_on_no_sample_is_missing(
    tmp_path: Path, hub: asyncio.subprocess.Process
) -> None:
    path = tmp_path / "buffer.db"
    await until(tmp_path, lambda s: all(s["sources"][n] == "connected" for n in NAMES))
    await until(tmp_path, stored(400))
    with open_reader(path) as reader:
        last_ns = int(reader.columns(SPEED).source_time_ns[-1])
    await spoil_until_found(path, part=1.0, seed=7)
    there = (await until(tmp_path, mended))["counters"]["samples_stored"]
    await until(tmp_path, stored(there + 400))
    assert hub.returncode is None
    with open_reader(path) as reader:
        times_ns = reader.columns(SPEED).source_time_ns
    later_ns = times_ns[times_ns >= last_ns]
    assert len(later_ns) > 20
    assert _longest_gap_s(np.concatenate([[last_ns], later_ns])) < GAP_MAX_S


def _longest_gap_s(times_ns: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    return float(np.diff(np.sort(times_ns)).max()) * 1e-9
