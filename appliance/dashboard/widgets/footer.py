"""The keys of a screen, from the action table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.actions import Action, footer_actions
from appliance.dashboard.wording import fit

if TYPE_CHECKING:
    from appliance.dashboard.views.words import Row, Word


def shown_actions(screen: str, width: int) -> list[Action]:
    """Return the actions that fit; stop, help and quit are always among them."""
    kept = sum(_cells(each) for each in footer_actions(screen) if each.lasting)
    room = width
    shown = []
    for action in footer_actions(screen):
        cells = _cells(action)
        if not action.lasting and cells > room - kept:
            continue
        shown.append(action)
        room -= cells
        kept -= cells if action.lasting else 0
    return shown


def footer_row(screen: str, width: int) -> Row:
    """Return two words, key and label, for each action that fits."""
    shown = shown_actions(screen, width)
    words: list[Word] = []
    for action in shown:
        words.append((f" {action.shown_key} ", "strong"))
        words.append((f"{action.label} ", "label"))
    room = width - sum(map(_cells, shown))
    return (*words, (fit("", max(0, room)), ""))


def _cells(action: Action) -> int:
    return len(f" {action.shown_key} {action.label} ")
