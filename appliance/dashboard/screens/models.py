"""Models: which judge, what is on the shelf, who brought what into force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.actions import MODELS
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views import models as view
from appliance.dashboard.views.words import title
from appliance.dashboard.widgets.listing import Listing
from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.shelf import Version

_THIRD = 3


class ModelsScreen(PlantScreen):
    """Versions of what was learned."""

    LABEL = MODELS
    FIRST = "#shelf"

    def compose_body(self) -> ComposeResult:
        """Build who judges, the shelf, and the log."""
        yield Rows(id="judging")
        yield Rows(id="shelf-title")
        yield Listing(id="shelf")
        yield Rows(id="acts")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw all three."""
        del now
        width, height = self.app.size
        judging = view.judging_rows(plant, width)[: max(3, height // _THIRD)]
        self._show_with_height("#judging", judging)
        head = title("on the shelf", width, "c activate · p roll back")
        self._show_with_height("#shelf-title", [head, view.shelf_head(width - 1)])
        items = view.shelf_items(plant, width - 1)
        shelf = self.query_one("#shelf", Listing)
        shelf.styles.height = min(max(1, len(items)), max(3, height // _THIRD))
        shelf.show_items(items)
        self.query_one("#acts", Rows).show(view.act_rows(plant, width, zone))

    def chosen_version(self, plant: Plant) -> Version | None:
        """Return the version under the cursor."""
        key = self.query_one("#shelf", Listing).key
        return next((each for each in plant.shelf.versions if each.key == key), None)
