"""Style sheets of the screen, parsed once for all of its starts in a process.

Textual parses every widget's rules anew for each program and each change of theme,
which is an eighth of what a test of a screen costs.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from textual.css.stylesheet import Stylesheet

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from textual.css.model import RuleSet

_parse = Stylesheet._parse_rules
_parsed: dict[Hashable, list[RuleSet]] = {}


@contextmanager
def style_sheets_parsed_once() -> Iterator[None]:
    """Share the rules among programs: what they come from is their whole key."""
    with patch.object(Stylesheet, "_parse_rules", _parse_once):
        yield


def _parse_once(
    sheet: Stylesheet,
    css: str,
    **origin: Any,  # noqa: ANN401 - Textual's
) -> list[RuleSet]:
    variables = frozenset(sheet._variables.items())
    key = (css, frozenset(origin.items()), variables)
    if key not in _parsed:
        _parsed[key] = _parse(sheet, css, **origin)
    return _parsed[key]
