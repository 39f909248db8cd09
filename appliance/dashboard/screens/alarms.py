"""Every alarm that is not normal; of the one under the cursor, all there is to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.actions import ALARMS
from appliance.dashboard.roster import (
    ALL,
    AUTO,
    FILTERS,
    GROUPED,
    GROUPINGS,
    Line,
    roster,
)
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views.alarm_detail import alarm_rows
from appliance.dashboard.views.alarms import alarm_head, alarm_items
from appliance.dashboard.views.words import title
from appliance.dashboard.widgets.listing import Listing
from appliance.dashboard.widgets.rows import Rows
from appliance.dashboard.wording import counted

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.standing import Alarm

_HALF = 2
_ROWS_AROUND = 5


class AlarmsScreen(PlantScreen):
    """What needs somebody. `open` gives the whole height to one alarm's detail."""

    LABEL = ALARMS
    FIRST = "#alarms"

    def __init__(self) -> None:
        super().__init__()
        self.chosen = ALL
        self.grouping = AUTO
        self.whole = False

    def compose_body(self) -> ComposeResult:
        """Build list and detail."""
        yield Rows(id="alarms-title")
        yield Rows(id="alarms-head")
        yield Listing(id="alarms")
        yield Rows(id="detail")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw list and detail."""
        width, height = self.app.size
        lines = self._lines(plant, now)
        head = title(self._heading(plant, lines, now), width, self._remark(plant))
        self.query_one("#alarms-title", Rows).show([head])
        self.query_one("#alarms-head", Rows).show([alarm_head(width - 1)])
        items = alarm_items(plant, lines, width - 1, now)
        listing = self.query_one("#alarms", Listing)
        most = 1 if self.whole else max(3, height // _HALF - _ROWS_AROUND)
        listing.styles.height = min(max(1, len(items)), most)
        listing.show_items(items)
        alarm = self.chosen_alarm(plant, now)
        rows = alarm_rows(plant, alarm, width, now, zone)
        self.query_one("#detail", Rows).show(rows)

    def turn(self, name: str, plant: Plant, now: Now) -> None:
        """Filter, group, or show one alarm whole."""
        match name:
            case "filter":
                self.chosen = _after(FILTERS, self.chosen)
            case "group":
                self.grouping = _after(GROUPINGS, self.grouping)
            case "whole":
                self.whole = not self.whole and bool(self._lines(plant, now))

    def chosen_alarm(self, plant: Plant, now: Now) -> Alarm | None:
        """Return the alarm under the cursor."""
        del now
        return plant.alarm(self.query_one("#alarms", Listing).key)

    def chosen_asset(self, plant: Plant, now: Now) -> Asset | None:
        """Return the asset of the alarm under the cursor."""
        alarm = self.chosen_alarm(plant, now)
        return None if alarm is None else plant.asset(alarm.asset, now)

    def _lines(self, plant: Plant, now: Now) -> tuple[Line, ...]:
        return roster(
            plant.alarms,
            chosen=self.chosen,
            grouping=self.grouping,
            flooded=plant.flooded(now),
        )

    def _heading(self, plant: Plant, lines: tuple[Line, ...], now: Now) -> str:
        count, unseen = (
            len(plant.alarms),
            sum(alarm.needs_acknowledgement for alarm in plant.alarms),
        )
        words = f"{counted(count, 'alarm')}, {unseen} not acknowledged"
        if plant.flooded(now):
            words = f"FLOOD: {words}"
        hidden = sum(line.below for line in lines)
        return f"{words}; {hidden} below others" if hidden else words

    def _remark(self, plant: Plant) -> str:
        if not plant.links["hub"].up:
            return "OLD: the hub is not connected"
        words = [] if self.chosen == ALL else [f"only: {self.chosen}"]
        if self.grouping != AUTO:
            words.append("by cause" if self.grouping == GROUPED else "one by one")
        return " · ".join(words)


def _after(all_of: tuple[str, ...], one: str) -> str:
    return all_of[(all_of.index(one) + 1) % len(all_of)]
