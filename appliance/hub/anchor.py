"""Tells the cloud, once a day, the head of the chain over the event log."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from appliance.storage.chain import anchor_event
from appliance.storage.connection import StoreOpenError
from appliance.storage.reader import open_reader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.domain.event import Event
    from appliance.domain.ports import Clock
    from appliance.storage.chain import Head

log = logging.getLogger(__name__)

PERIOD_S = 86_400.0


async def anchor_daily(
    buffer: Path, hear: Callable[[Event], None], *, clock: Clock
) -> None:
    """Do it for ever; the hub's start has told the first."""
    while True:
        await clock.sleep(PERIOD_S)
        try:
            newest = await asyncio.to_thread(head_of, buffer)
        except StoreOpenError as error:
            log.warning("the event log is not anchored today: %s", error)
            continue
        if newest is not None:
            hear(anchor_event(newest, clock.utc_ns()))


def head_of(buffer: Path) -> Head | None:
    """Return the newest link of a buffer's chain.

    Raises:
        StoreOpenError: The buffer cannot be read.
    """
    with open_reader(buffer) as reader:
        return reader.journal_head()
