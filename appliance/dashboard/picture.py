"""What is on the screen, as plain data: for a browser, and for snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rich.cells import cell_len
from rich.style import Style

if TYPE_CHECKING:
    from textual.app import App


class Piece(NamedTuple):
    """Neighbouring cells of one style."""

    text: str
    cells: int
    style: Style


def pieces_of(app: App[Any]) -> list[list[Piece]]:
    """Return the lines of the screen, as few pieces as there are styles."""
    # Textual has no public way to the cells of a screen but a finished picture
    strips = app.screen._compositor.render_strips()  # noqa: SLF001 - see above
    lines = []
    for strip in strips:
        line: list[Piece] = []
        for segment in strip:
            style = _plain(segment.style)
            if line and line[-1].style == style:
                text = line[-1].text + segment.text
                line[-1] = Piece(text, cell_len(text), style)
            elif segment.text:
                line.append(Piece(segment.text, cell_len(segment.text), style))
        lines.append(line)
    return lines


def frame_of(app: App[Any]) -> dict[str, Any]:
    """Return the screen for a page: rows of [text, cells, style's place]."""
    theme = app.current_theme
    text, ground = theme.foreground or "", theme.background or ""
    styles: dict[Style, int] = {}
    rows = [
        [
            [piece.text, piece.cells, styles.setdefault(piece.style, len(styles))]
            for piece in line
        ]
        for line in pieces_of(app)
    ]
    width, height = app.size
    return {
        "width": width,
        "height": height,
        "ground": ground,
        "rows": rows,
        "styles": [_style(style, text, ground) for style in styles],
    }


def _plain(style: Style | None) -> Style:
    """Return a style without what is not seen."""
    if style is None:
        return Style()
    return Style(
        color=style.color, bgcolor=style.bgcolor, bold=style.bold, dim=style.dim,
        italic=style.italic, underline=style.underline, reverse=style.reverse,
    )  # fmt: skip


def _style(style: Style, text: str, ground: str) -> dict[str, Any]:
    colour, below = _hex(style, "color") or text, _hex(style, "bgcolor") or ground
    if style.reverse:
        colour, below = below, colour
    return {
        "color": colour,
        "ground": below,
        "bold": bool(style.bold),
        "italic": bool(style.italic),
        "underline": bool(style.underline),
    }


def _hex(style: Style, which: str) -> str:
    colour = getattr(style, which)
    return "" if colour is None or colour.is_default else colour.get_truecolor().hex
