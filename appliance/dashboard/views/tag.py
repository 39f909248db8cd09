"""One tag: value, limits, and its past with all that is not good marked in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len

from appliance.dashboard.limits import TRIP, Limit
from appliance.dashboard.plot import (
    BAD,
    DOTS_ACROSS,
    MISSING,
    UNCERTAIN,
    Column,
    columns_of,
    drawn,
    row_of,
    scale_of,
)
from appliance.dashboard.standing import PRIORITIES, SYMBOLS
from appliance.dashboard.views.words import (
    TRUST_STYLE,
    Row,
    Word,
    labelled,
    shown_value,
    title,
)
from appliance.dashboard.wording import (
    clock_time,
    day_and_time,
    fit,
    number,
    plain,
    right,
    span,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from appliance.dashboard.model import History, Now, Plant
    from appliance.dashboard.readings import Reading

_AXIS = 9
_BELOW = 4
_DAY_S = 86_400.0
_TRIP_SIGN = "■X"
_QUALITY_SIGN = {
    BAD: ("×", "bad"),  # noqa: RUF001 - a cross, on purpose
    UNCERTAIN: ("~", "notice"),
    MISSING: ("·", "label"),
}


@dataclass(frozen=True, slots=True)
class View:
    """What of its past is looked at; `live`: it ends now, and goes on."""

    from_ns: int
    to_ns: int
    live: bool

    @property
    def length_s(self) -> float:
        """How much is seen."""
        return (self.to_ns - self.from_ns) / 1e9


def head_rows(plant: Plant, tag: str, width: int, now: Now) -> list[Row]:
    """Return name, value with unit, quality and age, instrument, and limits."""
    reading = plant.readings.reading(tag, now.s)
    if reading is None:
        return [
            title(tag or "no tag", width),
            ((fit(" there is no such tag here", width), "label"),),
            _limits_row(plant, tag, width),
        ]
    style = TRUST_STYLE[reading.trust]
    units = plain(reading.engineering_units)
    words = (shown_value(reading, 12).strip(), plain(reading.state), units)
    value = " ".join(word for word in words if word)
    age = f"   {reading.why}, {span(reading.age_s)} old"
    low, high = reading.range_low, reading.range_high
    known = low is not None and high is not None and math.isfinite(high - low)
    instrument = f"   measures {number(low)} … {number(high)}" if known else ""
    value_width = min(1 + cell_len(value), max(1, width - len(age)))
    used = value_width + len(age)
    return [
        title(tag, width, reading.description),
        (
            (fit(f" {value}", value_width), style or "strong"),
            (age, style or "dim"),
            (fit(instrument, max(0, width - used)), "label"),
        ),
        _limits_row(plant, tag, width),
    ]


def chart_rows(
    plant: Plant,
    tag: str,
    view: View,
    size: tuple[int, int],
    *,
    now: Now,
    zone: tzinfo | None,
) -> list[Row]:
    """Return the past as a chart with its axes; below it what is not good, and why."""
    width, height = size
    plot_width, plot_height = max(8, width - _AXIS), max(3, height - _BELOW - 1)
    history = plant.histories.get(tag)
    head = title(_heading(view, zone), width, "← → + - 0 now · x oldest")
    if history is None:
        return [head, ((fit(" asking the hub for its past", width), "label"),)]
    gaps = plant.missing.get(tag, ())
    columns = columns_of(
        history,
        plot_width * DOTS_ACROSS,
        until_ns=_until(plant, tag, now, history),
        gaps=[(gap.from_ns, gap.to_ns) for gap in gaps],
    )
    limits = plant.limits.get(tag, ())
    reading = plant.readings.reading(tag, now.s)
    bottom, top = scale_of(columns, limits, least=_least(reading))
    rows = [head]
    rows.extend(_plot(columns, limits, (plot_width, plot_height), (bottom, top)))
    rows.append(_quality_row(columns))
    rows.append(_events_row(plant, tag, history, plot_width))
    rows.append(_time_row(history, plot_width, zone))
    rows.append(_foot(columns, history, reading, width, [g.reason for g in gaps]))
    return rows[:height]


def _heading(view: View, zone: tzinfo | None) -> str:
    if view.live:
        return f"last {span(view.length_s)}"
    return f"{span(view.length_s)} until {day_and_time(view.to_ns, zone)}"


def _until(plant: Plant, tag: str, now: Now, history: History) -> int:
    """Return how far the last value holds: to its last confirmation."""
    age_s = plant.readings.age_s(tag, now.s)
    held_ns = now.utc_ns - round((age_s or 0.0) * 1e9)
    newest = history.source_time_ns[-1] if history.source_time_ns else held_ns
    return max(min(now.utc_ns, held_ns), newest)


def _least(reading: Reading | None) -> float:
    if reading is None or reading.range_low is None or reading.range_high is None:
        return 0.0
    width = reading.range_high - reading.range_low
    return 0.01 * width if math.isfinite(width) else 0.0


def _plot(
    columns: Sequence[Column],
    limits: Sequence[Limit],
    size: tuple[int, int],
    scale: tuple[float, float],
) -> list[Row]:
    (width, height), (bottom, top) = size, scale
    lines = drawn(columns, height, bottom=bottom, top=top)
    at = {
        place: limit
        for limit in limits
        if (place := row_of(limit.level, height, bottom=bottom, top=top)) is not None
    }
    beyond = [_passed(columns, place, limits) for place in range(width)]
    rows: list[Row] = []
    for place, line in enumerate(lines):
        limit = at.get(place)
        label, style = _axis_label(place, height, scale), "label"
        if limit is not None:
            sign = _TRIP_SIGN if limit.priority == TRIP else _sign(limit.priority)
            label = f"{sign} {number(limit.level, 3)}"
            style = "strong"
        words: list[Word] = [(right(label, _AXIS - 1) + "┤", style)]
        ground = "─" if limit is not None else " "
        cells = [
            (ground, "limit") if cell == " " else (cell, beyond[column])
            for column, cell in enumerate(line.ljust(width)[:width])
        ]
        for cell_style, group in groupby(cells, key=lambda cell: cell[1]):
            words.append(("".join(cell for cell, _ in group), cell_style))
        rows.append(tuple(words))
    return rows


def _passed(columns: Sequence[Column], cell: int, limits: Sequence[Limit]) -> str:
    """Return the style of a cell's values: plain until they pass a limit."""
    part = columns[cell * DOTS_ACROSS : (cell + 1) * DOTS_ACROSS]
    passed = {
        limit.priority
        for limit in limits
        for column in part
        if limit.passed_by(column.high) or limit.passed_by(column.low)
    }
    for priority in (TRIP, *PRIORITIES):
        if priority in passed:
            return f"line-{priority}"
    return ""


def _sign(priority: str) -> str:
    return SYMBOLS.get(priority, "?")


def _axis_label(place: int, height: int, scale: tuple[float, float]) -> str:
    bottom, top = scale
    if place in {0, height - 1, height // 2}:
        return number(top - (top - bottom) * (place + 0.5) / height, 3)
    return ""


def _quality_row(columns: Sequence[Column]) -> Row:
    """Return a sign under each cell where not everything was good."""
    words: list[Word] = [(fit(" quality", _AXIS), "label")]
    for place in range(0, len(columns), DOTS_ACROSS):
        part = {column.quality for column in columns[place : place + DOTS_ACROSS]}
        worst = next((each for each in (BAD, MISSING, UNCERTAIN) if each in part), "")
        words.append(_QUALITY_SIGN.get(worst, (" ", "")))
    return tuple(words)


def _events_row(plant: Plant, tag: str, history: History, width: int) -> Row:
    """Return a sign where something was told of the tag or its asset."""
    cells: list[Word] = [(" ", "")] * width
    asset = tag.split("/", 1)[0]
    length = max(1, history.to_ns - history.from_ns)
    for event in plant.events.of_tag(
        tag, asset, from_ns=history.from_ns, to_ns=history.to_ns
    ):
        place = min(width - 1, (event.time_ns - history.from_ns) * width // length)
        sign = SYMBOLS.get(event.priority, "")[:1]
        cells[place] = (sign, f"line-{event.priority}") if sign else ("┆", "label")
    return ((fit(" events", _AXIS), "label"), *cells)


def _time_row(history: History, width: int, zone: tzinfo | None) -> Row:
    """Return begin, middle and end of what is seen."""
    long = (history.to_ns - history.from_ns) / 1e9 > _DAY_S
    word = day_and_time if long else clock_time
    begin = word(history.from_ns, zone)
    middle = word((history.from_ns + history.to_ns) // 2, zone)
    end = word(history.to_ns, zone)
    room = width - len(begin) - len(end)
    between = " " * max(1, room) if room < len(middle) + 2 else middle.center(room)
    return ((" " * _AXIS + fit(f"{begin}{between}{end}", width), "label"),)


def _foot(
    columns: Sequence[Column],
    history: History,
    reading: Reading | None,
    width: int,
    reasons: Sequence[str],
) -> Row:
    known = [column for column in columns if column.known]
    if not known:
        text = "nothing good was stored in this time"
    else:
        units = ""
        if reading is not None and reading.engineering_units:
            units = f" {reading.engineering_units}"
        lowest = min(column.low for column in known)
        highest = max(column.high for column in known)
        text = (
            f"lowest {number(lowest)}{units}, highest {number(highest)}{units},"
            f" {len(history.value)} points shown"
        )
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        text += f"; a gap: {reasons[-1]}{more}"
    return ((fit(f" {text}", width), "label"),)


def _limits_row(plant: Plant, tag: str, width: int) -> Row:
    limits = plant.limits.get(tag, ())
    words = []
    for limit in limits:
        side = "above" if limit.above else "below"
        what = "trip" if limit.priority == TRIP else f"{limit.priority} alarm"
        sign = _TRIP_SIGN if limit.priority == TRIP else _sign(limit.priority)
        words.append(f"{sign} {side} {number(limit.level, 3)} {what}")
    text = " · ".join(words) if words else "none is configured"
    return labelled(" limits", text, width, label_width=9)
