"""Watches the hub during the demonstration and tells what happens, line by line."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from appliance.link.client import LinkLostError, LinkRefusedError, connect
from appliance.runtime.tasks import alongside
from appliance.wire.messages import EventMessage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from appliance.domain.ports import Clock
    from appliance.link.client import LinkClient

log = logging.getLogger(__name__)

STATUS_EVERY_S = 10.0
RETRY_S = 0.5


class Witness:
    """Prints each committed event once and a line of figures every ten seconds."""

    def __init__(
        self, hub_socket: Path, *, clock: Clock, tell: Callable[[str], None]
    ) -> None:
        self._socket = hub_socket
        self._clock = clock
        self._tell = tell
        self._told_through = 0

    async def run(self) -> None:
        """Watch until cancelled; the hub may come and go."""
        while True:
            try:
                async with (
                    connect(
                        self._socket, process="demo", subscribe=("events",)
                    ) as link,
                    alongside(self._figures(link), name="demo.figures"),
                ):
                    await self._events(link)
            except (LinkLostError, LinkRefusedError) as error:
                log.info("the witness waits: %s", error)
            await self._clock.sleep(RETRY_S)

    async def _events(self, link: LinkClient) -> None:
        async for news in link.messages():
            if not isinstance(news, EventMessage) or news.pending:
                continue
            if news.seq > self._told_through:
                self._told_through = news.seq
                self._tell(f"{news.kind} {news.name}: {news.message}")

    async def _figures(self, link: LinkClient) -> None:
        while True:
            await self._clock.sleep(STATUS_EVERY_S)
            status = await link.request("status")
            outbox = totals(await link.request("outbox.status"))
            read = status["counters"]["samples_read"]
            self._tell(
                f"{read} samples read; outbox {outbox['pending']} pending,"
                f" {outbox['delivered']} delivered"
            )


def totals(streams: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Add up the counters of all outbox streams."""
    names = ("enqueued", "delivered", "pending", "declared_gaps")
    return {name: sum(int(s[name]) for s in streams.values()) for name in names}
