"""The appliance itself: processes, sources, buffer, uplink, models, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal

from appliance.dashboard.actions import SYSTEM
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views import system as view
from appliance.dashboard.views.words import title
from appliance.dashboard.widgets.listing import Listing
from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.model import Now, Plant


class SystemScreen(PlantScreen):
    """How the appliance does."""

    LABEL = SYSTEM
    FIRST = "#events"

    def compose_body(self) -> ComposeResult:
        """Build two columns and the events."""
        with Horizontal(id="columns"):
            yield Rows(id="processes")
            yield Rows(id="buffer")
        yield Rows(id="events-title")
        yield Listing(id="events")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw both columns and the events."""
        width = self.app.size.width
        half = (width - 2) // 2
        left = view.process_rows(plant, half, now)
        right = view.buffer_rows(plant, width - half - 2, now)
        self.query_one("#columns").styles.height = max(len(left), len(right))
        self.query_one("#processes", Rows).show(left)
        self.query_one("#buffer", Rows).show(right)
        head = title("events, the newest first", width)
        self.query_one("#events-title", Rows).show([head])
        items = view.event_items(plant, width - 1, zone)
        self.query_one("#events", Listing).show_items(items)
