"""What every screen of the plant has: banner on top, notice and keys below."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.containers import Vertical
from textual.css.query import NoMatches
from textual.screen import Screen

from appliance.dashboard.actions import ACTIONS
from appliance.dashboard.views.banner import banner_rows
from appliance.dashboard.widgets.footer import footer_row
from appliance.dashboard.widgets.pressable import Pressable
from appliance.dashboard.widgets.rows import Rows
from appliance.dashboard.wording import fit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from textual.app import ComposeResult

    from appliance.dashboard.actions import Action
    from appliance.dashboard.guard import Initiator
    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.shelf import Version
    from appliance.dashboard.standing import Alarm
    from appliance.dashboard.views.words import Row


class Wanted(NamedTuple):
    """The past that a screen shows: a tag, between two moments, in so many points."""

    tag: str
    from_ns: int
    to_ns: int
    points: int
    gaps: bool = False


class PlantScreen(Screen[None]):
    """Shows the plant; `show` is called up to four times a second."""

    LABEL: ClassVar[str]
    """Its name in the action table."""
    FIRST: ClassVar[str] = ""
    """Selector of the widget that has the keys first."""

    def compose(self) -> ComposeResult:
        """Build banner, body, notice and footer."""
        yield Pressable(id="banner")
        with Vertical(id="body"):
            yield from self.compose_body()
        yield Rows(id="notice")
        yield Pressable(id="footer")

    @abstractmethod
    def compose_body(self) -> ComposeResult:
        """Build what lies between."""

    def on_mount(self) -> None:
        """Give the keys to the first list."""
        if self.FIRST:
            self.query_one(self.FIRST).focus()

    def show(
        self,
        plant: Plant,
        now: Now,
        *,
        zone: tzinfo | None,
        notice: Row | None,
        table: Sequence[Action] = ACTIONS,
    ) -> None:
        """Draw everything that changed; what cannot be drawn is said, below the banner.

        An error in one screen must not take the trip banner from the operator. `table`
        has the keys, for the footer.
        """
        width = self.app.size.width
        rows = banner_rows(plant, width, now, screen=self.LABEL, zone=zone)
        self._show_with_height("#banner", rows)
        self.query_one("#footer", Rows).show([footer_row(self.LABEL, width, table)])
        try:
            self.show_body(plant, now, zone)
        except NoMatches:
            raise
        except Exception as error:  # noqa: BLE001 - it is shown; the rest goes on
            text = f"this screen cannot be drawn: {error!r}"
            notice = notice_row(text, width, refused=True)
        self._show_with_height("#notice", [] if notice is None else [notice])

    @abstractmethod
    def show_body(self, plant: Plant, now: Now, zone: tzinfo | None) -> None:
        """Draw what lies between."""

    def turn(self, name: str, plant: Plant, now: Now) -> None:
        """Change what is shown: the action table has the names."""

    def wanted(self, plant: Plant, now: Now) -> Wanted | None:
        """Return the past that is to be asked for."""
        del plant, now
        return None

    @property
    def opens(self) -> str:
        """The screen that `open` goes to; empty: it stays here."""
        return ""

    def chosen_alarm(self, plant: Plant, now: Now) -> Alarm | None:
        """Return the alarm that an acknowledgement is about here."""
        del now
        return next((each for each in plant.alarms if each.announced), None)

    def chosen_asset(self, plant: Plant, now: Now) -> Asset | None:
        """Return the asset that is meant here, or None to leave it as it was."""
        del plant, now
        return None

    def chosen_tag(self, plant: Plant, now: Now) -> str | None:
        """Return the tag that is meant here: the alarm's, where nothing else is."""
        alarm = self.chosen_alarm(plant, now)
        return None if alarm is None else tag_of(alarm)

    def chosen_initiator(self, plant: Plant) -> Initiator | None:
        """Return the initiator that is meant here."""
        return next(iter(plant.guard.initiators), None)

    def chosen_version(self, plant: Plant) -> Version | None:
        """Return the version of a model that is meant here."""
        return next(iter(plant.shelf.versions), None)

    def _show_with_height(self, selector: str, rows: list[Row]) -> None:
        widget = self.query_one(selector, Rows)
        if len(widget.rows) != len(rows) or not widget.styles.height:
            widget.styles.height = len(rows)
            widget.display = bool(rows)
        widget.show(rows)


def tag_of(alarm: Alarm) -> str | None:
    """Return the tag that an alarm is about; the first that a source's touches."""
    return alarm.tag or next(iter(alarm.tags), None)


def notice_row(text: str, width: int, *, refused: bool) -> Row:
    """Return what is said about the last act."""
    sign = " ! " if refused else " ✓ "
    return ((fit(f"{sign}{text}", width), "high" if refused else "strong"),)
