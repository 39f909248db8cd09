"""Style names to styles: grey as long as all is well; colour for what is not.

Every colour comes with a sign and a word, so nothing is lost without it.
"""

from __future__ import annotations

from rich.style import Style
from textual.theme import Theme

GREY = Theme(
    name="wheeltapper",
    primary="#9a9a9a",
    secondary="#7a7a7a",
    accent="#c0c0c0",
    warning="#d0b000",
    error="#d03030",
    success="#9a9a9a",
    foreground="#c8c8c8",
    background="#1c1c1c",
    surface="#1c1c1c",
    panel="#2a2a2a",
    dark=True,
)

STYLES = {
    "": Style(),
    "label": Style(color="#8c8c8c"),
    "dim": Style(color="#8c8c8c"),
    "strong": Style(color="#ffffff", bold=True),
    "here": Style(color="#ffffff", bold=True, underline=True),
    "stale": Style(color="#8c8c8c", italic=True),
    "notice": Style(color="#d0b000"),
    "bad": Style(color="#d787d7", bold=True),
    "unknown": Style(color="#000000", bgcolor="#d787d7", bold=True),
    "critical": Style(color="#ffffff", bgcolor="#c01818", bold=True),
    "high": Style(color="#000000", bgcolor="#e08a00", bold=True),
    "medium": Style(color="#000000", bgcolor="#d0b000"),
    "low": Style(color="#5fafd7", bold=True),
    "limit": Style(color="#6c6c6c"),
    "line-trip": Style(color="#ff5f5f", bold=True),
    "line-critical": Style(color="#ff5f5f", bold=True),
    "line-high": Style(color="#e08a00", bold=True),
    "line-medium": Style(color="#d0b000"),
    "line-low": Style(color="#5fafd7"),
}
COLOURS_OF_ALARM = (
    "#c01818",
    "#ff5f5f",
    "#e08a00",
    "#d0b000",
    "#d787d7",
    "#5fafd7",
)
"""None of these may be on a screen where all is well."""


def style_of(name: str) -> Style:
    """Return the style of a name; an unknown one is plain."""
    return STYLES.get(name, STYLES[""])
