"""Safety: its mode and honest claim, what is tripped and why first, the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.actions import TAG, TRIPS
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views import trips as view
from appliance.dashboard.views.words import title
from appliance.dashboard.widgets.listing import Listing
from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.guard import Initiator
    from appliance.dashboard.model import Now, Plant


class TripsScreen(PlantScreen):
    """What stops the machine."""

    LABEL = TRIPS
    FIRST = "#matrix"

    def compose_body(self) -> ComposeResult:
        """Build mode, matrix and detail."""
        yield Rows(id="mode")
        yield Rows(id="matrix-title")
        yield Rows(id="matrix-head")
        yield Listing(id="matrix")
        yield Rows(id="initiator")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw what safety says."""
        width, height = self.app.size
        self._show_with_height("#mode", view.mode_rows(plant, width, now, zone))
        head = title("cause and effect; 1 = first-out", width)
        self.query_one("#matrix-title", Rows).show([head])
        self.query_one("#matrix-head", Rows).show([view.matrix_head(width - 1)])
        items = view.matrix_items(plant, width - 1)
        matrix = self.query_one("#matrix", Listing)
        matrix.styles.height = min(max(1, len(items)), max(3, height // 3))
        matrix.show_items(items)
        rows = view.initiator_rows(plant, self.chosen_initiator(plant), width)
        self.query_one("#initiator", Rows).show(rows)

    def chosen_initiator(self, plant: Plant) -> Initiator | None:
        """Return the initiator under the cursor."""
        key = self.query_one("#matrix", Listing).key
        return None if key is None else plant.guard.initiator(key)

    def chosen_tag(self, plant: Plant, now: Now) -> str | None:
        """Return the first channel of the initiator that the hub knows, too."""
        del now
        row = self.chosen_initiator(plant)
        channels = () if row is None else row.channels
        known = (each.name for each in channels if each.name in plant.readings)
        return next(known, None)

    @property
    def opens(self) -> str:
        """A closer look is one at its transmitter."""
        return TAG
