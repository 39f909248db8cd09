"""Rows with a cursor, which stays on its key when the order changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from textual.binding import Binding, BindingType
from textual.message import Message

from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.events import Click
    from textual.strip import Strip

    from appliance.dashboard.views.words import Item

_CURSOR = Style(bgcolor="#505050", bold=True)
_CURSOR_AWAY = Style(bgcolor="#303030")


class Listing(Rows, can_focus=True):
    """A list to choose from. Posts `Moved` when the cursor stands on another key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "end(-1)", show=False),
        Binding("end", "end(1)", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another key, or on none."""

        def __init__(self, listing: Listing, key: str | None) -> None:
            self.listing = listing
            self.key = key
            super().__init__()

        @property
        def control(self) -> Listing:
            """The list, for `@on(..., selector)`."""
            return self.listing

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._keys: tuple[str, ...] = ()
        self._place = 0

    @property
    def key(self) -> str | None:
        """What the cursor is on."""
        return self._keys[self._place] if self._keys else None

    def show_items(self, items: Sequence[Item]) -> None:
        """Show these items; the cursor follows its key, or stays where it was."""
        before = self.key
        self._keys = tuple(item.key for item in items)
        if before in self._keys:
            place = self._keys.index(before)
        else:
            place = min(self._place, max(0, len(items) - 1))
        moved = place != self._place
        if moved:
            self.refresh_row(self._place)
        self._place = place
        self.show([item.row for item in items])
        if moved:
            self.refresh_row(place)
            self._keep_in_sight()
        if self.key != before:
            self.post_message(self.Moved(self, self.key))

    def choose(self, key: str | None) -> None:
        """Put the cursor on a key, if it is there."""
        if key in self._keys:
            self._go(self._keys.index(key))

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self._go(self._place + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by what is in sight."""
        self._go(self._place + by * max(1, self.size.height - 1))

    def action_end(self, direction: int) -> None:
        """Move the cursor to the first or the last item."""
        self._go(0 if direction < 0 else len(self._keys) - 1)

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is."""
        self._go(event.y + self.scroll_offset.y)

    def on_focus(self) -> None:
        """Show that keys go here."""
        self.refresh_row(self._place)

    def on_blur(self) -> None:
        """Show that keys go elsewhere."""
        self.refresh_row(self._place)

    def drawn(self, place: int, base: Style) -> Strip:
        """Draw a row; the cursor's stands on lighter ground, less so without focus."""
        if place != self._place or not self._keys:
            return super().drawn(place, base)
        return super().drawn(
            place, base + (_CURSOR if self.has_focus else _CURSOR_AWAY)
        )

    def _go(self, place: int) -> None:
        if not self._keys:
            return
        place = min(max(place, 0), len(self._keys) - 1)
        if place == self._place:
            return
        self.refresh_row(self._place)
        self._place = place
        self.refresh_row(place)
        self._keep_in_sight()
        self.post_message(self.Moved(self, self.key))

    def _keep_in_sight(self) -> None:
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if self._place < top:
            self.scroll_to(y=self._place, animate=False)
        elif self._place >= top + height:
            self.scroll_to(y=self._place - height + 1, animate=False)
