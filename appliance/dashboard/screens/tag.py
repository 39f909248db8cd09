"""One tag: its value, and its past to the edge of what is kept, as close as wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.actions import TAG
from appliance.dashboard.plot import DOTS_ACROSS
from appliance.dashboard.screens.base import PlantScreen, Wanted
from appliance.dashboard.views import tag as view
from appliance.dashboard.views.words import title
from appliance.dashboard.widgets.rows import Rows
from appliance.domain.tag import TagId, asset_of

if TYPE_CHECKING:
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.standing import Alarm

LENGTHS_S = (
    10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 8 * 3600.0, 86_400.0,
    3 * 86_400.0, 7 * 86_400.0, 30 * 86_400.0, 90 * 86_400.0, 365 * 86_400.0,
    5 * 365 * 86_400.0,
)  # fmt: skip
_FIRST_LENGTH_S = 300.0
_STEP = 0.5
_SEARCH_POINTS = 200
_HEAD = 3


class TagScreen(PlantScreen):
    """The closest look. `tag` is set by the application."""

    LABEL = TAG

    def __init__(self) -> None:
        super().__init__()
        self.tag = ""
        self._length = LENGTHS_S.index(_FIRST_LENGTH_S)
        self._end_ns: int | None = None
        self._searching = False

    def look_at(self, tag: str) -> None:
        """Look at another tag; how much of its past stays as it is."""
        if tag != self.tag:
            self.tag, self._end_ns = tag, None

    def compose_body(self) -> ComposeResult:
        """Build head and chart."""
        yield Rows(id="head")
        yield Rows(id="chart")

    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw value and past."""
        width = self.app.size.width
        tag = self.chosen_tag(plant, now)
        if tag is None:
            self._show_with_height("#head", [title("no tag is known yet", width)])
            self.query_one("#chart", Rows).show([])
            return
        if self._searching:
            self._find_oldest(plant, tag)
        self._show_with_height("#head", view.head_rows(plant, tag, width, now))
        chart = self.query_one("#chart", Rows)
        size = (width, chart.size.height)
        rows = view.chart_rows(plant, tag, self.view(now), size, now=now, zone=zone)
        chart.show(rows)

    def view(self, now: Now) -> view.View:
        """Return what is looked at now."""
        end_ns = now.utc_ns if self._end_ns is None else self._end_ns
        length_ns = round(LENGTHS_S[self._length] * 1e9)
        return view.View(end_ns - length_ns, end_ns, live=self._end_ns is None)

    def turn(self, name: str, plant: Plant, now: Now) -> None:
        """Zoom, pan, or go to the next tag of the asset."""
        match name:
            case "closer":
                self._zoom(-1, now)
            case "wider":
                self._zoom(1, now)
            case "earlier":
                self._pan(-_STEP, now)
            case "later":
                self._pan(_STEP, now)
            case "newest":
                self._end_ns = None
            case "oldest":
                self._searching = True
            case "next":
                self.look_at(self._next(plant, now))

    def wanted(self, plant: Plant, now: Now) -> Wanted | None:
        """Return the tag's past as it is looked at, with the gaps in it."""
        tag = self.chosen_tag(plant, now)
        if tag is None:
            return None
        if self._searching:
            return Wanted(tag, 0, now.utc_ns, _SEARCH_POINTS)
        seen = self.view(now)
        points = 2 * DOTS_ACROSS * self.app.size.width
        return Wanted(tag, seen.from_ns, seen.to_ns, points, gaps=True)

    def chosen_tag(self, plant: Plant, now: Now) -> str | None:
        """Return the tag that is looked at; the first of all where none was chosen."""
        del now
        return self.tag or next(iter(plant.readings.names), None)

    def chosen_asset(self, plant: Plant, now: Now) -> Asset | None:
        """Return the tag's asset."""
        return plant.asset(asset_of(TagId(self.tag)), now) if self.tag else None

    def chosen_alarm(self, plant: Plant, now: Now) -> Alarm | None:
        """Return the first alarm of the tag."""
        del now
        return next((each for each in plant.alarms if each.tag == self.tag), None)

    def _zoom(self, by: int, now: Now) -> None:
        """Keep the middle where it is, unless the end is now."""
        before = self.view(now)
        self._length = min(max(self._length + by, 0), len(LENGTHS_S) - 1)
        if self._end_ns is not None:
            length_ns = round(LENGTHS_S[self._length] * 1e9)
            self._end(((before.from_ns + before.to_ns) + length_ns) // 2, now)

    def _pan(self, share: float, now: Now) -> None:
        seen = self.view(now)
        self._end(seen.to_ns + round(share * (seen.to_ns - seen.from_ns)), now)

    def _end(self, end_ns: int, now: Now) -> None:
        self._end_ns = None if end_ns >= now.utc_ns else max(1, end_ns)

    def _find_oldest(self, plant: Plant, tag: str) -> None:
        """Go to the oldest value, once the hub has said when that was."""
        found = plant.histories.get(tag)
        if found is None or found.from_ns != 0:
            return
        self._searching = False
        if found.source_time_ns:
            length_ns = round(LENGTHS_S[self._length] * 1e9)
            self._end_ns = found.source_time_ns[0] + length_ns
        del plant.histories[tag]

    def _next(self, plant: Plant, now: Now) -> str:
        asset = self.chosen_asset(plant, now)
        tags = plant.readings.names if asset is None else asset.tags
        if self.tag not in tags:
            return tags[0] if tags else self.tag
        return tags[(tags.index(self.tag) + 1) % len(tags)]
