"""Rows whose words the mouse can press: the banner and the keys at the foot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.message import Message

from appliance.dashboard.widgets.rows import Rows

if TYPE_CHECKING:
    from textual.events import Click


class Pressable(Rows):
    """Posts `Pressed` with the row and the word that the mouse met."""

    class Pressed(Message):
        """A word was pressed; both are counted from 0."""

        def __init__(self, widget: Pressable, row: int, word: int) -> None:
            self.widget = widget
            self.row = row
            self.word = word
            super().__init__()

    def on_click(self, event: Click) -> None:
        """Find the word below the mouse."""
        rows = self.rows
        if event.y >= len(rows):
            return
        end = 0
        for word, (text, _) in enumerate(rows[event.y]):
            end += cell_len(text)
            if event.x < end:
                self.post_message(self.Pressed(self, event.y, word))
                return
