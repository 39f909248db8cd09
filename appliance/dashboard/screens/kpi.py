"""How good the alarms are: rates, floods, priorities, and who makes the load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal

from appliance.dashboard.actions import KPI, TAG
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views import kpi as view
from appliance.dashboard.widgets.listing import Listing
from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.standing import Alarm

MOST = 120
"""Cells: wider than this, a figure would stand too far from its name."""


class KpiScreen(PlantScreen):
    """The hub's figures of its alarms since its start."""

    LABEL = KPI
    FIRST = "#frequent"

    def compose_body(self) -> ComposeResult:
        """Build the head, two columns of figures, and the list."""
        yield Rows(id="kpi-title")
        with Horizontal(id="figures"):
            yield Rows(id="rates")
            yield Rows(id="shares")
        yield Rows(id="frequent-title")
        yield Listing(id="frequent")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw all of it."""
        del now
        width = self.app.size.width
        narrow = min(width, MOST)
        half = (narrow - 2) // 2
        self.query_one("#kpi-title", Rows).show([view.head_row(plant, width, zone)])
        rates = self.query_one("#rates", Rows)
        if rates.size.width != half:
            rates.styles.width = half
        rates.show(view.figure_rows(plant, half))
        self.query_one("#shares", Rows).show(view.share_rows(plant, narrow - half - 2))
        head = view.frequent_title(plant, width)
        self.query_one("#frequent-title", Rows).show([head])
        items = view.frequent_items(plant, narrow - 1)
        self.query_one("#frequent", Listing).show_items(items)

    @property
    def opens(self) -> str:
        """The alarm's tag."""
        return TAG

    def chosen_alarm(self, plant: Plant, now: Now) -> Alarm | None:
        """Return the alarm under the cursor, if it stands."""
        del now
        return plant.alarm(self.query_one("#frequent", Listing).key)

    def chosen_tag(self, plant: Plant, now: Now) -> str | None:
        """Return the tag of the alarm under the cursor, whether it stands or not."""
        name = self.query_one("#frequent", Listing).key
        if name is None:
            return super().chosen_tag(plant, now)
        tag = name.rpartition(":")[0]
        return tag if tag in plant.readings else super().chosen_tag(plant, now)
