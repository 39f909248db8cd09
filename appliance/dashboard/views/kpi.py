"""How good the alarms are: figures beside their targets, and who makes the load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.kpis import JUDGED_AFTER_S, Figure, Frequent, Judged
from appliance.dashboard.standing import SYMBOLS
from appliance.dashboard.views.words import NO_ITEMS, Items, Row, title
from appliance.dashboard.wording import (
    clock_time,
    counted,
    day_and_time,
    fit,
    number,
    right,
    span,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from appliance.dashboard.model import Plant

_SIGN, _VALUE = 3, 8
_RATE, _ABOUT = 8, 11
"""Cells for a target."""
_COUNT, _SHARE, _MARK = 7, 9, 19
_HALF_DAY_S = 43_200.0


def head_row(plant: Plant, width: int, zone: tzinfo | None) -> Row:
    """Return since when is counted, and what came of it."""
    kpis = plant.kpis
    if kpis is None:
        return title("how good the alarms are: the hub has not told yet", width)
    long_ago = kpis.length_s > _HALF_DAY_S
    began = (day_and_time if long_ago else clock_time)(kpis.since_ns, zone)
    since = f"since {began} ({span(kpis.length_s)})"
    verdict = "as it should be"
    if kpis.beyond:
        verdict = f"{kpis.beyond} beyond target"
    elif kpis.length_s < JUDGED_AFTER_S:
        verdict = "too early to judge all"
    asked = f"as of {clock_time(kpis.until_ns, zone)}"
    return title(f"{counted(kpis.count, 'alarm')} {since}: {verdict}", width, asked)


def figure_rows(plant: Plant, width: int) -> list[Row]:
    """Return rates and floods beside their targets."""
    if plant.kpis is None:
        return []
    head = _figure(Figure("", "is", "ought"), "alarms", width, _RATE)
    rows = (_figure(each, each.name, width, _RATE) for each in plant.kpis.figures)
    return [head, *rows]


def share_rows(plant: Plant, width: int) -> list[Row]:
    """Return the split by priority, and how long alarms stood."""
    kpis = plant.kpis
    if kpis is None:
        return []
    rows = [_figure(Figure("", "is", "ought"), "priority", width, _ABOUT)]
    rows.extend(
        _figure(each, f"{SYMBOLS[each.name]} {each.name}", width, _ABOUT)
        for each in kpis.shares
    )
    rows.append(((fit("", width), ""),))
    told = [(name, str(count)) for name, count in kpis.states]
    told += [(name, span(length_s)) for name, length_s in kpis.longest]
    rows.extend(_figure(Figure(name, text), name, width, _ABOUT) for name, text in told)
    return rows


def frequent_title(plant: Plant, width: int) -> Row:
    """Return the heading of the list."""
    nothing = plant.kpis is None or not plant.kpis.frequent
    text = "no alarm came" if nothing else "the most frequent: mend these first"
    return title(text, width, "" if nothing else "enter its tag")


def frequent_items(plant: Plant, width: int) -> Items:
    """Return the most frequent alarms, and what else chatters or is stale."""
    if plant.kpis is None:
        return NO_ITEMS
    found = plant.kpis.frequent

    def draw(place: int) -> Row:
        return _frequent(found[place], width)

    return Items([each.alarm for each in found], draw)


def _figure(figure: Figure, name: str, width: int, target_width: int) -> Row:
    beyond = figure.judged is Judged.BEYOND
    style = "notice" if beyond else "label" if figure.judged is Judged.EARLY else ""
    return (
        (fit(" !" if beyond else "", _SIGN), style),
        (fit(name, max(0, width - _SIGN - _VALUE - target_width)), style or "label"),
        (right(figure.text, _VALUE), style),
        (right(figure.target, target_width), "label"),
    )


def _frequent(each: Frequent, width: int) -> Row:
    marks = [
        word
        for word, told in (("chattering", each.chattering), ("stale", each.stale))
        if told
    ]
    share = f"{number(each.share_pct, 3)} %" if each.came else ""
    return (
        (fit(f"   {each.alarm}", max(0, width - _COUNT - _SHARE - _MARK)), ""),
        (right(each.came or "", _COUNT), ""),
        (right(share, _SHARE) + "  ", "label"),
        (fit(", ".join(marks), _MARK - 2), "notice" if marks else ""),
    )
