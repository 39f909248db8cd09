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


_REMEMBERED = 1000
_LIT = {"label": "", "dim": "", "limit": "", "stale": "stale-lit"}
"""What is dim elsewhere, on lighter ground."""


class Rows(ScrollView, can_focus=False):
    """Shows rows; those that did not change are not drawn again."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._source: Sequence[Row] = ()
        self._shown: dict[int, Row] = {}

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is shown."""
        return tuple(self._source)

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows instead; only those in sight are looked at."""
        length, self._source = len(self._source), rows
        if length != len(rows):
            self._shown.clear()
            self.virtual_size = Size(self.size.width, len(rows))
            self.refresh()
            return
        top = self.scroll_offset.y
        for place in range(top, min(top + self.size.height, len(rows))):
            if self._shown.get(place) != rows[place]:
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
        if place >= len(self._source):
            return Strip.blank(self.size.width, base)
        if len(self._shown) > _REMEMBERED:
            self._shown.clear()
        self._shown[place] = self._source[place]
        return self.drawn(place, base)

    def drawn(self, place: int, base: Style, *, lit: bool = False) -> Strip:
        """Draw a row on a base style; `lit`: on lighter ground, nothing is dim."""
        palette, lighter = self.app.theme, _LIT if lit else {}
        segments = [
            Segment(text, base + style_of(lighter.get(style, style), palette))
            for text, style in self._source[place]
            if text
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base)
