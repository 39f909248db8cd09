"""Looks for releases by a child: what it says is status, and its failure is no end."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import TYPE_CHECKING

from appliance.config import Config, SiteSettings, UpdatesSettings
from appliance.runtime.clock import SystemClock
from appliance.runtime.tasks import alongside
from appliance.sync import process as process_module
from appliance.sync import releases as releases_module
from appliance.sync.process import run
from appliance.sync.releases import ReleaseChecks, fetch_command

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SETTINGS = UpdatesSettings(tree="file:///tree", root_file="root.json", period_s=5)


class Turns(SystemClock):
    """A clock that lets a test wait for each turn, and starts the next."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.turn = asyncio.Event()
        self.go = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.turn.set()
        await self.go.wait()
        self.go.clear()

    async def next(self) -> None:
        async with asyncio.timeout(60):
            await self.turn.wait()
        self.turn.clear()


def saying(text: str, complaint: str = "") -> tuple[str, ...]:
    code = f"import sys; print({text!r}); sys.stderr.write({complaint!r})"
    return (sys.executable, "-c", code)


def word(refusal: str = "", said: str = "", **outcome: str) -> str:
    outcomes = [{"refusal": "", "said": "", **outcome}] if outcome else []
    return json.dumps({"refusal": refusal, "said": said, "outcomes": outcomes})


async def last(command: tuple[str, ...]) -> tuple[str, str, int]:
    clock = Turns()
    checks = ReleaseChecks(SETTINGS, command, clock=clock)
    async with alongside(checks.run(), name="test.checks"):
        await clock.next()
    status = checks.status()
    assert (status["checks"], clock.slept) == (1, [5.0])
    return status["last"]["refusal"], status["last"]["said"], status["failures"]


async def test_what_the_child_says_is_the_status() -> None:
    assert await last(saying(word(said="", result="active"))) == ("", "", 0)
    assert await last(saying(word(said="it is active"))) == ("", "it is active", 0)
    command = saying(word("expired", "expired: the tree"))
    assert await last(command) == ("expired", "expired: the tree", 1)
    command = saying(word(said="", refusal="") + "")
    assert await last(command) == ("", "", 0)


async def test_a_refused_asset_is_a_refusal() -> None:
    text = json.dumps(
        {
            "refusal": "",
            "said": "",
            "outcomes": [
                {"refusal": "", "said": "P-1 v1 is active"},
                {"refusal": "tampered", "said": "tampered: release 2"},
            ],
        }
    )
    said = "P-1 v1 is active; tampered: release 2"
    assert await last(saying(text)) == ("tampered", said, 1)


async def test_a_child_that_says_nothing_sensible_is_a_failure() -> None:
    refusal, said, failures = await last(saying("no json", "it is broken"))
    assert (refusal, failures) == ("failed", 1)
    assert "it is broken" in said
    assert (await last(("/no/such/program",)))[0] == "failed"


async def test_a_child_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases_module, "WITHIN_S", 0.05)
    hanging = (sys.executable, "-c", "import signal; signal.pause()")
    assert (await last(hanging))[0] == "failed"


async def test_the_same_news_is_logged_once(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "said"
    path.write_text(word("expired", "expired: the tree"))
    clock = Turns()
    read = f"print(open({str(path)!r}).read())"
    checks = ReleaseChecks(SETTINGS, (sys.executable, "-c", read), clock=clock)
    async with alongside(checks.run(), name="test.checks"):
        for _ in range(2):
            await clock.next()
            clock.go.set()
        await clock.next()
        path.write_text(word(said="P-1 v2 is active"))
        clock.go.set()
        await clock.next()
    assert [r.message for r in caplog.records if r.name.endswith("releases")] == [
        "releases: expired: the tree",
        "releases: P-1 v2 is active",
    ]


async def test_the_process_looks_even_without_an_uplink(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = tmp_path / "looked"

    def command(config: Path, **_: Path) -> tuple[str, ...]:
        return saying(word()) if looked.exists() else touching(looked, config)

    monkeypatch.setattr(process_module, "fetch_command", command)
    config = Config(
        site=SiteSettings(id="plant-1", gateway="gw-1"),
        updates=SETTINGS,
        file=tmp_path / "wheeltapper.toml",
    )
    work = run(config, state_dir=tmp_path, run_dir=tmp_path, clock=SystemClock())
    async with alongside(work, name="test.sync"):
        async with asyncio.timeout(60):
            while not looked.exists():
                await asyncio.sleep(0.01)
    assert looked.read_text() == str(config.file)


def touching(path: Path, config: Path) -> tuple[str, ...]:
    code = f"open({str(path)!r}, 'w').write({str(config)!r}); print({word()!r})"
    return (sys.executable, "-c", code)


async def test_a_configuration_from_nowhere_has_no_children(tmp_path: Path) -> None:
    site = SiteSettings(id="plant-1", gateway="gw-1")
    config = Config(site=site, updates=SETTINGS)
    async with asyncio.timeout(60):
        await run(config, state_dir=tmp_path, run_dir=tmp_path, clock=SystemClock())


def test_the_command_names_all_places(tmp_path: Path) -> None:
    words = fetch_command(tmp_path / "c", state_dir=tmp_path / "s", run_dir=tmp_path)
    assert words[:5] == (sys.executable, "-m", "appliance", "updates", "fetch")
    assert {"--json", "-c", str(tmp_path / "c"), "--nice"} <= set(words)
