"""A trend for a terminal: what was measured, held, not good, or missing. Pure.

Two columns of dots fit into a cell and four rows of them, so a chart of 60 by 10 cells
has 120 by 40 dots. A column spans its time: the lowest to the highest value in it, so
that no spike is lost however long the time is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.dashboard.limits import Limit
    from appliance.dashboard.model import History

DOTS_ACROSS, DOTS_DOWN = 2, 4
_BRAILLE = 0x2800
_DOT = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of the dot in a row (from the top) and column of a cell."""
GOOD, UNCERTAIN, BAD, MISSING = "good", "uncertain", "bad", "missing"
_QUALITY = {0: BAD, 1: UNCERTAIN}


@dataclass(frozen=True, slots=True)
class Column:
    """What is known of a stretch of time. NaN where nothing may be believed."""

    low: float = math.nan
    high: float = math.nan
    quality: str = MISSING

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.low)


def columns_of(
    history: History,
    count: int,
    *,
    until_ns: int,
    gaps: Sequence[tuple[int, int]] = (),
) -> list[Column]:
    """Return `count` equal stretches of the history's time.

    A value holds until the next one: sources report changes. After a bad one nothing
    holds, nor within a declared gap, nor beyond `until_ns` (now).
    """
    length = max(1, history.to_ns - history.from_ns)
    cells: list[list[tuple[float, int]]] = [[] for _ in range(count)]
    held = Column()
    for at_ns, value, quality in zip(
        history.source_time_ns, history.value, history.quality, strict=True
    ):
        place = (at_ns - history.from_ns) * count // length
        if 0 <= place < count:
            cells[place].append((value, quality))
        elif place < 0:
            held = _of([(value, quality)])
    columns: list[Column] = []
    for place, cell in enumerate(cells):
        begin_ns = history.from_ns + place * length // count
        end_ns = history.from_ns + (place + 1) * length // count
        missing = begin_ns >= until_ns or any(
            first < end_ns and last > begin_ns for first, last in gaps
        )
        if cell:
            columns.append(_of(cell))
            held = _of(cell[-1:])
        else:
            held = Column() if missing else held
            columns.append(held)
    return columns


def scale_of(
    columns: Sequence[Column], limits: Sequence[Limit], *, least: float = 0.0
) -> tuple[float, float]:
    """Return bottom and top: all values, and the limits that are not far away.

    At least `least` wide, so that noise does not look like news.
    """
    lows = [column.low for column in columns if column.known]
    highs = [column.high for column in columns if column.known]
    if not lows:
        return (0.0, 1.0)
    bottom, top = min(lows), max(highs)
    width = max(top - bottom, least, 0.02 * max(abs(bottom), abs(top)), 1e-9)
    for limit in limits:
        if bottom - 2 * width <= limit.level <= top + 2 * width:
            bottom, top = min(bottom, limit.level), max(top, limit.level)
    missing = max(0.0, width - (top - bottom))
    margin = 0.05 * max(top - bottom, width)
    return bottom - missing / 2 - margin, top + missing / 2 + margin


def drawn(
    columns: Sequence[Column], height: int, *, bottom: float, top: float
) -> list[str]:
    """Return the lines of the chart, from the top down; blank where nothing is."""
    width = -(-len(columns) // DOTS_ACROSS)
    cells = [[0] * width for _ in range(height)]
    before: Column | None = None
    for place, column in enumerate(columns):
        if column.known:
            first, last = _dots(column, before, height, bottom=bottom, top=top)
            for row in range(first, last + 1):
                bit = _DOT[row % DOTS_DOWN][place % DOTS_ACROSS]
                cells[row // DOTS_DOWN][place // DOTS_ACROSS] |= bit
        before = column if column.known else None
    return [
        "".join(chr(_BRAILLE + bits) if bits else " " for bits in line)
        for line in cells
    ]


def row_of(level: float, height: int, *, bottom: float, top: float) -> int | None:
    """Return the line of a level, from the top; None where it is out of sight."""
    if not bottom <= level <= top:
        return None
    return _dot_row(level, height, bottom=bottom, top=top) // DOTS_DOWN


def _of(rows: Sequence[tuple[float, int]]) -> Column:
    known = [value for value, _ in rows if math.isfinite(value)]
    if not known:
        return Column(quality=BAD)
    worst = min(quality for _, quality in rows)
    return Column(min(known), max(known), _QUALITY.get(worst, GOOD))


def _dots(
    column: Column, before: Column | None, height: int, *, bottom: float, top: float
) -> tuple[int, int]:
    """Return the first and last dot of a column, joined to the one before."""
    first = _dot_row(column.high, height, bottom=bottom, top=top)
    last = _dot_row(column.low, height, bottom=bottom, top=top)
    if before is not None:
        first = min(first, _dot_row(before.low, height, bottom=bottom, top=top))
        last = max(last, _dot_row(before.high, height, bottom=bottom, top=top))
    return first, last


def _dot_row(value: float, height: int, *, bottom: float, top: float) -> int:
    rows = height * DOTS_DOWN
    share = (value - bottom) / (top - bottom) if top > bottom else 0.5
    return min(max(round((1.0 - share) * (rows - 1)), 0), rows - 1)
