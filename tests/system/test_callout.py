"""Nobody watches a terminal all night: hub and sync call people, on a real plant."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from appliance.cli import main
from appliance.config import check_text
from appliance.hub import process as hub
from appliance.link.client import LinkLostError, connect
from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import load_connector
from appliance.runtime.tasks import alongside
from appliance.sync import process as sync
from tests.support.hook_sink import HookSink
from tests.support.smtp_sink import SmtpSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from appliance.config import Config
    from appliance.link.client import LinkClient

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

WITHIN_S = 60.0
DEAD = "source callout:dead"
SPEED, HOURS = "P-101/motor/speed:high", "P-101/hours_run:high"
CONFIG = """
config_version = 1
[site]
id = "plant-7"
gateway = "gw-1"
[[sources]]
name = "plc"
connector = "modbus"
host = "127.0.0.1"
port = {plant}
period_s = 0.1
[[sources.tags]]
id = "P-101/motor/speed"
table = "input"
address = 0
factor = 0.1
engineering_units = "rpm"
[[sources.tags]]
id = "P-101/hours_run"
table = "input"
address = 10
type = "float32"
engineering_units = "h"
[[sources.tags]]
id = "P-101/lamp"
table = "coil"
address = 6
[[sources.points]]
name = "lamp"
table = "coil"
address = 6
[[alarms]]
tag = "P-101/motor/speed"
rule = "high"
setpoint = -1.0
priority = "critical"
action = "Close the suction valve"
[[alarms]]
tag = "P-101/hours_run"
rule = "high"
setpoint = -1.0
priority = "high"
[callout]
gather_s = 0
[[callout.mail]]
name = "shift"
host = "127.0.0.1"
port = {mail}
security = "none"
sender = "gw@plant.example"
recipients = ["shift@plant.example"]
resolved = true
[[callout.mail]]
name = "dead"
host = "127.0.0.1"
port = 1
security = "none"
sender = "gw@plant.example"
recipients = ["boss@plant.example"]
[[callout.webhook]]
name = "pager"
url = "http://127.0.0.1:{hook}/page"
[[callout.relay]]
name = "lamp"
source = "plc"
point = "lamp"
[[callout.steps]]
targets = ["shift", "lamp"]
[[callout.steps]]
targets = ["dead"]
after_s = 1.0
priorities = ["critical"]
[[callout.steps]]
targets = ["pager"]
after_s = 86400
"""


@pytest_asyncio.fixture
async def plant() -> AsyncIterator[int]:
    """Run the plant; yield its Modbus port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sim_plant", "healthy", "--disarmed"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(WITHIN_S):
            ready = json.loads(await process.stdout.readline())
        yield int(ready["modbus_port"])
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()


@asynccontextmanager
async def running(config: Config, folder: Path) -> AsyncIterator[LinkClient]:
    """Run hub and sync in this process; yield a link to the hub that answers."""
    clock = SystemClock()
    places = {"run_dir": folder, "clock": clock}
    work = hub.run(config, state_dir=folder, **places)  # type: ignore[arg-type] # as named
    more = sync.run(config, state_dir=folder, **places)  # type: ignore[arg-type] # as named
    async with alongside(work, name="hub"), alongside(more, name="sync"):
        async with asyncio.timeout(WITHIN_S):
            while not (folder / "hub.sock").exists():
                await asyncio.sleep(0.02)
        async with linked(folder) as link:
            yield link


@asynccontextmanager
async def linked(folder: Path) -> AsyncIterator[LinkClient]:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                context = connect(folder / "hub.sock", process="test")
                link = await context.__aenter__()
                break
            except LinkLostError:
                await asyncio.sleep(0.02)
    try:
        yield link
    finally:
        await context.__aexit__(None, None, None)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.05)


async def lamp(config: Config, *, on: bool) -> None:
    """Wait until the coil at the PLC is as it shall be."""
    card = load_connector("modbus")
    probe = card.probe(config.sources[0], SystemClock())
    tag = next(t.id for t in config.measured_tags() if t.id == "P-101/lamp")
    async with asyncio.timeout(WITHIN_S):
        while True:
            (found,) = await probe.probe([tag], deadline_s=10.0)
            if found.sample.value == float(on):
                return
            await asyncio.sleep(0.1)


async def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run the command line beside the hub."""
    capsys.readouterr()
    code = await asyncio.to_thread(partial(main, ["alarms", *words]))
    return code, capsys.readouterr().out


async def test_people_are_called_until_somebody_answers(
    plant: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ("--run-dir", str(tmp_path))
    async with SmtpSink().listening() as mail:
        with HookSink().listening() as hook:
            text = CONFIG.format(plant=plant, mail=mail.port, hook=hook.port)
            config, problems = check_text(text)
            assert config is not None, problems
            async with running(config, tmp_path) as link:
                await _everybody_is_called(config, mail, hook)
                await _a_dead_target_is_an_alarm(link)
                await link.request("alarms.acknowledge", alarm=SPEED)
                await until(lambda: "[OVER]" in _subjects(mail))
                await link.request("alarms.acknowledge", alarm=DEAD)
                code, out = await command(capsys, "calls", "--limit", "3", *places)
                assert code == 0
                assert out.startswith("WHEN (UTC)")
                assert len(out.splitlines()) == 4
                code, out = await command(capsys, "calls", "--json", *places)
                assert code == 0
                _the_calls_are_listed(json.loads(out))
            before = _about(mail, HOURS), _about(mail, SPEED), len(hook.took)
            async with running(config, tmp_path) as link:
                # What goes this road now goes behind whatever a restart had called.
                words = "call", "--test", "shift", *places
                assert await command(capsys, *words) == (
                    0,
                    "shift was called: 250 2.0.0 queued as 4711\n",
                )
                assert mail.took[-1].mail["Subject"].startswith("[TEST] a call from")
                now = _about(mail, HOURS), _about(mail, SPEED), len(hook.took)
                assert now == before
                await lamp(config, on=True)
                await link.request("alarms.acknowledge", alarm=HOURS)
                await lamp(config, on=False)
                code, out = await command(capsys, "call", "--test", "lamp", *places)
                assert out == "lamp was called: lamp = 1, read back\n"
                await lamp(config, on=False)
                code, out = await command(capsys, "call", "--test", "dead", *places)
                assert code == 1
                assert "dead could not be called: 127.0.0.1: " in out


async def _everybody_is_called(config: Config, mail: SmtpSink, hook: HookSink) -> None:
    await until(lambda: _about(mail, SPEED) > 0 and _about(mail, HOURS) > 0)
    await lamp(config, on=True)
    # The step of the dead is due after a second, the pager's a day later: not for us.
    await until(lambda: len(hook.took) > 0)
    called = next(got for got in mail.took if SPEED in got.text)
    assert called.mail["Subject"].startswith("[CRITICAL] ")
    assert "P-101/motor/speed is high" in called.mail["Subject"]
    assert "what to do: Close the suction valve" in called.text
    assert f"wheeltapper alarms ack {SPEED}" in called.text
    assert "now: " in called.text
    assert " rpm, good, measured " in called.text
    told = [row["id"] for post in hook.took for row in post.json["alarms"]]
    assert SPEED in told
    assert HOURS not in told


async def _a_dead_target_is_an_alarm(link: LinkClient) -> None:
    async with asyncio.timeout(WITHIN_S):
        while True:
            rows = await link.request("alarms.list", standing=True)
            if any(row["id"] == DEAD for row in rows):
                return
            await asyncio.sleep(0.1)


def _the_calls_are_listed(rows: list[dict[str, Any]]) -> None:
    results = {(row["target"], row["result"]) for row in rows}
    assert {("shift", "sent"), ("lamp", "sent"), ("pager", "sent")} <= results
    assert ("dead", "failed") in results
    assert ("dead", "sent") not in results


def _subjects(mail: SmtpSink) -> str:
    return "\n".join(str(got.mail["Subject"]) for got in mail.took)


def _about(mail: SmtpSink, alarm: str) -> int:
    """Return in how many mails somebody is asked to acknowledge an alarm."""
    return sum(f"wheeltapper alarms ack {alarm}" in got.text for got in mail.took)
