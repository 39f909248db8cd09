"""Every alarm that is not normal; of the one under the cursor, all there is to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.actions import ALARMS
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views import alarms as view
from appliance.dashboard.views.words import title
from appliance.dashboard.widgets.listing import Listing
from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.standing import Alarm


class AlarmsScreen(PlantScreen):
    """What needs somebody."""

    LABEL = ALARMS
    FIRST = "#alarms"

    def compose_body(self) -> ComposeResult:
        """Build list and detail."""
        yield Rows(id="alarms-title")
        yield Rows(id="alarms-head")
        yield Listing(id="alarms")
        yield Rows(id="detail")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw list and detail."""
        width, height = self.app.size
        old = "" if plant.links["hub"].up else "OLD: the hub is not connected"
        unseen = sum(alarm.needs_acknowledgement for alarm in plant.alarms)
        text = f"{len(plant.alarms)} alarms, {unseen} not acknowledged"
        self.query_one("#alarms-title", Rows).show([title(text, width, old)])
        self.query_one("#alarms-head", Rows).show([view.alarm_head(width - 1)])
        items = view.alarm_items(plant, width - 1, now)
        listing = self.query_one("#alarms", Listing)
        listing.styles.height = min(max(1, len(items)), max(3, height // 2 - 7))
        listing.show_items(items)
        alarm = self.chosen_alarm(plant, now)
        rows = view.alarm_rows(plant, alarm, width, now, zone)
        self.query_one("#detail", Rows).show(rows)

    def chosen_alarm(self, plant: Plant, now: Now) -> Alarm | None:
        """Return the alarm under the cursor."""
        del now
        return plant.alarm(self.query_one("#alarms", Listing).key)

    def chosen_asset(self, plant: Plant, now: Now) -> Asset | None:
        """Return the asset of the alarm under the cursor."""
        alarm = self.chosen_alarm(plant, now)
        return None if alarm is None else plant.asset(alarm.asset, now)
