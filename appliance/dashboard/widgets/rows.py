"""Rows of words drawn as they are: no markup, no layout, only what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from appliance.dashboard.palette import style_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style

    from appliance.dashboard.views.words import Row


class Rows(ScrollView, can_focus=False):
    """Shows rows; those that did not change are not drawn again."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._rows: tuple[Row, ...] = ()

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is shown."""
        return self._rows

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows instead."""
        before, self._rows = self._rows, tuple(rows)
        if len(before) != len(self._rows):
            self.virtual_size = Size(self.size.width, len(self._rows))
            self.refresh()
            return
        for place, (old, new) in enumerate(zip(before, self._rows, strict=True)):
            if old != new:
                self.refresh_row(place)

    def refresh_row(self, place: int) -> None:
        """Draw one row again, if it is in sight."""
        line = place - self.scroll_offset.y
        if 0 <= line < self.size.height:
            self.refresh(Region(0, line, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """Draw a line of the terminal."""
        place = y + self.scroll_offset.y
        base = self.rich_style
        if place >= len(self._rows):
            return Strip.blank(self.size.width, base)
        return self.drawn(place, base)

    def drawn(self, place: int, base: Style) -> Strip:
        """Draw a row on a base style."""
        segments = [
            Segment(text, base + style_of(style))
            for text, style in self._rows[place]
            if text
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)
