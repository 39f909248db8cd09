"""Rows with a cursor, which stays on its key when the order changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, overload

from textual.binding import Binding, BindingType
from textual.message import Message

from appliance.dashboard.palette import style_of
from appliance.dashboard.views.words import Item, Items, Row
from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from rich.style import Style
    from textual.events import Click
    from textual.strip import Strip


class Listing(Rows, can_focus=True):
    """A list to choose from.

    Posts `Moved` when the cursor stands on another key, and `Opened` when the mouse
    meets the row that it stands on.
    """

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

    class Opened(Message):
        """The row under the cursor was clicked."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._keys: tuple[str, ...] = ()
        self._places: dict[str, int] | None = None
        self._place = 0

    @property
    def key(self) -> str | None:
        """What the cursor is on."""
        return self.key_at(self._place)

    @property
    def place(self) -> int:
        """Where the cursor is, counted from 0."""
        return self._place

    def show_items(self, items: Sequence[Item]) -> None:
        """Show these items; the cursor follows its key, or stays where it was."""
        lazy = items if isinstance(items, Items) else _items_of(items)
        before = self.key
        self._keys = lazy.keys
        self._places = None
        place = min(self._place, max(0, len(lazy) - 1))
        if before is not None and self.key_at(place) != before:
            place = self._place_of(before, place)
        moved = place != self._place
        if moved:
            self.refresh_row(self._place)
        self._place = place
        self.show(_RowsOf(lazy))
        if moved:
            self.refresh_row(place)
            self._keep_in_sight()
        if self.key != before:
            self.post_message(self.Moved(self, self.key))

    def key_at(self, place: int) -> str | None:
        """Return the key of a place, None where there is none."""
        return self._keys[place] if 0 <= place < len(self._keys) else None

    def choose(self, key: str | None) -> None:
        """Put the cursor on a key, if it is there."""
        if key is not None:
            self._go(self._place_of(key, self._place))

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
        """Put the cursor where the mouse is; open what it stands on already."""
        place = event.y + self.scroll_offset.y
        if place == self._place and self.has_focus and self._keys:
            self.post_message(self.Opened())
        self._go(place)

    def on_focus(self) -> None:
        """Show that keys go here."""
        self.refresh_row(self._place)

    def on_blur(self) -> None:
        """Show that keys go elsewhere."""
        self.refresh_row(self._place)

    def drawn(self, place: int, base: Style, *, lit: bool = False) -> Strip:
        """Draw a row; the cursor's stands on lighter ground, less so without focus."""
        if place != self._place or not self._keys:
            return super().drawn(place, base, lit=lit)
        name = "cursor" if self.has_focus else "cursor-away"
        ground = style_of(name, self.app.theme)
        return super().drawn(place, base + ground, lit=self.has_focus)

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

    def _place_of(self, key: str, otherwise: int) -> int:
        if self._places is None:
            self._places = {each: place for place, each in enumerate(self._keys)}
        return self._places.get(key, otherwise)

    def _keep_in_sight(self) -> None:
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if self._place < top:
            self.scroll_to(y=self._place, animate=False)
        elif self._place >= top + height:
            self.scroll_to(y=self._place - height + 1, animate=False)


class _RowsOf(Sequence[Row]):
    """The rows of items, drawn as they are asked for."""

    def __init__(self, items: Items) -> None:
        self._items = items

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            raise IndexError(place)
        return self._items.row(place)


def _items_of(items: Sequence[Item]) -> Items:
    return Items([item.key for item in items], lambda place: items[place].row)
