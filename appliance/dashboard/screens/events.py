"""Events and audit: everything that happened, as far back as the hub keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.actions import EVENTS
from appliance.dashboard.eventlog import KINDS
from appliance.dashboard.screens.base import PlantScreen
from appliance.dashboard.views import events as view
from appliance.dashboard.views.words import title
from appliance.dashboard.widgets.listing import Listing
from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant
    from appliance.wire.messages import EventMessage

_NEAR_THE_END = 50
_DETAIL_ROWS = 7


class EventsScreen(PlantScreen):
    """The log. Older pages are asked for as the cursor comes near the end."""

    LABEL = EVENTS
    FIRST = "#events"

    def __init__(self) -> None:
        super().__init__()
        self.kind = KINDS[0]
        self._events: tuple[EventMessage, ...] = ()

    def compose_body(self) -> ComposeResult:
        """Build list and detail."""
        yield Rows(id="events-title")
        yield Listing(id="events")
        yield Rows(id="event")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw list and detail."""
        del now
        width = self.app.size.width
        self._events = plant.events.newest_first(self.kind)
        older = "" if plant.events.complete else "; older ones follow"
        text = f"{self.kind}: {len(self._events)} events, the newest first{older}"
        remark = "" if plant.links["hub"].up else "OLD: the hub is not connected"
        head = title(text, width, remark)
        self._show_with_height("#events-title", [head, view.event_head(width - 1)])
        items = view.event_items(self._events, width - 1, zone, dated=True)
        self.query_one("#events", Listing).show_items(items)
        rows = view.detail_rows(self.chosen_event, width, zone)[:_DETAIL_ROWS]
        self._show_with_height("#event", rows)

    def turn(self, name: str, plant: Plant, now: Now) -> None:
        """Keep to one kind, or show all again."""
        del plant, now
        if name == "filter":
            self.kind = KINDS[(KINDS.index(self.kind) + 1) % len(KINDS)]

    @property
    def needs_older(self) -> bool:
        """Whether the cursor is near the oldest that is here."""
        place = self.query_one("#events", Listing).place
        return 0 < len(self._events) < place + _NEAR_THE_END

    @property
    def chosen_event(self) -> EventMessage | None:
        """What the cursor is on."""
        place = self.query_one("#events", Listing).place
        return self._events[place] if place < len(self._events) else None

    def chosen_tag(self, plant: Plant, now: Now) -> str | None:
        """Return the tag of the event, or the first alarm's where it has none."""
        event = self.chosen_event
        found = None if event is None else event.tag
        return found or super().chosen_tag(plant, now)

    def chosen_asset(self, plant: Plant, now: Now) -> Asset | None:
        """Return the asset of the event."""
        event = self.chosen_event
        return None if event is None else plant.asset(event.asset, now)

    @property
    def opens(self) -> str:
        """A closer look is one at the tag."""
        event = self.chosen_event
        return "tag" if event is not None and event.tag else ""
