"""The whole process on a plant in memory, asked over its real socket."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import selectors
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from appliance.config import Config, ElementSettings, InitiatorSettings, SafetySettings
from appliance.config.model import SiteSettings
from appliance.config.safety import Mode
from appliance.link.client import LinkRefusedError, connect
from appliance.link.roles import Role
from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import SourceSettings, TagSettings
from appliance.safety import announcer as announcer_module
from appliance.safety import process as process_module
from appliance.safety import realtime
from appliance.safety.desk import Desk
from appliance.safety.latch import Report
from appliance.safety.logic import power_up
from appliance.safety.operations import Operations
from appliance.safety.process import run
from appliance.safety.ring import Ring
from appliance.safety.scan import Scan
from appliance.safety.tags import safety_tags
from appliance.safety.turn import Order, matrix_of
from appliance.wire.messages import BatchMessage, EventMessage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from appliance.link.client import LinkClient
    from tests.unit.safety.bench import FakePlant, MakeRow


class FakeSource(SourceSettings):
    tags: tuple[TagSettings, ...] = ()


TAGS = ("P/a", "P/running")


def a_config(
    *rows: InitiatorSettings,
    mode: Mode = Mode.ARMED,
    elements: int = 1,
    **more: Any,  # noqa: ANN401
) -> Config:
    columns = tuple(
        ElementSettings(
            id="motor" if n == 0 else f"valve {n}",
            output="plc",
            point="permit",
            heartbeat="beat" if n == 0 else None,
            feedback="P/running" if n == 0 else None,
        )
        for n in range(elements)
    )
    tags = tuple(TagSettings(id=tag) for tag in TAGS)
    return Config(
        site=SiteSettings(id="s", gateway="g"),
        safety=SafetySettings(mode=mode, scan_period_s=0.01, **more),
        safety_sources=(
            FakeSource(name="plc", connector="fake", tags=tags),
            FakeSource(name="points-only", connector="fake"),
        ),
        initiators=rows,
        elements=columns,
        matrix={row.id: tuple(each.id for each in columns) for row in rows},
    )


@pytest.fixture(autouse=True)
def on_the_fake_plant(monkeypatch: pytest.MonkeyPatch, plant: FakePlant) -> None:
    card = SimpleNamespace(
        reader=lambda _settings, _clock: plant, output=lambda _settings, _clock: plant
    )
    monkeypatch.setattr(process_module, "load_connector", lambda _name: card)
    monkeypatch.setattr(process_module, "settle_heap", lambda: None)


@asynccontextmanager
async def living(config: Config, folder: Path) -> AsyncIterator[LinkClient]:
    """Run the process; give a link that subscribes to nothing."""
    async with asyncio.TaskGroup() as tasks:
        work = run(config, state_dir=folder, run_dir=folder, clock=SystemClock())
        process = tasks.create_task(work, name="safety")
        try:
            async with asyncio.timeout(60):
                while not (folder / "safety.sock").exists():
                    await asyncio.sleep(0)
                async with connect(folder / "safety.sock", process="test") as link:
                    yield link
        finally:
            process.cancel()


async def until(link: LinkClient, wanted: Callable[[dict[str, Any]], bool]) -> Any:  # noqa: ANN401
    while True:
        status = await link.request("status")
        if wanted(status):
            return status


async def make_ready(link: LinkClient) -> None:
    await until(link, lambda s: s["elements"][0]["stop"] == "confirmed")
    while (await link.request("status"))["tripped"]:
        try:
            assert (await link.request("reset"))["committed"]
        except LinkRefusedError as error:
            assert "is late" in str(error) or "is bad" in str(error)  # noqa: PT017


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


async def taken(
    hub: LinkClient, name: str, *, count: int
) -> AsyncIterator[EventMessage]:
    async for news in hub.messages():
        if isinstance(news, EventMessage) and news.name == name:
            yield news
            count -= 1
            if count == 0:
                return


async def test_its_tags_are_published(tmp_path: Path, row: MakeRow) -> None:
    config = a_config(row(), row(id="high/2"), row(id="high+2"), row(id=" "))
    names = [tag.id for tag in safety_tags(config)]
    assert len(set(names)) == len(names) == 5 + 3 * 4
    assert "safety/high_2/margin" in names
    assert "safety/high_2_/margin" in names
    assert "safety/_/demand" in names
    async with living(config, tmp_path):
        async with connect(
            tmp_path / "safety.sock", process="hub", subscribe=("batches",)
        ) as hub:
            assert [entry.name for entry in hub.hello.tags] == names
            async for news in hub.messages():
                assert isinstance(news, BatchMessage)
                assert len(news.tag) == 4 * len(names)
                assert news.group == "safety"
                break


async def test_a_very_long_name_still_makes_a_tag(row: MakeRow) -> None:
    names = [tag.id for tag in safety_tags(a_config(row(id="ü" * 64)))]
    assert max(len(name.encode()) for name in names) <= 128


async def test_observe_never_writes_anything(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row(), mode=Mode.OBSERVE), tmp_path) as link:
        await until(link, lambda s: s["scan"]["scans"] > 5)
        await until(link, lambda s: s["initiators"][0]["state"] == "clear")
        await link.request("reset")
        answer = await link.request("stop", reason="try")
        assert answer["note"] == "mode is observe: nothing is written"
        scans = (await link.request("status"))["scan"]["scans"]
        await until(link, lambda s: s["scan"]["scans"] > scans + 3)
    assert plant.writes == []


@pytest.mark.requirement("A16")
async def test_arming_says_the_honest_claim_and_the_matrix(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row(), mode=Mode.OBSERVE), tmp_path) as link:
        answer = await link.request("mode", mode="armed")
        assert "not a safety instrumented system" in answer["claim"]
        assert answer["matrix"][0]["elements"] == ["motor"]
        await make_ready(link)
        answer = await link.request("mode", mode="observe")
        assert "watchdog stops the machine" in answer["claim"]
        with pytest.raises(LinkRefusedError, match="observe or armed"):
            await link.request("mode", mode="off")
        await until(link, lambda s: s["mode"] == "observe")
        beats = len(plant.writes)
        scans = (await link.request("status"))["scan"]["scans"]
        await until(link, lambda s: s["scan"]["scans"] > scans + 3)
        assert len(plant.writes) == beats


@pytest.mark.requirement("A15")
async def test_an_empty_matrix_cannot_be_armed(tmp_path: Path) -> None:
    config = a_config(mode=Mode.OBSERVE, elements=0)
    async with living(config, tmp_path) as link:
        with pytest.raises(LinkRefusedError, match="nothing to arm"):
            await link.request("mode", mode="armed")
        status = await link.request("status")
        assert not status["tripped"]
        assert status["first_out"] == ""
        with pytest.raises(LinkRefusedError, match="no such element"):
            await link.request("reset")


async def test_a_reset_is_refused_with_its_reasons(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    async with living(a_config(row(), elements=2), tmp_path) as link:
        await make_ready(link)
        with pytest.raises(LinkRefusedError, match="nothing is tripped"):
            await link.request("reset")
        plant.values["P/a"] = 9.0
        await until(link, lambda s: s["elements"][0]["stop"] == "confirmed")
        with pytest.raises(LinkRefusedError, match="the demand of high lasts"):
            await link.request("reset", elements=["motor"])
        with pytest.raises(LinkRefusedError, match="no such element; known: motor"):
            await link.request("reset", elements=["pump"])


@pytest.mark.requirement("A10")
async def test_a_bypass_has_its_rules(tmp_path: Path, row: MakeRow) -> None:
    async with living(a_config(row()), tmp_path) as link:
        for args, problem in (
            ({"initiator": "x", "reason": "r"}, "no initiator 'x'"),
            ({"initiator": "high"}, "needs a reason"),
            ({"initiator": "high", "reason": "r", "channel": "P/b"}, "no channel"),
            ({"initiator": "high", "reason": "r", "length_s": 0}, "at most"),
            ({"initiator": "high", "reason": "r", "length_s": 9e9}, "at most"),
        ):
            with pytest.raises(LinkRefusedError, match=problem):
                await link.request("bypass", **args)
        with pytest.raises(LinkRefusedError, match="is not bypassed"):
            await link.request("unbypass", initiator="high")
        answer = await link.request("bypass", initiator="high", reason="broken \n wire")
        assert answer["length_s"] == 8 * 3600
        status = await link.request("status")
        assert status["initiators"][0]["state"] == "bypassed"
        assert status["initiators"][0]["bypass"]["reason"] == "broken wire"
        with pytest.raises(LinkRefusedError, match="its one bypass already"):
            await link.request("bypass", initiator="high", reason="again")
        assert (await link.request("unbypass", initiator="high"))["committed"]


@pytest.mark.requirement("A10")
async def test_a_long_bypass_takes_a_supervisor(
    tmp_path: Path,
    row: MakeRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        process_module, "role_resolver", lambda _: lambda _uid, _gid: Role.MAINTAINER
    )
    async with living(a_config(row()), tmp_path) as link:
        with pytest.raises(LinkRefusedError, match="takes a supervisor"):
            await link.request(
                "bypass", initiator="high", reason="r", length_s=9 * 3600
            )
        with pytest.raises(LinkRefusedError, match="mode needs the role supervisor"):
            await link.request("mode", mode="observe")


async def test_a_viewer_may_stop_and_nothing_else(
    tmp_path: Path,
    row: MakeRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        process_module, "role_resolver", lambda _: lambda _uid, _gid: Role.VIEWER
    )
    async with living(a_config(row()), tmp_path) as link:
        assert (await link.request("stop"))["accepted"]
        for op in ("reset", "bypass", "unbypass", "mode", "demand"):
            with pytest.raises(LinkRefusedError, match="needs the role"):
                await link.request(op)


@pytest.mark.requirement("A16")
async def test_a_model_may_only_demand_through_its_row(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    model = row(
        id="model", source="model", channels=(), setpoint=0.5,
        max_age_s=2.0, comms_loss_delay_s=0.0,
    )  # fmt: skip
    async with living(a_config(row(), model), tmp_path) as link:
        await make_ready(link)
        word = {"row": "model", "source_time_ns": 1, "value": 0.0}
        assert (await link.request("demand", **word))["accepted"]
        assert not (await link.request("demand", **word))["accepted"]
        with pytest.raises(LinkRefusedError, match="not a model's row"):
            await link.request("demand", **{**word, "row": "high"})
        nan = {**word, "source_time_ns": 2, "value": float("nan")}
        assert (await link.request("demand", **nan))["accepted"]
        scans = (await link.request("status"))["scan"]["scans"]
        await until(link, lambda s: s["scan"]["scans"] > scans + 2)
        assert plant.points["permit"] == 1.0
        await link.request("demand", row="model", source_time_ns=3, value=1.0)
        status = await until(link, lambda s: s["tripped"])
        assert status["first_out"] == "model"


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


async def test_states_of_a_row_in_words(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    slow = row(on_delay_s=60.0, max_age_s=0.01, comms_loss_delay_s=2.0)
    async with living(a_config(slow), tmp_path) as link:
        plant.values["P/a"] = 9.0
        await until(link, lambda s: s["initiators"][0]["state"] == "on-delay")
        plant.values["P/a"] = 1.0
        await until(link, lambda s: s["initiators"][0]["state"] == "clear")
        plant.values["P/a"] = "late"
        status = await until(link, lambda s: s["initiators"][0]["state"] == "late")
        assert status["initiators"][0]["channels"][0]["trust"] == "late"


async def test_a_bad_channel_that_the_vote_bears_is_said(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    plant.values["P/b"] = 1.0
    pair = row(channels=("P/a", "P/b"), vote="1oo2", bad_is="exclude")
    async with living(a_config(pair), tmp_path) as link:
        await make_ready(link)
        plant.values["P/b"] = "bad"
        status = await until(link, lambda s: s["initiators"][0]["state"] == "bad")
        assert status["initiators"][0]["acting_vote"] == "1oo1"
        assert not status["tripped"]


@pytest.mark.requirement("A11")
async def test_a_stop_that_is_not_confirmed_is_pending_then_failed(
    tmp_path: Path,
    plant: FakePlant,
    row: MakeRow,
) -> None:
    config = a_config(row())
    short = config.elements[0].model_copy(update={"confirm_within_s": 0.3})
    plant.refuse = True
    async with living(
        Config(**{**_fields(config), "elements": (short,)}), tmp_path
    ) as link:
        status = await link.request("status")
        assert status["elements"][0]["stop"] == "pending"
        status = await until(link, lambda s: s["elements"][0]["stop"] == "failed")
        assert status["elements"][0]["heartbeat"] is False


def _fields(config: Config) -> dict[str, Any]:
    return {name: getattr(config, name) for name in Config.__dataclass_fields__}


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


async def test_systemd_is_told_of_complete_scans(
    tmp_path: Path,
    row: MakeRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        heard: list[bytes] = []
        async with living(a_config(row()), tmp_path):
            loop = asyncio.get_running_loop()
            while len(heard) < 3:
                heard.append(await loop.sock_recv(systemd, 100))
    assert heard == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


async def test_tags_are_told_again_after_a_while(
    tmp_path: Path,
    row: MakeRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcer_module, "AT_LEAST_EVERY_S", 0.02)
    async with living(a_config(row()), tmp_path):
        async with connect(
            tmp_path / "safety.sock", process="hub", subscribe=("batches",)
        ) as hub:
            count = 0
            async for _ in hub.messages():
                count += 1
                if count == 5:
                    break


# ------------------------------------------------------------------ the machine


def test_real_time_is_asked_for_only_when_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[int, int]] = []

    def schedule(_pid: int, policy: int, param: os.sched_param) -> None:
        asked.append((policy, param.sched_priority))
        if len(asked) > 1:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.sched_setscheduler", schedule)
    assert "not asked for" in realtime.ask_for_realtime(0)
    assert realtime.ask_for_realtime(40) == ""
    assert "not permitted" in realtime.ask_for_realtime(40)
    assert asked[0] == (os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 40)


def test_threads_follow_the_scan_just_below_its_priority(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def schedule(_pid: int, _policy: int, given: os.sched_param) -> None:
        asked.append(given.sched_priority)
        if len(asked) == 3:
            raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", schedule)
    for priority in (0, 40, 1, 40):
        realtime.follow(priority)
    assert asked == [39, 1, 39]


def test_its_loop_wakes_to_the_microsecond() -> None:
    loop = realtime.new_loop()
    try:
        began_s = loop.time()
        loop.run_until_complete(asyncio.sleep(0.0103))
        assert loop.time() - began_s >= 0.0103
        assert isinstance(vars(loop)["_selector"], selectors.SelectSelector)
    finally:
        loop.close()


def test_a_cpu_that_can_be_had_is_kept() -> None:
    before = os.sched_getaffinity(0)
    try:
        assert realtime.pin_to(()) == ""
        assert realtime.pin_to((min(before),)) == ""
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)


def test_a_settled_heap_is_not_searched_again() -> None:
    try:
        realtime.settle_heap()
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


@pytest.mark.requirement("A1")
@pytest.mark.requirement("A16")
def test_safety_imports_nothing_heavy() -> None:
    modules = (
        "appliance.safety.process",
        "connectors.modbus.reader",
        "connectors.modbus.output",
    )
    code = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    banned = {"numpy", "onnxruntime", "aiosqlite", "textual", "models"}
    assert not loaded & banned


@pytest.mark.requirement("A1")
def test_the_pure_modules_import_nothing_that_could_wait_or_choose() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "import appliance.safety.logic\n"
        "print(' '.join(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert not {"asyncio", "time", "random", "pydantic"} & set(done.stdout.split())


@pytest.mark.requirement("A16")
def test_every_operation_is_registered_with_a_role() -> None:
    class Recorder:
        def __init__(self) -> None:
            self.roles: dict[str, Role] = {}

            self.processes: dict[str, tuple[str, ...]] = {}

        def operation(
            self,
            op: str,
            run: Any,  # noqa: ANN401
            *,
            role: Role = Role.VIEWER,
            processes: tuple[str, ...] = (),
        ) -> None:
            assert callable(run)
            self.roles[op] = role
            if processes:
                self.processes[op] = processes

    recorder = Recorder()
    operations = object.__new__(Operations)
    operations.offer(recorder)  # type: ignore[arg-type]  # only `operation` is called
    assert recorder.roles == {
        "status": Role.VIEWER,
        "events.since": Role.VIEWER,
        "stop": Role.VIEWER,
        "reset": Role.OPERATOR,
        "demand": Role.OPERATOR,
        "bypass": Role.MAINTAINER,
        "unbypass": Role.MAINTAINER,
        "maintenance.begin": Role.MAINTAINER,
        "maintenance.end": Role.MAINTAINER,
        "mode": Role.SUPERVISOR,
    }
    assert recorder.processes == {"demand": ("hub",)}


@pytest.mark.requirement("A11")
async def test_a_stop_is_ordered_before_another_element_is_to_beat(
    row: MakeRow,
) -> None:
    config = a_config(row(), elements=3)
    names = [each.id for each in config.elements]
    points = dict(zip(names, (False, True, True), strict=True))
    asked: list[str] = []
    writers: dict[str, Any] = {
        name: SimpleNamespace(
            report=Report(point=point),
            order=lambda _order, name=name: asked.append(name),
        )
        for name, point in points.items()
    }
    matrix = matrix_of(config)
    scan = Scan(
        matrix,
        power_up(matrix, {}, armed=True),
        period_s=1.0,
        intakes=(),
        writers=writers,
        desk=Desk(),
        clock=SystemClock(),
    )
    stopped, stopping, running = names
    scan._write(
        {
            stopped: Order(may_run=False, beat=True),
            running: Order(may_run=True, beat=True),
            stopping: Order(may_run=False, beat=True),
        }
    )
    assert asked == [stopping, stopped, running]
