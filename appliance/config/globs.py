"""Patterns of tag names: `*` is any text, `?` any one character, the rest is literal.

Brackets are literal too: `[P-101]` is a name that plants use.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def matcher(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return the question whether a name matches any of the patterns."""
    wanted = tuple(patterns)
    if "*" in wanted:
        return lambda _name: True
    expressions = [
        "".join(_PARTS.get(letter, re.escape(letter)) for letter in pattern)
        for pattern in wanted
    ]
    found = re.compile("|".join(expressions) or r"(?!)", re.DOTALL)
    return lambda name: found.fullmatch(name) is not None


_PARTS = {"*": ".*", "?": "."}
