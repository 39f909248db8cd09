"""The hand-over through the process: asked, written, durable, taken over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from appliance.config import (
    Config,
    InitiatorSettings,
    MaintenanceSettings,
)
from appliance.config.safety import Mode
from appliance.domain.event import Event, EventKind
from appliance.link.client import LinkRefusedError
from appliance.runtime.clock import SystemClock
from appliance.safety import operations as operations_module
from appliance.safety import process as process_module
from appliance.safety.journal import Entry, Journal, encode
from appliance.safety.maintenance import Token
from appliance.safety.process import life_of
from appliance.safety.ring import PAYLOAD_MAX_BYTES
from appliance.wire.events import message_of_event
from tests.unit.safety.bench import FakePlant, a_row, a_sample
from tests.unit.safety.living import a_config, living, make_ready

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.domain.sample import Sample
    from appliance.link.client import LinkClient

pytestmark = [
    pytest.mark.requirement("A4"),
    pytest.mark.usefixtures("on_the_plant"),
]
RULES = MaintenanceSettings(
    output="plc", request="ask", granted="P/granted", longest_s=60
)


class Plc(FakePlant):
    """Grants what it is asked for, if it likes."""

    likes = True
    granting = False

    async def read(self, deadline_s: float) -> tuple[Sample, ...]:
        asked = bool(self.points.get("ask")) and self.likes
        granted = a_sample("P/granted", float(asked or self.granting))
        return (*(await super().read(deadline_s)), granted)


@pytest.fixture
def plc() -> Plc:
    return Plc()


@pytest.fixture
def plant(plc: Plc) -> Plc:
    return plc


def config(row: InitiatorSettings | None = None, **more: Any) -> Config:  # noqa: ANN401
    return a_config(row or a_row(), **{"maintenance": RULES, **more})


async def begun(link: LinkClient, **args: Any) -> Any:  # noqa: ANN401 - msgpack
    return await link.request("maintenance.begin", reason="upgrade", **args)


async def test_the_next_life_takes_over_and_asks_no_longer(
    tmp_path: Path, plc: Plc
) -> None:
    async with living(config(), tmp_path) as link:
        await make_ready(link)
        answer = await begun(link)
        assert answer["committed"]
        assert answer["length_s"] == 60
        assert plc.points["ask"] == 1.0
        assert (await link.request("status"))["maintenance"]["phase"] == "granted"
    plc.writes.clear()
    async with living(config(), tmp_path) as link:
        while (await link.request("status"))["maintenance"] is not None:
            await asyncio.sleep(0)
        while plc.points["ask"]:
            await asyncio.sleep(0)
        assert not (await link.request("status"))["tripped"]
        names = [name for name, _ in plc.writes]
        assert names.index("ask") > names.index("beat")
        assert ("permit", 0.0) not in plc.writes
        await link.request("stop")
        assert plc.points["permit"] == 0.0
    async with living(config(), tmp_path) as link:
        status = await link.request("status")
        assert status["tripped"], "a token is good once"


async def test_what_changed_meanwhile_powers_up_tripped(
    tmp_path: Path, plc: Plc
) -> None:
    async with living(config(), tmp_path) as link:
        await make_ready(link)
        await begun(link)
    assert plc.points["permit"] == 1.0
    async with living(config(a_row(setpoint=9.0)), tmp_path) as link:
        assert (await link.request("status"))["first_out"] == "power-up"
        while plc.points["permit"] or plc.points["ask"]:
            await asyncio.sleep(0)


async def test_it_is_taken_back(tmp_path: Path, plc: Plc) -> None:
    async with living(config(), tmp_path) as link:
        with pytest.raises(LinkRefusedError, match="nothing is handed over"):
            await link.request("maintenance.end")
        await make_ready(link)
        await begun(link, length_s=5)
        assert (await link.request("maintenance.end"))["committed"]
        while plc.points["ask"]:
            await asyncio.sleep(0)
        assert not (await link.request("status"))["tripped"]


async def test_a_plc_that_does_not_consent_is_asked_no_longer(
    tmp_path: Path, plc: Plc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations_module, "CONSENT_WITHIN_S", 0.1)
    plc.likes = False
    async with living(config(), tmp_path) as link:
        await make_ready(link)
        with pytest.raises(LinkRefusedError, match="does not consent"):
            await begun(link)
        while plc.points["ask"]:
            await asyncio.sleep(0)


async def test_a_hand_over_that_ends_while_asked_for_is_not_granted(
    tmp_path: Path, plc: Plc
) -> None:
    plc.likes = False
    async with living(config(), tmp_path) as link:
        await make_ready(link)
        with pytest.raises(LinkRefusedError, match="does not consent"):
            await begun(link, length_s=0.05)


async def test_a_hand_over_needs_a_reason_and_a_machine_that_is_well(
    tmp_path: Path, plc: Plc
) -> None:
    async with living(config(), tmp_path) as link:
        with pytest.raises(LinkRefusedError, match="reason is needed"):
            await link.request("maintenance.begin", reason=" ")
        with pytest.raises(LinkRefusedError, match="motor is tripped"):
            await begun(link)
        assert not plc.points.get("ask")


async def test_without_the_configuration_it_is_refused(
    tmp_path: Path, plc: Plc
) -> None:
    async with living(config(maintenance=None), tmp_path) as link:
        with pytest.raises(LinkRefusedError, match="is not configured"):
            await begun(link, length_s=5)
        assert "ask" not in plc.points


async def test_nothing_is_armed_that_was_never_read(tmp_path: Path, plc: Plc) -> None:
    plc.values["P/a"] = "bad"
    async with living(config(mode=Mode.OBSERVE), tmp_path) as link:
        with pytest.raises(LinkRefusedError, match="P/a was never good"):
            await link.request("mode", mode="armed")
        plc.values["P/a"] = 1.0
        while True:
            try:
                await link.request("mode", mode="armed")
                break
            except LinkRefusedError:
                await asyncio.sleep(0.01)


async def test_a_cpu_that_is_not_there_is_said(
    tmp_path: Path, plc: Plc, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with living(config(cpu_affinity=(1023,)), tmp_path) as link:
        await make_ready(link)
        assert plc.points["permit"] == 1.0
    assert "not kept on CPU 1023: Invalid argument" in caplog.text


def test_no_boot_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert life_of(config()).boot
    monkeypatch.setattr(process_module, "BOOT_ID", tmp_path / "nothing")
    assert life_of(config()).boot == ""


async def test_a_token_survives_the_process_and_is_shortened_never(
    tmp_path: Path,
) -> None:
    token = Token("boot", "rules", 1.0, 2.0, "kim", "upgrade")
    event = Event(kind=EventKind.AUDIT, name="granted", time_ns=1, message="m")
    message = message_of_event(event, pending=True)
    journal = Journal(tmp_path / "j", clock=SystemClock())
    await journal.open()
    assert journal.token is None
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(journal.run(), name="journal")
        seq = journal.append(message, {}, token)
        assert await journal.wait_committed(seq, within_s=10)
        running.cancel()
    again = Journal(tmp_path / "j", clock=SystemClock())
    await again.open()
    assert again.token == token
    long = {"motor": tuple("x" * 64 for _ in range(100))}
    body = encode(Entry(message, long, token))
    assert len(body) <= PAYLOAD_MAX_BYTES
    assert b"upgrade" in body
