"""One asset: health and trend, what contributes, remaining life, spectrum, values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal

from appliance.dashboard.actions import ASSET, TAG
from appliance.dashboard.screens.base import PlantScreen, Wanted
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
        width = self.app.size.width
        asset = self.chosen_asset(plant, now)
        if asset is None:
            self._show_with_height("#head", [title("no asset is known yet", width)])
            return
        self._show_with_height("#head", view.head_rows(plant, asset, width, now))
        self._show_charts(plant, asset, now)
        head = title(f"values of {asset.id}", width, "value, unit, quality, age")
        self.query_one("#values-head", Rows).show([head])
        values = value_items(plant, asset, width - 1, now)
        self.query_one("#values", Listing).show_items(values)

    def _show_charts(self, plant: Plant, asset: Asset, now: Now) -> None:
        width, height = self.app.size
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

    def turn(self, name: str, plant: Plant, now: Now) -> None:
        """Change the spectrum, the window, or the asset."""
        match name:
            case "envelope":
                self.envelope = not self.envelope
            case "window":
                place = WINDOWS_S.index(self.window_s)
                self.window_s = WINDOWS_S[(place + 1) % len(WINDOWS_S)]
            case "next":
                asset = self.chosen_asset(plant, now)
                names = sorted(each.id for each in plant.assets(now))
                if asset is not None:
                    after = (names.index(asset.id) + 1) % len(names)
                    self.asset_id = names[after]

    def wanted(self, plant: Plant, now: Now) -> Wanted | None:
        """Return the past of the health index."""
        asset = self.chosen_asset(plant, now)
        if asset is None or not asset.judged:
            return None
        from_ns = now.utc_ns - round(self.window_s * 1e9)
        points = max(50, self.app.size.width)
        return Wanted(f"{asset.id}/{HEALTH_INDEX}", from_ns, now.utc_ns, points)

    def chosen_tag(self, plant: Plant, now: Now) -> str | None:
        """Return the value under the cursor."""
        del plant, now
        return self.query_one("#values", Listing).key

    @property
    def opens(self) -> str:
        """A closer look is one at a value."""
        return TAG

    def chosen_asset(self, plant: Plant, now: Now) -> Asset | None:
        """Return the asset that is looked at; the worst one where none was chosen."""
        assets = plant.assets(now)
        chosen = (each for each in assets if each.id == self.asset_id)
        return next(chosen, assets[0] if assets else None)

    def chosen_alarm(self, plant: Plant, now: Now) -> Alarm | None:
        """Return the first alarm of the asset."""
        asset = self.chosen_asset(plant, now)
        return None if asset is None else asset.worst
