"""Colours that are told apart, by people who see fewer of them as well."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from rich.color import ColorSystem

from appliance.dashboard.palette import (
    DEFAULT,
    MONO,
    PALETTES,
    PAPER,
    SIXTEEN,
    palette_for,
    style_of,
)

# Machado, Oliveira, Fernandes (2009), full severity, on linear RGB
DEUTERANOPIA = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
PROTANOPIA = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
NORMAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
CONTRAST_MIN = 4.5
APART_MIN = 15.0
"""A distance of 2 in CIELAB can just be seen, side by side."""

Colour = tuple[float, float, float]


def linear(name: str) -> Colour:
    """Return a colour `#rrggbb` in linear RGB."""
    red, green, blue = (int(name[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return _linear(red), _linear(green), _linear(blue)


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def contrast(one: str, other: str) -> float:
    """Return the contrast of WCAG 2."""
    first, second = (
        0.2126 * red + 0.7152 * green + 0.0722 * blue
        for red, green, blue in (linear(one), linear(other))
    )
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


def distance(one: str, other: str, seen: tuple[Colour, ...]) -> float:
    """Return the distance in CIELAB as such an eye sees it."""
    pairs = zip(_lab(linear(one), seen), _lab(linear(other), seen), strict=True)
    return math.sqrt(sum((a - b) ** 2 for a, b in pairs))


def _lab(colour: Colour, seen: tuple[Colour, ...]) -> Colour:
    red, green, blue = (
        min(1.0, max(0.0, sum(a * b for a, b in zip(row, colour, strict=True))))
        for row in seen
    )
    x = _root((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505)
    y = _root(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    z = _root((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _root(value: float) -> float:
    return value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116


def grounds(palette: str) -> dict[str, str]:
    """Return the colour by which each alarm is known."""
    colours = PALETTES[palette].colours
    return {
        "critical": colours.critical_on, "high": colours.high_on,
        "medium": colours.medium_on, "low": colours.low, "bad": colours.bad,
    }  # fmt: skip


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("lit", [False, True])
def test_every_text_stands_out_from_its_ground(palette: str, lit: bool) -> None:
    colours = PALETTES[palette].colours
    below = colours.cursor if lit else colours.ground
    dim = {"label", "dim", "limit", "stale"}
    charts = {name for name in PALETTES[palette].styles if name.startswith("line-")}
    for name, style in PALETTES[palette].styles.items():
        if name.startswith("cursor") or (lit and name in dim | charts):
            continue  # no text of its own; not drawn so on lighter ground
        text = style.color.name if style.color else colours.text
        ground = style.bgcolor.name if style.bgcolor else below
        assert contrast(text, ground) >= CONTRAST_MIN, (name, text, ground)


@pytest.mark.parametrize("palette", [DEFAULT, PAPER, SIXTEEN])
@pytest.mark.parametrize("seen", [NORMAL, DEUTERANOPIA, PROTANOPIA])
def test_the_priorities_are_told_apart(palette: str, seen: tuple[Colour, ...]) -> None:
    for (one, first), (other, second) in combinations(grounds(palette).items(), 2):
        apart = distance(first, second, seen)
        assert apart >= APART_MIN, (one, other, apart)


def test_the_simulation_shows_what_it_should() -> None:
    assert distance("#ff0000", "#5c5c00", NORMAL) > 60.0
    red, green = "#a06000", "#789000"
    assert distance(red, green, DEUTERANOPIA) < distance(red, green, NORMAL) / 2


def test_the_sixteen_reach_a_terminal_of_sixteen_colours_each_as_itself() -> None:
    colours = {
        colour.name: colour.downgrade(ColorSystem.STANDARD).number
        for style in PALETTES[SIXTEEN].styles.values()
        for colour in (style.color, style.bgcolor)
        if colour is not None
    }
    assert len(set(colours.values())) == len(colours) > 6


def test_what_the_terminal_shows_decides_where_nobody_has_chosen() -> None:
    assert palette_for("truecolor", no_color=False) == DEFAULT
    assert palette_for("256", no_color=False) == DEFAULT
    assert palette_for(None, no_color=False) == DEFAULT
    assert palette_for("standard", no_color=False) == SIXTEEN
    assert palette_for("truecolor", no_color=True) == MONO


def test_without_colour_an_alarm_is_turned_round() -> None:
    for name in ("critical", "high", "medium"):
        style = style_of(name, MONO)
        assert style.reverse
        assert style.color is None
    assert style_of("critical", MONO) != style_of("medium", MONO)
    assert style_of("unheard of", MONO) == style_of("", MONO)
    assert style_of("high", "no such palette") == style_of("high")
