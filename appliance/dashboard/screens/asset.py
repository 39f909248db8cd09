"""One asset: health and trend, what contributes, remaining life, spectrum, values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal

from appliance.dashboard.actions import ASSET
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views import asset as view
from appliance.dashboard.views.overview import value_items
from appliance.dashboard.views.words import title
from appliance.dashboard.widgets.listing import Listing
from appliance.dashboard.widgets.rows import Rows
from appliance.domain.health import HEALTH_INDEX

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.standing import Alarm

WINDOWS_S = (300.0, 3600.0, 8 * 3600.0, 7 * 86_400.0)
_HEAD = 3


class AssetScreen(PlantScreen):
    """A closer look. `asset_id` is set by the application."""

    LABEL = ASSET
    FIRST = "#values"

    def __init__(self) -> None:
        super().__init__()
        self.asset_id: str | None = None
        self.envelope = True
        self.window_s = WINDOWS_S[0]

    def compose_body(self) -> ComposeResult:
        """Build head, charts and values."""
        yield Rows(id="head")
        with Horizontal(id="charts"):
            yield Rows(id="trend")
            yield Rows(id="spectrum")
        yield Rows(id="values-head")
        yield Listing(id="values")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw what is known of the asset."""
        del zone
        width, height = self.app.size
        asset = self.chosen_asset(plant, now)
        if asset is None:
            self.query_one("#head", Rows).show([title("no asset is known yet", width)])
            return
        self.query_one("#head", Rows).show(view.head_rows(plant, asset, width, now))
        chart_height = 10 if height < 36 else height // 2 - 4  # noqa: PLR2004 - tall
        self.query_one("#charts").styles.height = chart_height
        half = (width - 2) // 2
        history = plant.histories.get(f"{asset.id}/{HEALTH_INDEX}")
        size = (half, chart_height)
        trend = view.trend_rows(history, asset, size, self.window_s)
        self.query_one("#trend", Rows).show(trend)
        spectrum = view.spectrum_rows(
            plant, asset, (width - half - 2, chart_height), now, envelope=self.envelope
        )
        self.query_one("#spectrum", Rows).show(spectrum)
        head = title(f"values of {asset.id}", width, "value, unit, quality, age")
        self.query_one("#values-head", Rows).show([head])
        values = value_items(plant, asset, width - 1, now)
        self.query_one("#values", Listing).show_items(values)

    def chosen_asset(self, plant: Plant, now: Now) -> Asset | None:
        """Return the asset that is looked at; the worst one where none was chosen."""
        assets = plant.assets(now)
        chosen = (each for each in assets if each.id == self.asset_id)
        return next(chosen, assets[0] if assets else None)

    def chosen_alarm(self, plant: Plant, now: Now) -> Alarm | None:
        """Return the first alarm of the asset."""
        asset = self.chosen_asset(plant, now)
        return None if asset is None else asset.worst

    def next_window(self) -> None:
        """Show more of the past, or begin again with the least."""
        place = WINDOWS_S.index(self.window_s)
        self.window_s = WINDOWS_S[(place + 1) % len(WINDOWS_S)]
