"""Rows: words with the name of their style. Every row is literal text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, overload

from rich.cells import cell_len

from appliance.dashboard.readings import Trust
from appliance.dashboard.wording import fit, plain, right, span, sparkline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


class Items(Sequence[Item]):
    """Rows to choose from, each drawn when it comes into sight: a list may be long."""

    def __init__(self, keys: Sequence[str], draw: Callable[[int], Row]) -> None:
        self.keys = tuple(keys)
        self._draw = draw
        self._drawn: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self.keys)

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | Sequence[Item]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        return Item(self.keys[place], self.row(range(len(self))[place]))

    def row(self, place: int) -> Row:
        """Return the row at a place, counted from 0."""
        if place not in self._drawn:
            self._drawn[place] = self._draw(place)
        return self._drawn[place]


NO_ITEMS = Items((), lambda _place: ())


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
