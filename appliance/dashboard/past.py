"""Asks for what the screen shows of the past, and for what lies on the disk."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from appliance.dashboard.eventlog import KEPT, PAGE
from appliance.dashboard.messages import (
    Answered,
    GapsArrived,
    HistoryArrived,
    ShelfRead,
)
from appliance.dashboard.model import HUB
from appliance.dashboard.screens.events import EventsScreen
from appliance.dashboard.screens.kpi import KpiScreen
from appliance.dashboard.shelf import read_shelf
from appliance.link.client import LinkLostError, LinkRefusedError

if TYPE_CHECKING:
    from textual.worker import WorkType

    from appliance.dashboard.app import Dashboard
    from appliance.dashboard.screens.base import Wanted


KPI_EVERY_S = 10.0
"""To count costs the hub some milliseconds, and only while somebody looks."""


class Past:
    """Workers that post what they find; where nobody answers, the banner says so."""

    def __init__(self, app: Dashboard) -> None:
        self._app = app
        self._counted_s = float("-inf")

    def ask(self) -> None:
        """Ask for what the screen wants."""
        app, screen = self._app, self._app.seen
        if screen is None or not app.plant.links[HUB].up:
            return
        if isinstance(screen, EventsScreen) and screen.needs_older:
            self._ask_older()
        if isinstance(screen, KpiScreen):
            self._ask_kpis(app.now.s)
        wanted = screen.wanted(app.plant, app.now)
        if wanted is not None:
            self._run("history", partial(self._fetch_history, wanted))

    def read_shelf(self) -> None:
        """Read the versions of models from the disk."""
        if self._app.state_dir is not None:
            self._run("shelf", self._read_shelf)

    def _run(self, name: str, work: WorkType[None]) -> None:
        """Begin a work; one of the same name that still goes on is given up."""
        self._app.run_worker(work, name=f"dashboard.{name}", group=name, exclusive=True)

    async def _fetch_history(self, wanted: Wanted) -> None:
        app, span_ns = self._app, (wanted.from_ns, wanted.to_ns)
        with suppress(LinkLostError, LinkRefusedError):
            result = await app.hub.request(
                "history", tag=wanted.tag, from_ns=span_ns[0], to_ns=span_ns[1],
                points=wanted.points,
            )  # fmt: skip
            app.tell(HistoryArrived(wanted.tag, result, span_ns))
            if wanted.gaps:
                gaps = await app.hub.request(
                    "gaps", from_ns=span_ns[0], to_ns=span_ns[1]
                )
                app.tell(GapsArrived(wanted.tag, gaps))

    def _ask_older(self) -> None:
        events = self._app.plant.events
        if events.complete or events.oldest_seq is None or len(events) >= KEPT:
            return
        self._run("older", partial(self._fetch_older, events.oldest_seq))

    async def _fetch_older(self, before_seq: int) -> None:
        with suppress(LinkLostError, LinkRefusedError):
            result = await self._app.hub.request(
                "events.recent", limit=PAGE, before_seq=before_seq
            )
            self._app.tell(Answered(HUB, "events.recent", result))

    def _ask_kpis(self, now_s: float) -> None:
        if now_s - self._counted_s >= KPI_EVERY_S:
            self._counted_s = now_s
            self._run("kpis", self._fetch_kpis)

    async def _fetch_kpis(self) -> None:
        with suppress(LinkLostError, LinkRefusedError):
            result = await self._app.hub.request("alarms.kpi")
            self._app.tell(Answered(HUB, "alarms.kpi", result))

    async def _read_shelf(self) -> None:
        state_dir = self._app.state_dir
        assert state_dir is not None
        found = await asyncio.to_thread(read_shelf, state_dir)
        self._app.post_message(ShelfRead(found))
