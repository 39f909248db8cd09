"""Times as a histogram, in text and as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BINS, BIN_MS = 20, 1.0
_BAR = 40
_WIDTH, _HEIGHT, _LEFT, _GAP = 720, 110, 60, 34


def counts(times_s: Sequence[float]) -> list[int]:
    """Return how many fall into each millisecond; the last bin holds the rest."""
    found = [0] * (BINS + 1)
    for each in times_s:
        found[min(BINS, int(1000 * each / BIN_MS))] += 1
    return found


def text_histogram(taken: Mapping[tuple[str, str], Sequence[float]]) -> str:
    """Return one block of bars per subject and load."""
    blocks = []
    for (name, load), times_s in taken.items():
        found = counts(times_s)
        most = max(found)
        lines = [f"{name}, {load} ({len(times_s)} demands)"]
        lines += [
            f"{_label(place):>8} ms {'#' * round(_BAR * count / most):{_BAR}} {count}"
            for place, count in enumerate(found)
            if count
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def svg_histogram(
    taken: Mapping[tuple[str, str], Sequence[float]], scan_ms: float
) -> str:
    """Return the same as SVG; a line stands at the scan period."""
    height = len(taken) * (_HEIGHT + _GAP) + _GAP
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}"'
            f' height="{height}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for place, (key, times_s) in enumerate(taken.items()):
        top = _GAP + place * (_HEIGHT + _GAP)
        parts.append(_panel(", ".join(key), counts(times_s), top, scan_ms))
    return "\n".join([*parts, "</svg>", ""])


def _panel(title: str, found: list[int], top: int, scan_ms: float) -> str:
    wide = (_WIDTH - 2 * _LEFT) / len(found)
    base = top + _HEIGHT - 20
    parts = [f'<text x="{_LEFT}" y="{top - 6}">{escape(title)}, ms</text>']
    for place, count in enumerate(found):
        x = _LEFT + place * wide
        tall = (_HEIGHT - 24) * count / max(found)
        parts.append(
            f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{wide - 2:.1f}"'
            f' height="{tall:.1f}" fill="#4a6f8a"/>'
        )
        if place % 5 == 0:
            mark = escape(_label(place).strip())
            parts.append(f'<text x="{x:.1f}" y="{base + 14}">{mark}</text>')
    x = _LEFT + scan_ms / BIN_MS * wide
    parts.append(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{base}" stroke="#b00"/>'
    )
    return "\n".join(parts)


def _label(place: int) -> str:
    if place == BINS:
        return f">= {BINS * BIN_MS:g}"
    return f"{place * BIN_MS:g}"
