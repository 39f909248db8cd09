"""The safety process, alive in this one, on a plant in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from appliance.config import Config, ElementSettings, InitiatorSettings, SafetySettings
from appliance.config.model import SiteSettings
from appliance.config.safety import Mode
from appliance.link.client import LinkRefusedError, connect
from appliance.runtime.clock import SystemClock
from appliance.runtime.plugins import SourceSettings, TagSettings
from appliance.safety.process import run
from appliance.wire.messages import EventMessage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from appliance.link.client import LinkClient


class FakeSource(SourceSettings):
    tags: tuple[TagSettings, ...] = ()


TAGS = ("P/a", "P/running", "P/granted")


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


async def taken(
    hub: LinkClient, name: str, *, count: int
) -> AsyncIterator[EventMessage]:
    async for news in hub.messages():
        if isinstance(news, EventMessage) and news.name == name:
            yield news
            count -= 1
            if count == 0:
                return
