"""How the process is put together, and what it says when it begins."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from appliance.config import MaintenanceSettings
from appliance.config.safety import Mode
from appliance.link.server import LinkServer
from appliance.safety import process as process_module
from appliance.safety.claim import CLAIM
from appliance.safety.ring import Ring
from tests.unit.safety.living import a_config, living, until

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.runtime.plugins import SourceSettings
    from tests.unit.safety.bench import FakeClock, FakePlant, MakeRow


pytestmark = pytest.mark.usefixtures("on_the_plant")


@pytest.mark.requirement("A16")
@pytest.mark.parametrize("mode", list(Mode))
async def test_the_mode_is_said_and_when_armed_the_claim_and_the_matrix(
    tmp_path: Path, row: MakeRow, caplog: pytest.LogCaptureFixture, mode: Mode
) -> None:
    caplog.set_level("INFO", "appliance.safety.process")
    async with living(a_config(row(), mode=mode), tmp_path) as link:
        await link.request("status")
    said = [
        each.getMessage()
        for each in caplog.records
        if each.name == "appliance.safety.process"
    ]
    why = "real-time scheduling is not asked for (safety.realtime_priority = 0)"
    assert said[0] == f"mode is {mode}; {why}"
    armed = [CLAIM, "high (1oo1) stops motor"]
    assert said[1:] == (armed if mode is Mode.ARMED else [])


async def test_real_time_scheduling_that_is_granted_is_said(
    tmp_path: Path,
    row: MakeRow,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("INFO", "appliance.safety.process")
    monkeypatch.setattr(process_module, "ask_for_realtime", lambda _priority: "")
    settled: list[str] = []
    monkeypatch.setattr(process_module, "settle_heap", lambda: settled.append("yes"))
    async with living(a_config(row()), tmp_path) as link:
        await link.request("status")
        name = await asyncio.to_thread(lambda: threading.current_thread().name)
    assert "mode is armed; SCHED_FIFO" in caplog.text
    assert name.startswith("safety")
    assert settled == ["yes"]


async def test_a_journal_that_fails_at_the_start_is_told_as_an_event(
    tmp_path: Path, row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[list[str]] = []
    for full in (False, True):
        with monkeypatch.context() as patch:
            if full:
                refused = OSError(28, "No space left on device")
                patch.setattr(Ring, "open", Mock(side_effect=refused))
            folder = tmp_path / str(full)
            folder.mkdir()
            async with living(a_config(row()), folder) as link:
                patch.undo()
                await until(link, lambda s: not s["journal"]["waiting"])
                events = await link.request("events.since", seq=0)
                names.append([each["name"] for each in events])
    assert [each.count("journal_failed") for each in names] == [0, 1]
    assert [each.count("first_out") for each in names] == [1, 1]


async def test_it_scans_only_when_people_can_reach_it(
    tmp_path: Path, plant: FakePlant, row: MakeRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    ready = LinkServer.wait_ready

    async def gated(server: LinkServer) -> None:
        await gate.wait()
        await ready(server)

    monkeypatch.setattr(LinkServer, "wait_ready", gated)
    async with living(a_config(row()), tmp_path) as link:
        for _ in range(5):
            assert (await link.request("status"))["scan"]["scans"] == 0
        gate.set()
        await until(link, lambda s: s["scan"]["scans"] > 1)
        assert plant.opened == 2, "to be read, and to be written"
    assert plant.opened == 0


def test_a_source_of_points_alone_is_never_read(
    row: MakeRow, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reader(source: SourceSettings, _clock: FakeClock) -> SimpleNamespace:
        read.append(source.name)
        return SimpleNamespace(name=source.name)

    card = SimpleNamespace(reader=reader)
    monkeypatch.setattr(process_module, "load_connector", lambda _name: card)
    (intake,) = process_module._intakes(a_config(row()), clock)
    assert (intake.name, read) == ("plc", ["plc"])


def test_only_what_is_written_is_opened_as_an_output(
    row: MakeRow, clock: FakeClock
) -> None:
    plain = a_config(row())
    assert set(process_module._outputs(plain, clock)) == {"plc"}
    rules = MaintenanceSettings(output="points-only", request="ask", granted="P/ok")
    asking = a_config(row(), maintenance=rules)
    assert set(process_module._outputs(asking, clock)) == {"plc", "points-only"}


@pytest.mark.parametrize(
    ("ages_s", "deadline_s"), [((1.5,), 1.0), ((0.5, 0.25), 0.25), ((), 1.0)]
)
def test_a_read_may_take_as_long_as_its_most_impatient_row_bears(
    row: MakeRow, ages_s: tuple[float, ...], deadline_s: float
) -> None:
    rows = [row(id=f"row {n}", max_age_s=age_s) for n, age_s in enumerate(ages_s)]
    other = row(id="other", channels=("Q/b",), max_age_s=0.125)
    config = a_config(*rows, other)
    assert process_module._deadline_s(config, config.safety_sources[0]) == deadline_s


def test_four_threads_do_what_may_block() -> None:
    threads = process_module._threads(0)
    assert threads._max_workers == 4
    threads.shutdown()


@pytest.mark.requirement("A12")
@pytest.mark.parametrize(
    ("period_s", "told"),
    [
        (1.0, ["READY=1", "", "WATCHDOG=1", "", "WATCHDOG=1", "WATCHDOG=1"]),
        (None, ["READY=1", "", "", "", "", ""]),
    ],
)
def test_systemd_is_told_twice_in_its_period(
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    period_s: float | None,
    told: list[str],
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(process_module, "watchdog_period_s", lambda: period_s)
    monkeypatch.setattr(process_module, "notify", heard.append)
    pulse = process_module._Pulse(clock)
    clock.time_s = 0.0
    for passes_s, expected in zip(
        (0, 0.375, 0.125, 0.375, 0.125, 9), told, strict=True
    ):
        clock.time_s += passes_s
        heard.clear()
        pulse.prove()
        assert "".join(heard) == expected


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
