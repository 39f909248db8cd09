"""Overview: what is wrong, how sure, what to do; the assets; the values of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.dashboard.advice import advise
from appliance.dashboard.readings import Trust
from appliance.dashboard.standing import SYMBOLS
from appliance.dashboard.views.gauge import gauge
from appliance.dashboard.views.words import NO_ITEMS, Items, Row, title, value_words
from appliance.dashboard.wording import fit, hours, number, right, sparkline, wrapped

if TYPE_CHECKING:
    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import Now, Plant
    from appliance.dashboard.standing import Alarm

_WIDE = 100
_LABEL = 11


def problem_rows(plant: Plant, width: int, height: int, now: Now) -> list[Row]:
    """Return the answer to the three questions, at most `height` rows."""
    advice = advise(plant, now)
    symbol = SYMBOLS.get(advice.severity, "? " if advice.severity else "  ")
    style = advice.severity or "strong"
    rows = [title("What is wrong", width, advice.more)]
    rows.append(((f" {symbol} ", style), (fit(advice.wrong, width - 4), style)))
    do = _paragraph("WHAT TO DO", advice.do, width, style="strong")
    lead = "how sure" if not advice.well else ""
    sure: list[Row] = []
    for text in advice.sure:
        sure.extend(_paragraph(lead, text, width))
        lead = ""
    if advice.consequence:
        sure.extend(_paragraph("otherwise", advice.consequence, width))
    room = max(0, height - len(rows) - len(do))
    return [*rows, *sure[:room], *do][:height]


def asset_items(plant: Plant, width: int, now: Now) -> Items:
    """Return the assets, the worst first."""
    assets = plant.assets(now)
    return Items(
        [asset.id for asset in assets], lambda place: _asset_row(assets[place], width)
    )


def asset_head(width: int) -> Row:
    """Return the head of the assets' columns."""
    wide = max(0, width - 80)
    words = (
        fit("   asset", 15) + fit("what", 12 + wide // 2) + right("health", 8) + "  "
        + fit("last 2 min", 12) + right("score", 8) + "  "
        + fit("remaining life", 20)
    )  # fmt: skip
    return ((fit(words, width), "label"),)


def value_items(plant: Plant, asset: Asset | None, width: int, now: Now) -> Items:
    """Return the values of an asset, those with an alarm first."""
    if asset is None:
        return NO_ITEMS
    marks = {a.tag: a for a in reversed(asset.alarms) if a.announced}
    tags = sorted(asset.tags, key=lambda tag: tag not in marks)
    return Items(
        tags,
        lambda place: _value_row(
            plant, asset, tags[place], marks.get(tags[place]), width=width, now=now
        ),
    )


def health_word(asset: Asset) -> str:
    """Return the health index, or why there is none."""
    if not asset.judged or asset.index is None:
        return "-"
    if asset.health is not None:
        return f"{asset.health:.2f}"
    match asset.index.trust:
        case Trust.WAITING:
            return "no model"
        case Trust.BAD:
            return asset.mode if asset.mode not in {"", "running"} else "none now"
        case trust:
            return str(trust)


def life_word(asset: Asset) -> str:
    """Return the remaining life with its interval, or a dash."""
    life = asset.life
    if life is None:
        return "-"
    expected, low, high = (
        hours(life.expected_h), hours(life.low_h), hours(life.high_h),
    )  # fmt: skip
    return f"{expected} ({low}…{high})".replace(" h…", "…")


def score_word(asset: Asset) -> str:
    """Return the anomaly score in multiples of its limit."""
    score = None if asset.score is None else asset.score.good_value
    return "-" if score is None else f"{number(score, 2)}×"  # noqa: RUF001 - times


def asset_style(asset: Asset) -> str:
    """Return the style of the asset's worst alarm, or none."""
    worst = asset.worst
    return worst.priority if worst is not None and worst.announced else ""


def _value_row(
    plant: Plant,
    asset: Asset,
    tag: str,
    alarm: Alarm | None,
    *,
    width: int,
    now: Now,
) -> Row:
    name_width = 24 + max(0, width - 80) // 4
    gauge_width = 22 if width >= _WIDE else 0
    sign = "" if alarm is None else alarm.symbol
    head: Row = (
        (fit(sign, 3), "" if alarm is None else alarm.priority),
        (fit(tag[len(asset.id) + 1 :], name_width - 1) + " ", ""),
    )
    reading = plant.readings.reading(tag, now.s)
    if reading is None:
        return head
    trail_width = max(4, width - name_width - 39 - gauge_width)
    row = (*head, *value_words(reading, trail_width=trail_width))
    if not gauge_width:
        return row
    limits = plant.limits.get(tag, ())
    return (*row, ("  ", ""), *gauge(reading, limits, gauge_width - 2))


def _asset_row(asset: Asset, width: int) -> Row:
    style, worst = asset_style(asset), asset.worst
    sign = worst.symbol if worst is not None and worst.announced else ""
    if not sign and asset.anomaly:
        sign = "~"
    wide = max(0, width - 80)
    trail = () if asset.index is None else asset.index.trail
    return (
        (fit(sign, 3), style),
        (fit(asset.id, 11) + " ", "strong"),
        (fit(asset.description or asset.kind, 11 + wide // 2) + " ", "label"),
        (right(health_word(asset), 8) + "  ", "stale" if asset.health is None else ""),
        (sparkline(trail, 12, least_span=0.5) if asset.judged else " " * 12, "dim"),
        (right(score_word(asset), 8) + "  ", "notice" if asset.anomaly else "dim"),
        (fit(life_word(asset), 20), ""),
    )


def _paragraph(label: str, text: str, width: int, *, style: str = "") -> list[Row]:
    lines = wrapped(text, max(1, width - _LABEL - 4))
    return [
        (
            (f"    {fit(label if place == 0 else '', _LABEL)}", "label"),
            (fit(line, max(0, width - _LABEL - 4)), style),
        )
        for place, line in enumerate(lines)
    ]
