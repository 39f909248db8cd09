"""Maintenance done, on a real hub: said by the command line, kept through a kill."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from appliance.commands.lesson import maintained_ns
from appliance.domain.batch import batch_of
from appliance.domain.event import EventKind
from appliance.domain.health import derived_group
from appliance.link.client import LinkLostError, connect
from appliance.storage.reader import open_reader
from appliance.wire.batches import message_of
from appliance.wire.messages import EventMessage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appliance.link.client import LinkClient

pytestmark = pytest.mark.system

READY_WITHIN_S = 60.0
CONFIG = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[sources]]
name = "plant"
connector = "example"
file = "{file}"
[[sources.tags]]
id = "P-101/flow"
key = "flow"
[[assets]]
id = "P-101"
"""


@asynccontextmanager
async def hub(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *words(folder, "hub", "-c", "wt.toml")
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


def words(folder: Path, *more: str) -> tuple[str, ...]:
    places = ("--state-dir", str(folder), "--run-dir", str(folder))
    named = (str(folder / each) if each.endswith(".toml") else each for each in more)
    return (sys.executable, "-m", "appliance", *named, *places)


async def said(folder: Path, *more: str) -> Any:  # noqa: ANN401 - JSON
    """Run a command; return its JSON."""
    process = await asyncio.create_subprocess_exec(
        *words(folder, *more, "--json"), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


@asynccontextmanager
async def linked(folder: Path) -> AsyncIterator[LinkClient]:
    """Link as inference does, as soon as the hub is there."""
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            try:
                async with connect(
                    folder / "hub.sock", process="inference", subscribe=("events",)
                ) as link:
                    yield link
                    return
            except LinkLostError:
                await asyncio.sleep(0.05)


async def until(link: LinkClient, kind: EventKind, name: str) -> EventMessage:
    """Return an event once it is committed."""
    async with asyncio.timeout(READY_WITHIN_S):
        async for news in link.messages():
            match news:
                case EventMessage(pending=False) if (news.kind, news.name) == (
                    kind,
                    name,
                ):
                    return news
    raise AssertionError("the link ended")


async def test_maintenance_ends_the_anomaly_and_outlives_a_kill(tmp_path: Path) -> None:
    plant = tmp_path / "plant.txt"
    plant.write_text("flow 50\n")
    (tmp_path / "wt.toml").write_text(CONFIG.format(file=plant))
    async with hub(tmp_path) as process:
        async with linked(tmp_path) as link:
            number = {each.name: each.number for each in link.hello.tags}
            batch = batch_of(
                [number["P-101/anomaly_score"], number["P-101/anomaly"]],
                [3.0, 1.0],
                source_time_ns=time.time_ns(),
                receive_time_ns=0,
                group=derived_group("P-101"),
            )
            await link.send_batch(message_of(batch))
            await until(link, EventKind.ANOMALY, "begin")
            done = await said(
                tmp_path, "asset", "maintained", "P-101", "--what", "bearing replaced"
            )
            assert done["since_ns"] is not None
            told = await until(link, EventKind.MAINTENANCE, "maintained")
            assert told.details["what"] == "bearing replaced"
            await until(link, EventKind.ANOMALY, "end")
        process.send_signal(signal.SIGKILL)
    async with hub(tmp_path), linked(tmp_path) as link:
        upkeep = await link.request("asset.upkeep")
    assert upkeep == {
        "P-101": {
            "at_ns": done["at_ns"],
            "since_ns": done["since_ns"],
            "what": "bearing replaced",
        }
    }
    assert maintained_ns(tmp_path / "buffer.db", "P-101") == done["at_ns"]
    assert maintained_ns(tmp_path / "buffer.db", "P-102") == 0
    with open_reader(tmp_path / "buffer.db") as reader:
        label = [e for e in reader.events() if e.kind is EventKind.MAINTENANCE]
    assert [e.details["since_ns"] for e in label] == [done["since_ns"]]
