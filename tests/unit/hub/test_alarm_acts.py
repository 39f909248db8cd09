"""What people ask of the alarms, over the link of a whole hub."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from appliance.config import check_text
from appliance.domain.event import EventKind
from appliance.hub.anchor import PERIOD_S, anchor_daily
from appliance.hub.process import run
from appliance.link.client import LinkRefusedError, connect
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import alongside
from appliance.storage.reader import open_reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from appliance.domain.event import Event
    from appliance.link.client import LinkClient

FLOW = "P-101/flow:high"
LEVEL = "P-101/level:high"
TOML = """
config_version = 1
[site]
id = "s"
gateway = "g"
[[assets]]
id = "P-101"
[[sources]]
name = "plant"
connector = "example"
file = "{file}"
period_s = 0.2
[[sources.tags]]
id = "P-101/flow"
key = "flow"
[[sources.tags]]
id = "P-101/level"
key = "level"
[[alarms]]
tag = "P-101/flow"
rule = "high"
setpoint = 100.0
priority = "high"
shelve_max_s = 60.0
action = "close the valve"
[[alarms]]
tag = "P-101/level"
rule = "high"
setpoint = 1.0
parent = "P-101/flow:high"
[storage]
commit_period_s = 0.2
"""


class HastyClock(SystemClock):
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / 20)


@asynccontextmanager
async def hub(folder: Path) -> AsyncIterator[LinkClient]:
    file = folder / "plant.txt"
    file.write_text("flow 110.0\nlevel 2.0\n")
    config, problems = check_text(TOML.format(file=file))
    assert config is not None, problems
    work = run(config, state_dir=folder, run_dir=folder, clock=HastyClock())
    socket = folder / "hub.sock"
    async with alongside(work, name="test.hub"):
        async with asyncio.timeout(30):
            while not socket.exists():
                await asyncio.sleep(0.01)
        async with connect(socket, process="test") as link:
            yield link


async def until(
    link: LinkClient, op: str, well: Callable[[Any], bool], **args: object
) -> Any:  # noqa: ANN401 - msgpack
    async with asyncio.timeout(30):
        while not well(answer := await link.request(op, **args)):
            await asyncio.sleep(0.02)
    return answer


async def test_a_life_of_an_alarm_as_people_see_it(tmp_path: Path) -> None:
    async with hub(tmp_path) as link:
        rows = await until(link, "alarms.list", lambda r: len(r) == 2, standing=True)
        flow, level = rows
        assert (flow["id"], flow["announced"]) == (FLOW, True)
        assert (level["inhibited_by"], level["group"]) == (FLOW, FLOW)
        await link.request("alarms.acknowledge", alarm=FLOW, reason="on my way")
        with pytest.raises(LinkRefusedError, match="nothing to acknowledge"):
            await link.request("alarms.acknowledge", alarm=FLOW)
        with pytest.raises(LinkRefusedError, match="at most 60 s"):
            await link.request("alarms.shelve", alarm=FLOW, for_s=61)
        await link.request("alarms.shelve", alarm=FLOW, for_s=60, reason="repair")
        (row,) = await link.request("alarms.list", tag="P-101/flow")
        assert (row["state"], row["shelve_reason"]) == ("shelved", "repair")
        assert row["acknowledged_by"] == row["shelved_by"] != ""
        assert (await link.request("alarms.overview"))["shelved"] == 1
        await link.request("alarms.unshelve", alarm=FLOW)
        with pytest.raises(LinkRefusedError, match="needs a reason"):
            await link.request("alarms.out_of_service", alarm=FLOW, reason=" ")
        await link.request("alarms.out_of_service", alarm=FLOW, reason="new meter")
        await link.request("alarms.in_service", alarm=FLOW)
        with pytest.raises(LinkRefusedError, match="not latched"):
            await link.request("alarms.reset", alarm=FLOW)


async def test_a_verdict_is_on_record_for_the_fleet(tmp_path: Path) -> None:
    async with hub(tmp_path) as link:
        await until(link, "alarms.list", lambda r: len(r) == 2, standing=True)
        words = {"verdict": "false", "note": "steam"}
        await link.request("alarms.verdict", alarm=FLOW, **words)
        await link.request("alarms.verdict", alarm="P-101", verdict="true")
        with pytest.raises(LinkRefusedError, match="one of true, false, unknown"):
            await link.request("alarms.verdict", alarm=FLOW, verdict="perhaps")
        with pytest.raises(LinkRefusedError, match="no alarm"):
            await link.request("alarms.verdict", alarm="Q", verdict="true")
        (row,) = await link.request("alarms.list", tag="P-101/flow")
        assert (row["verdict"], row["verdict_note"]) == ("false", "steam")
    with open_reader(tmp_path / "buffer.db") as reader:
        of_alarm, of_asset = reader.verdicts()
    assert (of_alarm.subject, of_alarm.since_ns) == (FLOW, row["since_ns"])
    assert (of_asset.subject, of_asset.asset, of_asset.verdict) == ("", "P-101", "true")


async def test_figures_are_equal_live_and_from_the_journal(tmp_path: Path) -> None:
    async with hub(tmp_path) as link:
        await until(link, "alarms.kpi", lambda found: found["AlarmCount"] == 1)
        await link.request("alarms.acknowledge", alarm=FLOW)
        live = await link.request("alarms.kpi")
        since_ns = live_start_ns(tmp_path)
        journal = await link.request("alarms.kpi", from_ns=since_ns)
        # What lasts goes on lasting between the two questions; the rest is equal.
        moving = {
            "StartTime", "EndTime", "MaximumActiveState", "MaximumUnAck",
            "AverageAlarmRate", "alarms_per_day",
        }  # fmt: skip
        assert {k: v for k, v in journal.items() if k not in moving} == {
            k: v for k, v in live.items() if k not in moving
        }
        assert journal["standing"] == 2
        empty = await link.request("alarms.kpi", from_ns=1, to_ns=2)
        assert empty["AlarmCount"] == 0


def live_start_ns(folder: Path) -> int:
    with open_reader(folder / "buffer.db") as reader:
        return reader.recent_events(500)[-1][1].time_ns


async def test_events_are_paged_from_the_newest(tmp_path: Path) -> None:
    async with hub(tmp_path) as link:
        await until(link, "alarms.list", lambda r: len(r) == 2, standing=True)

        def both(answer: dict[str, Any]) -> bool:
            return len(answer["events"]) == 2

        found = await until(link, "events.recent", both, kinds=["alarm"])
        newest, oldest = found["events"]
        assert newest["seq"] > oldest["seq"]
        assert (oldest["kind"], oldest["name"]) == ("alarm", "active")
        page = await link.request(
            "events.recent", kinds=["alarm"], limit=1, before_seq=newest["seq"]
        )
        assert page["events"] == [oldest]
        of_one = await link.request("events.recent", alarm=LEVEL)
        assert [each["details"]["id"] for each in of_one["events"]] == [LEVEL]
        assert (await link.request("events.recent", alarm="P-101"))["events"] == []


async def test_the_chain_goes_on_over_a_restart_and_is_anchored_by_it(
    tmp_path: Path,
) -> None:
    for _ in range(2):
        async with hub(tmp_path) as link:
            await until(link, "alarms.list", lambda r: len(r) == 2, standing=True)
    with open_reader(tmp_path / "buffer.db") as reader:
        found = reader.verify_journal()
        system = reader.events_of_kind(EventKind.SYSTEM)
        starts = [event for event in system if event.name == "started"]
    assert (found.problem, found.beginnings, found.before) == ("", (1,), 0)
    assert "journal_hash" not in starts[0].details
    assert len(str(starts[1].details["journal_hash"])) == 64


async def test_the_head_of_the_chain_is_told_once_a_day(tmp_path: Path) -> None:
    async with hub(tmp_path) as link:
        await until(link, "alarms.list", lambda r: len(r) == 2, standing=True)
    told: list[Event] = []
    clock = DayClock()
    with pytest.raises(asyncio.CancelledError):
        await anchor_daily(tmp_path / "buffer.db", told.append, clock=clock)
    assert clock.slept_s == [PERIOD_S, PERIOD_S]
    assert [event.name for event in told] == ["journal_anchored"]


async def test_a_buffer_that_cannot_be_read_is_anchored_another_day(
    tmp_path: Path,
) -> None:
    told: list[Event] = []
    with pytest.raises(asyncio.CancelledError):
        await anchor_daily(tmp_path / "none.db", told.append, clock=DayClock())
    assert told == []


class DayClock(SystemClock):
    """Two naps, then somebody cancels."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        if len(self.slept_s) > 1:
            raise asyncio.CancelledError
