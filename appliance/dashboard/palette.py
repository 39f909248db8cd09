"""Style names to styles: grey as long as all is well; colour for what is not.

Every colour comes with a sign and a word, so nothing is lost without it. The colours of
every palette are told apart by those who do not see red or green, and stand out from
their ground by 4.5 to 1 at least: a test computes both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.style import Style
from textual.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Colours:
    """What a palette is made of. `*_on` is the ground below the text of an alarm."""

    ground: str
    panel: str
    rule: str
    text: str
    label: str
    strong: str
    notice: str
    bad: str
    critical: str
    critical_on: str
    high: str
    high_on: str
    medium: str
    medium_on: str
    low: str
    cursor: str
    cursor_away: str
    line_critical: str
    line_high: str
    line_medium: str

    @property
    def of_alarm(self) -> tuple[str, ...]:
        """None of these may be on a screen where all is well."""
        grounds = (self.critical_on, self.high_on, self.medium_on)
        return (*grounds, self.line_critical, self.low, self.bad)


@dataclass(frozen=True, slots=True)
class Palette:
    """The styles of a theme, by name."""

    theme: Theme
    colours: Colours
    styles: Mapping[str, Style]


_GREY = Colours(
    ground="#1c1c1c", panel="#2a2a2a", rule="#868686",
    text="#c8c8c8", label="#8c8c8c", strong="#ffffff",
    notice="#e8d44d", bad="#e090b4",
    critical="#ffffff", critical_on="#c01818",
    high="#000000", high_on="#f07800",
    medium="#000000", medium_on="#e8d44d",
    low="#56b4e9", cursor="#383838", cursor_away="#2a2a2a",
    line_critical="#ff5f5f", line_high="#f07800", line_medium="#e8d44d",
)  # fmt: skip
_PAPER = Colours(
    ground="#f4f4f4", panel="#e4e4e4", rule="#707070",
    text="#303030", label="#606060", strong="#000000",
    notice="#6a5200", bad="#a03070",
    critical="#ffffff", critical_on="#b00020",
    high="#000000", high_on="#f08000",
    medium="#000000", medium_on="#ffe04a",
    low="#0050a0", cursor="#d8d8d8", cursor_away="#e6e6e6",
    line_critical="#b00020", line_high="#8c4600", line_medium="#6a5200",
)  # fmt: skip
_SIXTEEN = Colours(
    # the sixteen as terminals have them: nothing is lost on the way there
    ground="#000000", panel="#000000", rule="#aaaaaa",
    text="#aaaaaa", label="#aaaaaa", strong="#ffffff",
    notice="#ffff55", bad="#ff55ff",
    critical="#ffffff", critical_on="#aa0000",
    high="#000000", high_on="#ff5555",
    medium="#000000", medium_on="#ffff55",
    low="#55ffff", cursor="#0000aa", cursor_away="#000000",
    line_critical="#ff5555", line_high="#ff55ff", line_medium="#ffff55",
)  # fmt: skip


def _styles_of(c: Colours) -> dict[str, Style]:
    return {
        "": Style(),
        "label": Style(color=c.label),
        "dim": Style(color=c.label),
        "strong": Style(color=c.strong, bold=True),
        "here": Style(color=c.strong, bold=True, underline=True),
        "stale": Style(color=c.label, italic=True),
        "stale-lit": Style(color=c.text, italic=True),
        "notice": Style(color=c.notice),
        "bad": Style(color=c.bad, bold=True),
        "unknown": Style(color=c.ground, bgcolor=c.bad, bold=True),
        "critical": Style(color=c.critical, bgcolor=c.critical_on, bold=True),
        "high": Style(color=c.high, bgcolor=c.high_on, bold=True),
        "medium": Style(color=c.medium, bgcolor=c.medium_on),
        "low": Style(color=c.low, bold=True),
        "limit": Style(color=c.rule),
        "line-trip": Style(color=c.line_critical, bold=True),
        "line-critical": Style(color=c.line_critical, bold=True),
        "line-high": Style(color=c.line_high, bold=True),
        "line-medium": Style(color=c.line_medium),
        "line-low": Style(color=c.low),
        "cursor": Style(bgcolor=c.cursor, bold=True),
        "cursor-away": Style(bgcolor=c.cursor_away),
    }


def _palette(name: str, colours: Colours, *, dark: bool = True) -> Palette:
    theme = Theme(
        name=name,
        primary=colours.label,
        secondary=colours.rule,
        accent=colours.text,
        warning=colours.notice,
        error=colours.line_critical,
        success=colours.label,
        foreground=colours.text,
        background=colours.ground,
        surface=colours.ground,
        panel=colours.panel,
        dark=dark,
    )
    return Palette(theme, colours, _styles_of(colours))


_SIGNS_ALONE = {
    # without any colour a ground is shown by turning it round
    "unknown": Style(bold=True, reverse=True),
    "critical": Style(bold=True, reverse=True),
    "high": Style(bold=True, reverse=True),
    "medium": Style(reverse=True),
    "low": Style(bold=True),
    "bad": Style(bold=True),
    "notice": Style(underline=True),
}
_WHITE = replace(_SIXTEEN, text="#ffffff", label="#ffffff", cursor="#555555")
_MONO = _palette("mono", _WHITE)

DEFAULT, PAPER, SIXTEEN, MONO = "wheeltapper", "paper", "sixteen", "mono"
PALETTES: Mapping[str, Palette] = {
    DEFAULT: _palette(DEFAULT, _GREY),
    PAPER: _palette(PAPER, _PAPER, dark=False),
    SIXTEEN: _palette(SIXTEEN, _SIXTEEN),
    MONO: Palette(_MONO.theme, _WHITE, {**_MONO.styles, **_SIGNS_ALONE}),
}
GREY = PALETTES[DEFAULT].theme
STYLES = PALETTES[DEFAULT].styles
COLOURS_OF_ALARM = _GREY.of_alarm
"""None of these may be on a screen where all is well."""


def style_of(name: str, palette: str = DEFAULT) -> Style:
    """Return the style of a name; an unknown one is plain, as is an unknown palette."""
    styles = PALETTES.get(palette, PALETTES[DEFAULT]).styles
    return styles.get(name, styles[""])


def palette_for(colour_system: str | None, *, no_color: bool) -> str:
    """Return the palette for a terminal that shows so many colours.

    `colour_system` is what Rich finds out: `standard`, `256`, `truecolor`, or None.
    """
    if no_color:
        return MONO
    return SIXTEEN if colour_system in {"standard", "windows"} else DEFAULT
