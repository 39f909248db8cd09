"""The whole process on a plant in memory: its lives, its trips, its scans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from appliance.link.client import connect
from appliance.safety.ring import Ring
from tests.unit.safety.living import a_config, living, make_ready, taken, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.safety.bench import FakePlant, MakeRow


pytestmark = pytest.mark.usefixtures("on_the_plant")


@pytest.mark.requirement("A4")
async def test_it_comes_up_tripped_resets_and_runs(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row()), tmp_path) as link:
        status = await link.request("status")
        assert status["tripped"]
        assert status["first_out"] == "power-up"
        assert status["mode"] == "armed"
        await make_ready(link)
        status = await until(link, lambda _: plant.points["permit"] == 1.0)
        beats = plant.points["beat"]
        status = await until(link, lambda s: s["heartbeat"] > beats)
        assert status["initiators"][0]["state"] == "clear"
        assert status["initiators"][0]["margin"] == pytest.approx(6.0)
        assert status["elements"][0]["stop"] == ""
    assert plant.opened == 0


@pytest.mark.requirement("A9")
@pytest.mark.requirement("A15")
async def test_a_demand_stops_the_machine_and_is_told_pending_then_committed(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row()), tmp_path) as link:
        await make_ready(link)
        wanted = ("batches", "events")
        async with connect(
            tmp_path / "safety.sock", process="hub", subscribe=wanted
        ) as hub:
            await hub.request("status")
            plant.values["P/a"] = 9.0
            told = [
                (news.pending, news.seq > 0)
                async for news in taken(hub, "first_out", count=2)
            ]
            assert told == [(True, False), (False, True)]
        assert plant.points["permit"] == 0.0
        status = await until(link, lambda s: s["elements"][0]["stop"] == "confirmed")
        assert status["first_out"] == "high"
        assert status["initiators"][0]["state"] == "demand"
        await until(link, lambda s: s["journal"]["waiting"] == 0)
        events = await link.request("events.since", seq=0)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert "first_out" in {event["name"] for event in events}


@pytest.mark.requirement("A4")
@pytest.mark.requirement("A9")
async def test_first_out_and_epoch_survive_the_process(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row()), tmp_path) as link:
        await make_ready(link)
        plant.values["P/a"] = 9.0
        await until(link, lambda s: s["tripped"])
        epoch = link.hello.epoch
    plant.values["P/a"] = 1.0
    async with living(a_config(row()), tmp_path) as link:
        status = await link.request("status")
        assert (status["tripped"], status["first_out"]) == (True, "high")
        assert link.hello.epoch == epoch
        await until(link, lambda s: s["journal"]["waiting"] == 0)
        events = await link.request("events.since", seq=0)
        assert "restored" in {event["name"] for event in events}
        await make_ready(link)
    async with living(a_config(row()), tmp_path) as link:
        assert (await link.request("status"))["first_out"] == "power-up"


async def test_a_full_disk_hides_no_trip(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(_: Path) -> Ring:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ring, "open", full)
    monkeypatch.setattr("appliance.safety.operations.COMMIT_WITHIN_S", 0.0)
    async with living(a_config(row()), tmp_path) as link:
        await until(link, lambda s: s["elements"][0]["stop"] == "confirmed")
        answer = await link.request("reset")
        assert not answer["committed"]
        assert "No space" in answer["trouble"]
        await until(link, lambda s: not s["tripped"])
        plant.values["P/a"] = 9.0
        status = await until(link, lambda s: s["tripped"])
        assert status["first_out"] == "high"
        assert plant.points["permit"] == 0.0


@pytest.mark.requirement("A11")
async def test_a_stop_that_is_not_confirmed_is_pending_then_failed(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    config = a_config(row())
    short = config.elements[0].model_copy(update={"confirm_within_s": 0.3})
    plant.refuse = True
    async with living(replace(config, elements=(short,)), tmp_path) as link:
        status = await link.request("status")
        assert status["elements"][0]["stop"] == "pending"
        status = await until(link, lambda s: s["elements"][0]["stop"] == "failed")
        assert status["elements"][0]["heartbeat"] is False


async def test_a_scan_that_comes_late_is_counted(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row()), tmp_path) as link:
        await until(link, lambda s: s["scan"]["scans"] > 2)
        plant.reading.clear()  # the read goes on beyond its scan
        scans = (await link.request("status"))["scan"]["scans"]
        await until(link, lambda s: s["scan"]["scans"] > scans + 2)
        plant.reading.set()
        await make_ready(link)
