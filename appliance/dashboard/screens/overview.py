"""What is wrong, how sure, what to do; the assets, the worst first; values of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.actions import ASSET, OVERVIEW, TAG
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views import overview
from appliance.dashboard.views.words import title
from appliance.dashboard.widgets.listing import Listing
from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant

_TALL = 36


class OverviewScreen(PlantScreen):
    """The first look."""

    LABEL = OVERVIEW
    FIRST = "#assets"

    def compose_body(self) -> ComposeResult:
        """Build the three parts."""
        yield Rows(id="problem")
        yield Rows(id="assets-head")
        yield Listing(id="assets")
        yield Rows(id="values-head")
        yield Listing(id="values")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw the three parts."""
        del zone
        width, height = self.app.size
        tall = height >= _TALL
        problem = self.query_one("#problem", Rows)
        problem.styles.height = 11 if tall else 8
        problem.show(overview.problem_rows(plant, width, 11 if tall else 8, now))
        items = overview.asset_items(plant, width - 1, now)
        self.query_one("#assets-head", Rows).show([overview.asset_head(width - 1)])
        assets = self.query_one("#assets", Listing)
        assets.styles.height = min(max(1, len(items)), 10 if tall else 4)
        assets.show_items(items)
        asset = self.chosen_asset(plant, now)
        name = "" if asset is None else f" of {asset.id}"
        head = self.query_one("#values-head", Rows)
        head.show([title(f"values{name}", width, "value, unit, quality, age")])
        values = overview.value_items(plant, asset, width - 1, now)
        self.query_one("#values", Listing).show_items(values)

    def chosen_asset(self, plant: Plant, now: Now) -> Asset | None:
        """Return the asset under the cursor."""
        key = self.query_one("#assets", Listing).key
        return None if key is None else plant.asset(key, now)

    def chosen_tag(self, plant: Plant, now: Now) -> str | None:
        """Return the value under the cursor, where the keys go there; else the alarm's.

        Without an alarm it is the first value.
        """
        value = self.query_one("#values", Listing)
        if value.has_focus:
            return value.key
        return super().chosen_tag(plant, now) or value.key

    @property
    def opens(self) -> str:
        """A closer look at the asset, or at the value."""
        return TAG if self.query_one("#values", Listing).has_focus else ASSET
