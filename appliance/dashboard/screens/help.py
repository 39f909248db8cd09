"""All keys, from the action table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.screen import ModalScreen

from appliance.dashboard.actions import ACTIONS, MOVES, Action
from appliance.dashboard.views.words import Row, title
from appliance.dashboard.widgets.rows import Rows
from appliance.dashboard.wording import fit, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult
    from textual.events import Key

_WIDTH, _KEYS = 74, 16
_SIGNS = (
    "signs of alarms: ■C critical  ▲H high  ▼M medium  ●L low",
    "signs of values: ~ uncertain   × bad   ? old or no link   … waiting",  # noqa: RUF001 - the sign
)


class HelpScreen(ModalScreen[None]):
    """Any key closes it."""

    def __init__(self, table: Sequence[Action] = ACTIONS) -> None:
        super().__init__()
        self._table = table

    def compose(self) -> ComposeResult:
        """Build the box."""
        with Vertical(id="box"):
            yield Rows(id="text")

    def on_mount(self) -> None:
        """Show the table."""
        width = min(_WIDTH, self.app.size.width - 6)
        height = self.app.size.height - 2
        rows = help_rows(self.app.current_mode, width, height, self._table)
        text = self.query_one("#text", Rows)
        text.styles.height = len(rows)
        self.query_one("#box").styles.height = min(len(rows) + 2, self.app.size.height)
        text.show(rows)

    def on_key(self, event: Key) -> None:
        """Close."""
        event.stop()
        event.prevent_default()
        self.dismiss()


def help_rows(
    screen: str, width: int, height: int, table: Sequence[Action] = ACTIONS
) -> list[Row]:
    """Return the keys of a screen, and those that work on all.

    Where there is room, the keys of the other screens follow.
    """
    rows: list[Row] = [title(f"keys on {screen}", width, "any key closes this")]
    rows.extend(_row(each, width) for each in table if each.screens and each.on(screen))
    rows.append(title("everywhere", width))
    screens = [each for each in table if each.name.startswith("show(")]
    common = [each for each in table if not each.screens and each not in screens]
    words = "  ".join(f"{each.shown_keys} {each.label}" for each in screens)
    compact: list[Row] = [
        ((fit(f" {line}", width), "strong"),) for line in wrapped(words, width - 1)
    ]
    foot: list[Row] = [_row(each, width) for each in common]
    foot += [((fit(f" {line}", width), "label"),) for line in (MOVES, *_SIGNS)]
    whole = [_row(each, width) for each in screens]
    others = [e for e in table if e.screens and not e.on(screen)]
    elsewhere = [title("on other screens", width)]
    elsewhere += [_row(each, width, f" ({', '.join(each.screens)})") for each in others]
    if len(rows) + len(whole) + len(foot) > height:
        return [*rows, *compact, *foot]
    rows += [*whole, *foot]
    return rows if len(rows) + len(elsewhere) > height else [*rows, *elsewhere]


def _row(action: Action, width: int, where: str = "") -> Row:
    text = fit(f"{action.help}{where}", width - _KEYS)
    return ((fit(f" {action.shown_keys}", _KEYS), "strong"), (text, ""))
