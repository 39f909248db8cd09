"""All keys, from the action table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.screen import ModalScreen

from appliance.dashboard.actions import ACTIONS, MOVES
from appliance.dashboard.views.words import Row, title
from appliance.dashboard.widgets.rows import Rows
from appliance.dashboard.wording import fit

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.events import Key

_WIDTH = 74
_SIGNS = (
    "signs of alarms: ■C critical  ▲H high  ▼M medium  ●L low",
    "signs of values: ~ uncertain   × bad   ? old or no link   … waiting",  # noqa: RUF001 - the sign
)


class HelpScreen(ModalScreen[None]):
    """Any key closes it."""

    def compose(self) -> ComposeResult:
        """Build the box."""
        with Vertical(id="box"):
            yield Rows(id="text")

    def on_mount(self) -> None:
        """Show the table."""
        width = min(_WIDTH, self.app.size.width - 6)
        rows = help_rows(width)
        text = self.query_one("#text", Rows)
        text.styles.height = len(rows)
        self.query_one("#box").styles.height = min(len(rows) + 2, self.app.size.height)
        text.show(rows)

    def on_key(self, event: Key) -> None:
        """Close."""
        event.stop()
        event.prevent_default()
        self.dismiss()


def help_rows(width: int) -> list[Row]:
    """Return every action with its key and where it works."""
    rows: list[Row] = [title("keys", width, "any key closes this")]
    for action in ACTIONS:
        where = f" ({', '.join(action.screens)})" if action.screens else ""
        keys = action.keys.replace("question_mark", "?").replace(",", ", ")
        text = f"{action.help}{where}"
        rows.append(((fit(f" {keys}", 16), "strong"), (fit(text, width - 16), "")))
    rows.extend(((fit(f" {line}", width), "label"),) for line in (MOVES, *_SIGNS))
    return rows
