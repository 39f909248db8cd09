"""The hub on the simulated plant: both protocols, the real store, real kills."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from appliance.commands.demo.settings import write_config
from appliance.domain.event import EventKind
from appliance.domain.sample import Quality
from appliance.domain.tag import TagId
from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.storage.reader import open_reader
from tests.support.plant import running_plant

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from appliance.domain.event import Event

pytestmark = pytest.mark.system

READY_WITHIN_S = 60.0
SPEED, FLOW = TagId("P-101/motor/speed"), TagId("P-101/flow")


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *words, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            await end(process, signal.SIGTERM)
        await process.communicate()


async def end(process: asyncio.subprocess.Process, how: signal.Signals) -> int:
    process.send_signal(how)
    async with asyncio.timeout(READY_WITHIN_S):
        return await process.wait()


def appliance(name: str, folder: Path) -> tuple[str, ...]:
    places = ("--state-dir", str(folder), "--run-dir", str(folder))
    return ("appliance", name, "-c", str(folder / "wt.toml"), *places)


async def ask(folder: Path, op: str, **args: object) -> Any:  # noqa: ANN401 - msgpack
    async with connect(folder / "hub.sock", process="test") as link:
        return await link.request(op, **args)


async def until(
    folder: Path, well: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    """Return the hub's status as soon as it is `well`; the hub may be away."""
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            try:
                status: Mapping[str, Any] = await ask(folder, "status")
                if well(status):
                    return status
            except (LinkLostError, LinkRefusedError):
                pass
            await asyncio.sleep(0.05)


def stored(count: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda status: status["counters"]["samples_stored"] >= count


def connected(*names: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda s: all(s["sources"][name] == "connected" for name in names)


def obeys_the_law(status: Mapping[str, Any]) -> bool:
    counters = status["counters"]
    kept = ("samples_stored", "samples_rejected", "samples_in_flight")
    left = ("outbox_delivered", "outbox_pending", "outbox_declared_gaps")
    return bool(
        counters["samples_read"] == sum(counters[each] for each in kept)
        and counters["outbox_enqueued"] == sum(counters[each] for each in left)
    )


def events_of(folder: Path) -> tuple[Event, ...]:
    with open_reader(folder / "buffer.db") as reader:
        return reader.events()


@pytest.mark.alone
@pytest.mark.usefixtures("skid_config")
async def test_both_protocols_arrive_on_disk_in_order(tmp_path: Path) -> None:
    async with program(*appliance("hub", tmp_path)) as hub:
        await until(tmp_path, connected("skid-opcua", "skid-modbus"))
        status = await until(tmp_path, stored(150))
        assert obeys_the_law(status)
        assert status["counters"]["waveform_points"] >= 4096
        assert status["counters"]["source_faults"] == 0
        past = await ask(
            tmp_path, "history", tag=SPEED, from_ns=0, to_ns=2**62, points=50
        )
        assert past["value"]
        assert await end(hub, signal.SIGTERM) == 0
    with open_reader(tmp_path / "buffer.db") as reader:
        for tag in (SPEED, FLOW):
            columns = reader.columns(tag)
            assert (columns.quality == Quality.GOOD).any()
            assert (columns.source_time_ns[1:] >= columns.source_time_ns[:-1]).all()
        assert reader.gaps() == ()


@pytest.mark.usefixtures("skid_config")
async def test_after_a_kill_the_law_holds_and_the_gap_is_declared(
    tmp_path: Path,
) -> None:
    async with program(*appliance("hub", tmp_path)) as hub:
        before = await until(tmp_path, stored(60))
        await end(hub, signal.SIGKILL)
    async with program(*appliance("hub", tmp_path)):
        least = before["counters"]["samples_stored"]
        after = await until(tmp_path, stored(least + 60))
        assert obeys_the_law(after)
        assert after["epoch"] == before["epoch"]
        assert after["counters"]["outbox_gap_enqueued"] >= 1
    with open_reader(tmp_path / "buffer.db") as reader:
        gaps = reader.gaps()
    # Sources may declare what of it they cannot fill; our own word comes once, and
    # once more for the roll-up that was being made.
    own = [each for each in gaps if not each.reason.startswith("skid-")]
    (gap,) = [each for each in own if each.what != "summary period"]
    assert gap.what == "acquisition"
    assert 0 < gap.to_ns - gap.from_ns < 60e9
    told = [event for event in events_of(tmp_path) if event.kind is EventKind.GAP]
    assert [event.details["reason"] for event in told].count(gap.reason) == 1


async def test_a_plant_that_dies_leaves_bad_samples_on_every_tag(
    tmp_path: Path,
) -> None:
    names = ("skid-opcua", "skid-modbus")
    with running_plant("healthy", "--disarmed") as ready:
        write_config(
            tmp_path / "wt.toml",
            opcua_url=ready["opcua_url"],
            modbus_port=ready["modbus_port"],
            broker_port=1,
        )
        await outlive(ready["pid"], tmp_path, names)
    with open_reader(tmp_path / "buffer.db") as reader:
        for tag in (SPEED, FLOW):
            assert reader.columns(tag).quality[-1] == Quality.BAD


async def outlive(plant: int, tmp_path: Path, names: tuple[str, ...]) -> None:
    """Run a hub while its plant is killed, until it knows."""
    async with program(*appliance("hub", tmp_path)):
        await until(tmp_path, connected(*names))
        await until(tmp_path, stored(60))
        os.kill(plant, signal.SIGKILL)
        status = await until(
            tmp_path, lambda s: all(s["sources"][name] == "lost" for name in names)
        )
        assert obeys_the_law(status)


@pytest.mark.usefixtures("skid_config")
async def test_safety_is_read_as_a_source_and_none_of_its_events_is_missed(
    tmp_path: Path,
) -> None:
    async with program(*appliance("safety", tmp_path)):
        async with program(*appliance("hub", tmp_path)) as hub:
            await until(tmp_path, connected("safety"))
            await end(hub, signal.SIGKILL)
        async with connect(tmp_path / "safety.sock", process="test") as link:
            await link.request("stop", reason="while the hub is away")
        async with program(*appliance("hub", tmp_path)):
            await until(tmp_path, connected("safety"))
            await until(tmp_path, lambda _s: "stop_requested" in origin_names(tmp_path))
    names = origin_names(tmp_path)
    assert names.count("stop_requested") == 1
    assert names[0] == "first_out"  # power-up
    with open_reader(tmp_path / "buffer.db") as reader:
        trip = reader.columns(TagId("safety/trip"))
        assert (trip.value == 1.0).any()


def origin_names(folder: Path) -> list[str]:
    """Return the names of safety's events, once for each number."""
    events = [e for e in events_of(folder) if "origin_seq" in e.details]
    numbers = [event.details["origin_seq"] for event in events]
    assert len(numbers) == len(set(numbers))
    return [event.name for event in events]
