"""Other keys for the same actions: from a table of names to keys. Pure.

One key means one thing in the whole window, whatever screen is seen: at night nobody
should have to think of where he is.
"""

from __future__ import annotations

import re
import string
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from appliance.dashboard.actions import ACTIONS, Action

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTS = frozenset(
    {"up", "down", "pageup", "pagedown", "home", "end", "j", "k", "ctrl+p"}
)
"""Move in lists, or open the palette: nothing else may have them."""
ANSWERS = frozenset({"y", "n", "escape", "enter"})
"""Answer a question: what begins an act must be another key."""
RECORDING = frozenset({"full_stop", "left_square_bracket", "right_square_bracket"})
"""Run a recording, as does space."""
_NAMED = frozenset(
    ["escape", "enter", "tab", "space", "backspace", "insert", "delete", "left"]
    + ["right"]
    + [f"f{number}" for number in range(1, 13)]
)
_COMBINED = re.compile(r"ctrl\+[abcdefgklnopqrstuvwxy]")
"""A terminal sends the same for control with h, i, j, m as for keys of their own."""
_SHORT_NAMES = {
    "hyphen_minus": "minus", "plus_sign": "plus", "low_line": "underscore",
    "solidus": "slash", "reverse_solidus": "backslash", "commercial_at": "at",
}  # fmt: skip


class KeymapError(ValueError):
    """The keys cannot be used so; the text says which and why, a line for each."""


def with_keys(keys: Mapping[str, str]) -> tuple[Action, ...]:
    """Return the action table with other keys for the actions that are named.

    `keys` has names of `Action.id`, and keys with commas between them: `"f2,a"`.

    Raises:
        KeymapError: An unknown name or key, a key that two actions share, or a key that
            would confirm the act that it began.
    """
    names = {action.id for action in ACTIONS}
    problems = [f"keys.{name}: there is no such action" for name in keys.keys() - names]
    table = []
    for action in ACTIONS:
        if action.id in keys:
            words = [key_name(word) for word in keys[action.id].split(",")]
            problems += [
                f"keys.{action.id}: {word!r} is not a key"
                for word in words
                if not _is_key(word)
            ]
            table.append(replace(action, keys=",".join(words)))
        else:
            table.append(action)
    problems += _conflicts(table)
    if problems:
        raise KeymapError("\n".join(sorted(problems)))
    return tuple(table)


def _conflicts(table: list[Action]) -> list[str]:
    problems = []
    owners: dict[str, str] = {}
    for action in table:
        for key in action.keys.split(","):
            if key in LISTS:
                problems.append(f"keys.{action.id}: {key!r} moves in lists")
            if key in RECORDING or key == "space":
                problems.append(f"keys.{action.id}: {key!r} runs a recording")
            if key in ANSWERS and action.name.startswith("act("):
                text = "answers questions, and must not begin an act"
                problems.append(f"keys.{action.id}: {key!r} {text}")
            owner = owners.setdefault(key, action.id)
            if owner != action.id:
                problems.append(f"keys.{action.id}: {key!r} is the key of {owner}")
    return problems


def key_name(word: str) -> str:
    """Return the name that Textual gives a key; people write what it prints."""
    word = word.strip()
    if len(word) != 1 or word.isalnum():
        return word
    name = unicodedata.name(word, word).lower().replace("-", "_").replace(" ", "_")
    return _SHORT_NAMES.get(name, name)


def _is_key(word: str) -> bool:
    if len(word) == 1:
        return word.isalnum()
    return word in _NAMED | _PUNCTUATION or bool(_COMBINED.fullmatch(word))


_PUNCTUATION = frozenset(key_name(sign) for sign in string.punctuation)
