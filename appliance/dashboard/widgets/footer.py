"""The keys of a screen, from the action table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.actions import footer_actions
from appliance.dashboard.wording import fit

if TYPE_CHECKING:
    from appliance.dashboard.views.words import Row, Word


def footer_row(screen: str, width: int) -> Row:
    """Return the keys that fit; stop, help and quit are always among them."""
    words: list[Word] = []
    room = width
    last = [a for a in footer_actions(screen) if a.lasting]
    kept = sum(len(_text(each.shown_key, each.label)) for each in last)
    for action in footer_actions(screen):
        text = _text(action.shown_key, action.label)
        if action not in last and len(text) > room - kept:
            continue
        words.append((f" {action.shown_key} ", "strong"))
        words.append((f"{action.label} ", "label"))
        room -= len(text)
        kept -= len(text) if action in last else 0
    return (*words, (fit("", max(0, room)), ""))


def _text(key: str, label: str) -> str:
    return f" {key} {label} "
