"""The keys of a screen, from the action table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len

from appliance.dashboard.actions import ACTIONS, Action, footer_actions
from appliance.dashboard.wording import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.dashboard.views.words import Row, Word


def shown_actions(
    screen: str, width: int, table: Sequence[Action] = ACTIONS
) -> list[Action]:
    """Return the actions that fit; stop, help and quit are always among them."""
    offered = footer_actions(screen, table)
    kept = sum(_cells(each) for each in offered if each.lasting)
    room = width
    shown = []
    for action in offered:
        cells = _cells(action)
        if not action.lasting and cells > room - kept:
            continue
        shown.append(action)
        room -= cells
        kept -= cells if action.lasting else 0
    return shown


def footer_row(screen: str, width: int, table: Sequence[Action] = ACTIONS) -> Row:
    """Return two words, key and label, for each action that fits."""
    shown = shown_actions(screen, width, table)
    words: list[Word] = []
    for action in shown:
        words.append((f" {action.shown_key} ", "strong"))
        words.append((f"{action.label} ", "label"))
    room = width - sum(map(_cells, shown))
    return (*words, (fit("", max(0, room)), ""))


def _cells(action: Action) -> int:
    return cell_len(f" {action.shown_key} {action.label} ")
