"""Text for a terminal of fixed columns: always literal, never wider than its place."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

_NS = 1_000_000_000
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_BLOCKS = " ▁▂▃▄▅▆▇█"
GAP = "·"


def plain(text: object) -> str:
    """Return the text on one line, literally; what does not print is replaced."""
    return "".join(c if c.isprintable() else "�" for c in str(text))


def fit(text: object, width: int) -> str:
    """Return the text in exactly `width` cells; `…` says that something is cut off."""
    line = plain(text)
    if cell_len(line) <= width:
        return set_cell_size(line, width)
    if width <= 1:
        return "…"[:width]
    return set_cell_size(line, width - 1) + "…"


def right(text: object, width: int) -> str:
    """Return the text in exactly `width` cells, to the right."""
    line = plain(text)
    room = width - cell_len(line)
    return " " * room + line if room >= 0 else fit(line, width)


def wrapped(text: object, width: int) -> list[str]:
    """Return the text in lines of at most `width` cells, broken at spaces."""
    lines: list[str] = []
    line = ""
    for word in plain(text).split():
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while cell_len(line) > width > 0:
            head = set_cell_size(line, width).rstrip()
            lines.append(head)
            line = line[len(head) :]
    if line:
        lines.append(line)
    return lines


def counted(count: int, noun: str) -> str:
    """Return `1 alarm`, `2 alarms`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def plain_name(name: str) -> str:
    """Return a name of the code as people read it: `outer race` for `outer_race`."""
    return name.replace("_", " ")


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as people read it: `digits` significant ones, no exponent."""
    if value is None or math.isnan(value):
        return "---"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0.0:
        return "0"
    whole = math.floor(math.log10(abs(value))) + 1
    if whole > 9 or whole < -5:  # noqa: PLR2004 - beyond that zeros are counted
        return f"{value:.{digits - 1}e}"
    return f"{value:.{max(0, digits - max(whole, 0))}f}"


def decimals(value: float, step: float) -> str:
    """Return a number with the decimals that a step of this size calls for."""
    if not math.isfinite(value):
        return number(value)
    text = f"{value:.{min(6, max(0, round(-math.log10(step))))}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def span(seconds: float | None) -> str:
    """Return a length of time in at most six characters: `0.3 s`, `45 s`, `12 min`."""
    if seconds is None or math.isnan(seconds):
        return "never"
    if seconds < 10:  # noqa: PLR2004 - tenths matter below
        return f"{max(0.0, seconds):.1f} s"
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < 2 * _DAY_S:
        return f"{seconds / _HOUR_S:.0f} h"
    return f"{min(seconds / _DAY_S, 9999):.0f} d"


def hours(value: float | None) -> str:
    """Return hours of life: `4.1 h`, `12 d`."""
    if value is None or math.isnan(value):
        return "---"
    if math.isinf(value):
        return "∞"
    if value < 100:  # noqa: PLR2004 - a few days are still thought of in hours
        return f"{number(value, 2)} h"
    return f"{value / 24:.0f} d"


def clock_time(utc_ns: int, zone: tzinfo | None) -> str:
    """Return the time of day of a moment; `zone` None is the machine's own."""
    return _moment(utc_ns, zone).strftime("%H:%M:%S")


def day_and_time(utc_ns: int, zone: tzinfo | None) -> str:
    """Return the day and the time of a moment."""
    return _moment(utc_ns, zone).strftime("%m-%d %H:%M:%S")


def size(count: float) -> str:
    """Return bytes as `12.3 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:  # noqa: PLR2004 - SI steps
            return f"{number(count, 3)} {unit}"
        count /= 1000
    return f"{number(count, 3)} TB"


def sparkline(
    values: Sequence[float],
    width: int,
    *,
    least_span: float = 0.0,
) -> str:
    """Return the newest values as blocks, a gap as a dot.

    Scaled to what is shown, but to no less than `least_span` and a twentieth of the
    value, so that noise does not look like news.
    """
    shown = list(values)[-width:]
    known = [value for value in shown if math.isfinite(value)]
    if not known:
        return right(GAP * len(shown), width)
    bottom, top = min(known), max(known)
    missing = max(least_span, 0.05 * max(abs(bottom), abs(top))) - (top - bottom)
    if missing > 0.0:
        # not the middle itself: it lies between two blocks, and noise would show there
        bottom, top = bottom - 0.45 * missing, top + 0.55 * missing
    return right("".join(_block(v, bottom, top) for v in shown), width)


def chart(
    values: Sequence[float], height: int, *, low: float, high: float
) -> list[str]:
    """Return columns of blocks, one per value, `height` lines from the top down."""
    lines = []
    for line in range(height - 1, -1, -1):
        drawn = []
        for value in values:
            if not math.isfinite(value):
                drawn.append(GAP if line == 0 else " ")
                continue
            share = (value - low) / (high - low) if high > low else 0.0
            eighths = round(min(max(share, 0.0), 1.0) * height * 8) - line * 8
            least = 1 if line == 0 else 0
            drawn.append(_BLOCKS[min(max(eighths, least), 8)])
        lines.append("".join(drawn))
    return lines


def _block(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return GAP
    if high <= low:
        return _BLOCKS[4]
    share = min(max((value - low) / (high - low), 0.0), 1.0)
    return _BLOCKS[1 + round(share * 7)]


def _moment(utc_ns: int, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(utc_ns / _NS, tz=UTC).astimezone(zone)
