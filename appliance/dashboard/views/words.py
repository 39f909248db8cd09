"""Rows: words with the name of their style. Every row is literal text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from rich.cells import cell_len

from appliance.dashboard.readings import Trust
from appliance.dashboard.wording import fit, plain, right, span, sparkline

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appliance.dashboard.readings import Reading

Word: TypeAlias = tuple[str, str]
"""Text and the name of its style (see `palette`)."""
Row: TypeAlias = tuple[Word, ...]

TRUST_SIGN = {
    Trust.GOOD: " ",
    Trust.UNCERTAIN: "~",
    Trust.BAD: "×",  # noqa: RUF001 - a cross, on purpose
    Trust.STALE: "?",
    Trust.NO_LINK: "?",
    Trust.WAITING: "…",
}
TRUST_STYLE = {
    Trust.GOOD: "",
    Trust.UNCERTAIN: "notice",
    Trust.BAD: "bad",
    Trust.STALE: "stale",
    Trust.NO_LINK: "stale",
    Trust.WAITING: "stale",
}


class Item(NamedTuple):
    """A row that can be chosen."""

    key: str
    row: Row


def title(text: str, width: int, remark: str = "") -> Row:
    """Return a heading with a line to the right edge."""
    head = f"─ {plain(text)} "
    tail = f" {plain(remark)} ─" if remark else ""
    rule = "─" * max(0, width - cell_len(head) - cell_len(tail))
    return ((fit(head, width - cell_len(tail) - len(rule)) + rule + tail, "label"),)


def text_of(rows: Iterable[Row]) -> str:
    """Return rows as plain text, for tests and logs."""
    return "\n".join("".join(word for word, _ in row).rstrip() for row in rows)


def labelled(label: str, text: str, width: int, *, label_width: int = 7) -> Row:
    """Return `label  text`, cut to the width."""
    return (
        (fit(label, label_width), "label"),
        (fit(text, max(0, width - label_width)), ""),
    )


def shown_value(reading: Reading, width: int) -> str:
    """Return the value with its sign of trust: bad shows no number at all."""
    sign = TRUST_SIGN[reading.trust]
    hidden = reading.trust in {Trust.BAD, Trust.WAITING}
    text = "---" if hidden else reading.text
    if reading.waveform and not hidden:
        text = "burst"
    return right(f"{sign}{text}", width)


def trail(reading: Reading, width: int) -> str:
    """Return the last two minutes, scaled with regard to the instrument's range."""
    if reading.waveform:
        return " " * width
    low, high = reading.range_low, reading.range_high
    least_span = 0.0 if low is None or high is None else 0.02 * (high - low)
    return sparkline(reading.trail, width, least_span=least_span)


def value_words(reading: Reading, *, trail_width: int) -> Row:
    """Return value, unit, trust, age and trail: 36 cells and the trail's."""
    style = TRUST_STYLE[reading.trust]
    return (
        (shown_value(reading, 9) + " ", style),
        (fit(reading.engineering_units, 6), "label"),
        (fit(reading.why, 10), style or "dim"),
        (right(span(reading.age_s), 8) + "  ", style or "dim"),
        (trail(reading, trail_width), "dim"),
    )
