"""The appliance itself: processes, sources, buffer, uplink, machine, certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal

from appliance.dashboard.actions import SYSTEM
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views import system as view
from appliance.dashboard.widgets.listing import Listing

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.model import Now, Plant


class SystemScreen(PlantScreen):
    """How the appliance does."""

    LABEL = SYSTEM
    FIRST = "#processes"

    def compose_body(self) -> ComposeResult:
        """Build two columns; each scrolls where it is too long."""
        with Horizontal(id="columns"):
            yield Listing(id="processes")
            yield Listing(id="buffer")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw both columns."""
        del zone
        width = self.app.size.width
        half = (width - 2) // 2
        left = view.process_rows(plant, half - 1, now)
        right = view.buffer_rows(plant, width - half - 3, now)
        self.query_one("#processes", Listing).show_items(view.items_of(left))
        self.query_one("#buffer", Listing).show_items(view.items_of(right))
