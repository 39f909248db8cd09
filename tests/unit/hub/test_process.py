"""The hub process whole: real store, real link, a file as its plant."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from appliance.config import check_text
from appliance.domain.batch import batch_of
from appliance.domain.health import derived_group, derived_tags
from appliance.domain.sample import Quality
from appliance.hub.process import run
from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.link.roles import Role
from appliance.link.server import LinkServer
from appliance.runtime.tasks import alongside
from appliance.storage.reader import open_reader
from appliance.wire.batches import batch_of_message, message_of
from appliance.wire.messages import BatchMessage, EventMessage, TagEntry
from appliance.wire.outbox import EventRow, Stream, decode_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from appliance.config import Config
    from appliance.link.client import LinkClient
    from appliance.link.server import Peer

FASTER = 20.0
FLOW = "P-101/flow"

TOML = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[sources]]
name = "plant"
connector = "example"
file = "{file}"
period_s = 0.2
[[sources.tags]]
id = "P-101/flow"
key = "flow"
engineering_units = "m3/h"
range_low = 0.0
range_high = 120.0
[[assets]]
id = "P-101"
[[alarms]]
tag = "P-101/flow"
rule = "high"
setpoint = 100.0
priority = "high"
action = "close the valve"
[[alarms]]
tag = "P-101/flow"
rule = "stale"
[storage]
commit_period_s = 0.2
"""
UPLINK = """
[uplink]
host = "127.0.0.1"
summary_period_s = 0.5
health_period_s = 1.0
"""
SAFETY = """
[[safety.initiators]]
id = "model says stop"
source = "model"
tag = "P-101/anomaly_score"
setpoint = 5.0
cause = "The model sees what it has learned to fear"
consequence = "Damage"
action = "Inspect the machine"
[[safety.elements]]
id = "motor"
output = "plc"
point = "permit"
[safety.matrix]
"model says stop" = ["motor"]
[[safety.sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
[[safety.sources.tags]]
id = "P-101/running"
table = "discrete"
address = 0
[[safety.sources.points]]
name = "permit"
table = "coil"
address = 0
"""


class HastyClock:
    """The real clock, with naps that are `FASTER`."""

    def utc_ns(self) -> int:
        return time.time_ns()

    def now_s(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / FASTER)


class Plant:
    """A folder with the hub's places and the file that is its plant."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "plant.txt"
        self.show(50.0)

    @property
    def socket(self) -> Path:
        return self.folder / "hub.sock"

    def show(self, flow: float) -> None:
        self.file.write_text(f"flow {flow}\n")

    def config(self, more: str = "") -> Config:
        config, problems = check_text(TOML.format(file=self.file) + more)
        assert config is not None, problems
        return config

    @asynccontextmanager
    async def hub(self, more: str = "") -> AsyncIterator[Plant]:
        work = run(
            self.config(more),
            state_dir=self.folder,
            run_dir=self.folder,
            clock=HastyClock(),
        )
        async with alongside(work, name="test.hub"):
            yield self

    @asynccontextmanager
    async def link(
        self, *subscribe: str, process: str = "test"
    ) -> AsyncIterator[LinkClient]:
        async with asyncio.timeout(60):
            while not self.socket.exists():
                await asyncio.sleep(0.01)
        async with connect(self.socket, process=process, subscribe=subscribe) as link:
            yield link


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path)


async def until(
    link: LinkClient, op: str, well: Callable[[Any], bool], **args: object
) -> Any:  # noqa: ANN401 - msgpack
    async with asyncio.timeout(60):
        while True:
            answer = await link.request(op, **args)
            if well(answer):
                return answer
            await asyncio.sleep(0.02)


def stored(count: int) -> Callable[[Mapping[str, Any]], bool]:
    return lambda status: status["counters"]["samples_stored"] >= count


async def test_the_status_obeys_the_law_and_names_sources_and_groups(
    plant: Plant,
) -> None:
    async with plant.hub(), plant.link() as link:
        status = await until(link, "status", stored(3))
    counters = status["counters"]
    kept = ("samples_stored", "samples_rejected", "samples_in_flight")
    assert counters["samples_read"] == sum(counters[each] for each in kept)
    assert status["sources"] == {"plant": "connected", "inference": "lost"}
    assert set(status["confirmed_ns"]) == {"plant.file"}
    assert status["storage"]["healthy"] is True
    assert status["epoch"] == link.hello.epoch
    assert {entry.name for entry in link.hello.tags} >= {FLOW, "P-101/anomaly"}


async def test_the_past_of_a_tag_is_told(plant: Plant) -> None:
    async with plant.hub(), plant.link() as link:
        await until(link, "status", stored(3))
        past = await link.request(
            "history", tag=FLOW, from_ns=0, to_ns=2**62, points=100
        )
        with pytest.raises(LinkRefusedError, match="no tag"):
            await link.request("history", tag="x/y", from_ns=0, to_ns=1, points=9)
        with pytest.raises(LinkRefusedError, match="bad arguments"):
            await link.request("history", tag=FLOW)
    assert past["value"][0] == 50.0
    assert past["quality"][0] == Quality.GOOD
    assert len(past["source_time_ns"]) == len(past["value"])


async def test_an_alarm_is_acknowledged_by_a_person_and_stays_so_after_a_restart(
    plant: Plant,
) -> None:
    alarm = f"{FLOW}:high"
    plant.show(110.0)
    async with plant.hub(), plant.link("events") as link:
        active = [{"id": alarm, "state": "active_unack"}]
        await until(
            link,
            "alarms.list",
            lambda rows: (
                [{k: r[k] for k in ("id", "state")} for r in rows][:1] == active
            ),
        )
        answer = await link.request("alarms.acknowledge", alarm=alarm)
        assert answer["seq"][0] > 0
        with pytest.raises(LinkRefusedError, match="nothing to acknowledge"):
            await link.request("alarms.acknowledge", alarm=alarm)
        with pytest.raises(LinkRefusedError, match="no alarm"):
            await link.request("alarms.acknowledge", alarm="x")
        await link.request("alarms.shelve", alarm=alarm, for_s=60, reason="repair")
    async with plant.hub(), plant.link() as link:
        row = (await link.request("alarms.list"))[0]
        assert (row["state"], row["acknowledged"]) == ("shelved", True)
        assert row["action"] == "close the valve"
        assert row["count"] == 1, "its activation before the restart"
        await link.request("alarms.unshelve", alarm=alarm)
        row = (await link.request("alarms.list"))[0]
        assert row["state"] in {"active_unack", "active_ack"}


async def test_the_outbox_is_read_and_acknowledged(plant: Plant) -> None:
    async with plant.hub(UPLINK), plant.link() as link:
        events = await until(
            link, "outbox.read", lambda a: a["rows"], stream="event", after=0, limit=9
        )
        seq, content = events["rows"][0]
        row = decode_row(Stream.EVENT, content)
        assert isinstance(row, EventRow)
        assert (seq, row.name) == (1, "started")
        done = await link.request(
            "outbox.ack", epoch=events["epoch"], stream="event", through=seq
        )
        assert done == {"delivered": 1}
        with pytest.raises(LinkRefusedError, match="epoch"):
            await link.request("outbox.ack", epoch="x", stream="event", through=1)
        status = await until(
            link, "outbox.status", lambda s: s["summary"]["enqueued"] > 0
        )
        found = status["event"]
        assert found["enqueued"] == found["delivered"] + found["pending"]


async def test_a_model_is_activated_by_an_event_on_record(plant: Plant) -> None:
    async with plant.hub(), plant.link("events") as link:
        await until(link, "status", lambda s: s["sources"]["plant"] == "connected")
        await link.request("model.activate", asset="P-101", version="v2")
        news = await committed(link, "model")
        assert news.name == "activate"
        assert news.details == {"asset": "P-101", "version": "v2"}


async def committed(link: LinkClient, kind: str) -> EventMessage:
    async with asyncio.timeout(60):
        async for news in link.messages():
            match news:
                case EventMessage(pending=False) if news.kind == kind:
                    return news
    raise AssertionError("the link ended")


async def test_the_last_word_of_the_other_processes_is_kept(plant: Plant) -> None:
    async with plant.hub(), plant.link() as link:
        await link.request("process.status", process="sync", status={"mqtt_bytes": 7})
        status = await link.request("status")
        assert status["processes"] == {"sync": {"mqtt_bytes": 7}}
        with pytest.raises(LinkRefusedError, match="none of our processes"):
            await link.request("process.status", process="x", status={})


def derived(link: LinkClient, score: float, *, group: str | None = None) -> Any:  # noqa: ANN401 - a message
    numbers = {entry.name: entry.number for entry in link.hello.tags}
    return message_of(
        batch_of(
            [numbers["P-101/anomaly_score"]],
            [score],
            source_time_ns=time.time_ns(),
            receive_time_ns=5,
            group=derived_group("P-101") if group is None else group,
        )
    )


async def next_batch(link: LinkClient, group: str) -> BatchMessage:
    async with asyncio.timeout(60):
        async for news in link.messages():
            if isinstance(news, BatchMessage) and news.group == group:
                return news
    raise AssertionError("the link ended")


async def test_derived_tags_go_bad_when_inference_leaves(plant: Plant) -> None:
    group = derived_group("P-101")
    async with plant.hub(), plant.link("batches") as window:
        async with plant.link(process="inference") as inference:
            await inference.send_batch(derived(inference, 0.5))
            seen = batch_of_message(await next_batch(window, group))
            assert seen.value.tolist() == [0.5]
            assert seen.receive_time_ns > 5  # by the hub's own clock
            async with plant.link(process="inference") as second:
                with pytest.raises(LinkLostError):
                    await refused(second, derived(second, 9.0))
        gone = batch_of_message(await next_batch(window, group))
        assert set(gone.quality.tolist()) == {Quality.BAD}
        assert len(gone) == len(derived_tags("P-101"))
        status = await window_status(plant)
    assert status["sources"]["inference"] == "lost"


async def window_status(plant: Plant) -> dict[str, Any]:
    async with plant.link() as link:
        status: dict[str, Any] = await link.request("status")
        return status


async def refused(link: LinkClient, message: BatchMessage) -> None:
    """Send, and wait until the hub closes the link."""
    await link.send_batch(message)
    async with asyncio.timeout(60):
        await link.request("status")


@pytest.mark.parametrize("group", ["plant.file", ""])
async def test_a_derived_batch_of_another_group_is_refused(
    plant: Plant, group: str
) -> None:
    async with plant.hub(), plant.link(process="inference") as link:
        with pytest.raises(LinkLostError):
            await refused(link, derived(link, 0.5, group=group))


async def test_a_derived_batch_with_a_measured_tag_is_refused(plant: Plant) -> None:
    async with plant.hub(), plant.link(process="inference") as link:
        numbers = {entry.name: entry.number for entry in link.hello.tags}
        forged = batch_of(
            [numbers[FLOW]], [1.0], source_time_ns=0, receive_time_ns=0,
            group=derived_group("P-101"),
        )  # fmt: skip
        with pytest.raises(LinkLostError):
            await refused(link, message_of(forged))


class FakeSafety:
    """Serves tags, events and demands as safety does."""

    def __init__(self, path: Path) -> None:
        self.demands: list[Mapping[str, Any]] = []
        self.refuse = False
        self.server = LinkServer(
            path, process="safety", role_of=lambda _u, _g: Role.SUPERVISOR
        )
        self.server.set_tags("journal", (TagEntry(1, "safety/trip"), TagEntry(2, FLOW)))
        self.events = [
            EventMessage("trip", "first_out", 5, "stopped", pending=False, seq=1),
            EventMessage("riddle", "what", 6, "not understood", pending=False, seq=2),
        ]
        self.server.operation("events.since", self._since)
        self.server.operation("demand", self._demand)

    async def _since(self, args: Mapping[str, Any], _peer: Peer) -> object:
        return [each for each in self.events if each.seq > args["seq"]]

    async def _demand(self, args: Mapping[str, Any], _peer: Peer) -> None:
        self.demands.append(args)
        if len(self.demands) == 1:
            raise ValueError("the first one is refused")


async def test_safety_is_one_more_source_and_hears_model_demands(
    plant: Plant,
) -> None:
    safety = FakeSafety(plant.folder / "safety.sock")
    async with alongside(safety.server.serve(), name="test.safety"):
        await safety.server.wait_ready()
        async with plant.hub(SAFETY), plant.link("events") as link:
            safety.server.publish_event(
                EventMessage("trip", "trip", 7, "again", pending=True)
            )
            await until(
                link,
                "status",
                lambda s: (
                    keep_talking(safety) and s["sources"]["safety"] == "connected"
                ),
            )
            async with plant.link(process="inference") as inference:
                async with asyncio.timeout(60):
                    while len(safety.demands) < 2:
                        await inference.send_batch(derived(inference, 7.5))
                        await asyncio.sleep(0.05)
    assert safety.demands[1]["row"] == "model says stop"
    assert safety.demands[1]["value"] == 7.5
    with open_reader(plant.folder / "buffer.db") as reader:
        events = reader.events()
        assert reader.columns("safety/trip").value[0] == 1.0  # type: ignore[arg-type] # a tag
    taken = [e for e in events if e.details.get("origin_seq") == 1]
    assert [(e.kind, e.name) for e in taken] == [("trip", "first_out")]


def keep_talking(safety: FakeSafety) -> bool:
    now_ns = time.time_ns()
    batch = batch_of(
        np.array([1, 2]), [1.0, 9.0], source_time_ns=now_ns, receive_time_ns=now_ns
    )
    safety.server.publish_batch(message_of(batch))
    return True


async def test_a_plant_that_goes_away_is_a_gap_that_is_seen(plant: Plant) -> None:
    async with plant.hub(), plant.link() as link:
        await until(link, "status", lambda s: s["sources"]["plant"] == "connected")
        plant.file.unlink()
        await until(link, "status", lambda s: s["sources"]["plant"] == "lost")
        plant.show(51.0)
        await until(link, "status", lambda s: s["sources"]["plant"] == "connected")
    with open_reader(plant.folder / "buffer.db") as reader:
        columns = reader.columns(FLOW)  # type: ignore[arg-type] # a tag
        names = [e.name for e in reader.events() if e.kind == "source"]
    assert Quality.BAD in columns.quality
    assert names == ["connected", "lost", "connected"]


async def test_a_hub_that_was_shut_down_declares_no_gap(plant: Plant) -> None:
    for _ in range(2):
        async with plant.hub(), plant.link() as link:
            await until(link, "status", stored(1))
    with open_reader(plant.folder / "buffer.db") as reader:
        assert reader.gaps() == ()
        assert [e.name for e in reader.events()].count("started") == 2


async def test_systemd_is_told_that_the_hub_lives(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket  # noqa: PLC0415 - this test alone plays systemd

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(plant.folder / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(plant.folder / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        async with plant.hub(), plant.link():
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(60):
                words = [await loop.sock_recv(systemd, 99) for _ in range(3)]
    assert words == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
