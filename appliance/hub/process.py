"""The hub process: sources, pipeline, store and link in one task group."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from appliance.hub.groundwork import Groundwork
from appliance.hub.operations import offer_operations
from appliance.hub.parts import parts_of
from appliance.hub.recall import recall
from appliance.hub.start import meet_neighbours, tell_start
from appliance.hub.tasks import close, serve
from appliance.hub.timekeeping import ClockWatch
from appliance.runtime.clock import MachineClocks
from appliance.runtime.timekeeping import Timekeeper
from appliance.storage.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from appliance.config import Config
    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.hub.parts import Parts
    from appliance.runtime.timekeeping import Clocks

BUFFER = "buffer.db"


async def run(
    config: Config,
    *,
    state_dir: Path,
    run_dir: Path,
    clock: Clock,
    clocks: Clocks | None = None,
) -> None:
    """Work until cancelled; then let the sources go and commit what there is.

    `clocks` are the machine's own, where none are given.

    Raises:
        StoreOpenError: The buffer cannot be opened; the message says what to do.
    """
    path = state_dir / BUFFER
    keeper = Timekeeper(clock, clocks or MachineClocks())
    async with open_store(path, config.storage, keeper) as store:
        watch = ClockWatch(store, keeper)
        news = await watch.begin()
        ground = Groundwork(
            config, store, buffer=path, run_dir=run_dir, clock=keeper, watch=watch
        )
        parts = await _prepare(ground, news)
        try:
            await serve(parts)
        finally:
            await close(parts)


async def _prepare(ground: Groundwork, news: Iterable[Event]) -> Parts:
    """Put the parts together, and tell them what happened before they were there.

    Raises:
        StoreOpenError: The buffer cannot be read.
        StoreUnavailableError: The disk refused.
    """
    config = ground.config
    utc_ns = ground.clock.utc_ns()
    recalled = await asyncio.to_thread(recall, ground.buffer, utc_ns=utc_ns)
    await ground.add_tags((*config.measured_tags(), *config.derived_tags()))
    parts = parts_of(ground, recalled)
    await parts.resume.tell()
    meet_neighbours(parts, recalled)
    tell_start(parts, recalled)
    offer_operations(parts, recalled)
    for event in news:
        parts.pipeline.hear(event)
    return parts
