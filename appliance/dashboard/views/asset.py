"""One asset: health and its trend, what contributes, remaining life, the spectrum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.cells import cell_len

from appliance.dashboard.spectrum import spectrum_of
from appliance.dashboard.views.forecast import FAN, fan_of
from appliance.dashboard.views.overview import (
    asset_style,
    health_word,
    life_word,
    score_word,
)
from appliance.dashboard.views.words import Row, Word, labelled, title
from appliance.dashboard.wording import (
    chart,
    counted,
    fit,
    hours,
    number,
    plain_name,
    right,
    span,
)
from appliance.domain.health import HEALTH_INDEX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.dashboard.machines import Asset
    from appliance.dashboard.model import History, Now, Plant
    from appliance.dashboard.spectrum import Line, Spectrum
    from appliance.domain.health import LikelyFault

_AXIS, _HEALTH = 5, 12
_LINE_SIGNS = {"BPFO": "O", "BPFI": "I", "BSF": "B", "FTF": "C"}
LINE_MEANINGS = {
    "BPFO": "outer race",
    "BPFI": "inner race",
    "BSF": "ball",
    "FTF": "cage",
}


def head_rows(plant: Plant, asset: Asset, width: int, now: Now) -> list[Row]:
    """Return who it is, how it is, and why: three to five rows."""
    alarms = sum(alarm.announced for alarm in asset.alarms)
    remark = f"{counted(alarms, 'alarm')} (3)" if alarms else ""
    name = " · ".join(
        part for part in (asset.id, asset.kind, asset.description) if part
    )
    stands = asset.mode not in {"", "running"}
    mode = f"   machine {asset.mode}" if stands else ""
    word = health_word(asset)
    room = min(_HEALTH, cell_len(word))
    score = score_word(asset)
    score = f"   score {score}{' limit' if score != '-' else ''}"
    life = f"   life {life_word(asset)}"
    note = ", 8 in 10" if asset.life is not None else ""
    row: Row = (
        (fit(" health", 9), "label"),
        (fit(word, room), asset_style(asset) or "strong"),
        (fit(f"{score}{life}{note}{mode}", width - 9 - room), ""),
    )
    return [
        title(name, width, remark),
        row,
        labelled(" mostly", _mostly(plant, asset, now), width, label_width=9),
        *(labelled(label, text, width, label_width=9) for label, text in _told(asset)),
    ]


def _mostly(plant: Plant, asset: Asset, now: Now) -> str:
    """Return the tags that contribute, the first with its value of now."""
    abnormal = asset.score is not None and (asset.score.good_value or 0.0) > 1.0
    told = asset.explanation
    cause = told.tags[0].tag if told is not None and told.tags else asset.cause
    if not cause or not abnormal:
        return "nothing stands out"
    reading = plant.readings.reading(cause, now.s)
    measured = ""
    if reading is not None:
        value = f"{reading.text} {reading.engineering_units}"
        value = "see the spectrum" if reading.waveform else f"now {value}"
        measured = f", {value} ({reading.trust}, {span(reading.age_s)} old)"
    if told is None or not told.tags:
        return f"{cause}{measured}"
    others = (
        f"{each.tag.removeprefix(f'{asset.id}/')} {100 * each.share:.0f} %"
        for each in told.tags[1:3]
    )
    share = f" {100 * told.tags[0].share:.0f} %"
    return ", ".join((f"{cause}{share}{measured}", *others))


def _told(asset: Asset) -> list[tuple[str, str]]:
    """Return the likely fault with its evidence, and what is wrong with instruments."""
    told = asset.explanation
    if told is None:
        return []
    rows = [
        (" likely", f"{plain_name(each.fault)} ({_percent(each)}): {each.evidence}")
        for each in told.likely[:1]
    ]
    rows.extend(
        (" sensor", f"{each.tag} {each.finding}: {each.evidence}")
        for each in told.sensor[:1]
    )
    return rows


def _percent(fault: LikelyFault) -> str:
    return f"{100 * fault.confidence:.0f} %"


def trend_rows(
    history: History | None, asset: Asset, size: tuple[int, int], span_s: float
) -> list[Row]:
    """Return the health trend as a chart; a gap stays a gap. Then its forecast."""
    width, height = size
    plot_width, plot_height = max(1, width - _AXIS), max(1, height - 2)
    ahead = fan_of(asset, plot_width // 4, plot_height)
    remark = f"then {hours(ahead.hours)}" if ahead.lines else "no forecast"
    rows = [title(f"health, {span(span_s)} (w)", width, remark)]
    past_width = plot_width - (ahead.width + 1 if ahead.lines else 0)
    values = resampled(history, past_width, asset)
    lines = chart(values, plot_height, low=0.0, high=1.0)
    for place, line in enumerate(lines):
        axis = {0: "1.0 ", plot_height - 1: "0.0 "}.get(place, "")
        row: list[Word] = [(right(axis, _AXIS), "label"), (fit(line, past_width), "")]
        if ahead.lines:
            row += [("│", "label"), (ahead.lines[place], "dim")]
        rows.append(tuple(row))
    newest = "" if asset.health is None else f"now {asset.health:.2f}"
    note = f"1 new, 0 failed; {FAN} 8 in 10" if ahead.lines else "1 new, 0 failed"
    foot = fit(f"     {note}", max(0, width - len(newest) - 1))
    rows.append(((foot, "label"), (newest, "")))
    return rows[:height]


def resampled(history: History | None, width: int, asset: Asset) -> list[float]:
    """Return one value per column: the lowest of its time, held until the next one."""
    if history is None or history.tag != f"{asset.id}/{HEALTH_INDEX}":
        return [math.nan] * width
    columns = [math.nan] * width
    length = max(1, history.to_ns - history.from_ns)
    for at_ns, value in zip(history.source_time_ns, history.value, strict=True):
        place = (at_ns - history.from_ns) * width // length
        if not 0 <= place < width:
            continue
        held = columns[place]
        columns[place] = value if math.isnan(held) else min(held, value)
    return _filled(columns, history, width)


def spectrum_rows(
    plant: Plant, asset: Asset, size: tuple[int, int], now: Now, *, envelope: bool
) -> list[Row]:
    """Return the spectrum of the newest waveform with the bearing's lines."""
    width, height = size
    kind = "envelope spectrum" if envelope else "spectrum"
    rows = [title(f"{kind} (e)", width)]
    waveform = plant.readings.waveforms.get(asset.waveform_tag or "")
    if waveform is None:
        return [*rows, ((fit(" no waveform yet", width), "label"),)][:height]
    speed = plant.readings.good_value(asset.speed_tag, now.s)
    found = spectrum_of(
        waveform,
        envelope=envelope,
        shaft_hz=None if speed is None else speed / 60.0,
        orders=asset.orders,
    )
    if found is None:
        return [*rows, ((fit(" the waveform is too short", width), "label"),)][:height]
    age_s = plant.readings.age_s(asset.waveform_tag or "", now.s)
    linked = plant.readings.linked
    rows[0] = title(f"{kind} (e)", width, "OLD" if not linked else f"{span(age_s)} old")
    plot_height = max(1, height - 4)
    peaks = found.columns(width, top_hz=found.top_hz)
    highest = max((peak for peak in peaks if math.isfinite(peak)), default=0.0)
    rows.append(_marks(found, width))
    rows.extend(
        ((line, "" if linked else "stale"),)
        for line in chart(peaks, plot_height, low=0.0, high=highest)
    )
    scale = f"0 Hz  highest {number(highest, 3)} m/s²"
    end = f"{number(found.top_hz, 3)} Hz"
    rows.append(((fit(scale, max(0, width - len(end))), "label"), (end, "label")))
    rows.append(_legend(found.lines, width, why=_why_no_lines(asset, speed)))
    return rows[:height]


def _marks(found: Spectrum, width: int) -> Row:
    cells = [" "] * width
    for line in found.lines:
        for harmonic in (1, 2, 3):
            place = int(line.hertz * harmonic / found.top_hz * width)
            if found.envelope and 0 <= place < width and cells[place] == " ":
                cells[place] = _LINE_SIGNS.get(line.name, "|")
    return (("".join(cells), "label"),)


def _why_no_lines(asset: Asset, speed: float | None) -> str:
    if not asset.orders:
        return "no bearing is configured"
    return "the speed is not known" if speed is None else "the machine stands still"


def _legend(lines: Sequence[Line], width: int, *, why: str) -> Row:
    if not lines:
        return ((fit(f"no bearing lines: {why}", width), "label"),)
    words: list[tuple[str, str]] = []
    room = width
    for line in sorted(lines, key=lambda each: -each.times_floor):
        sign = _LINE_SIGNS.get(line.name, "|")
        meaning = LINE_MEANINGS.get(line.name, line.name)
        times = number(line.times_floor, 2)
        text = f"{sign} {meaning} {line.hertz:.0f} Hz {times}×  "  # noqa: RUF001 - times
        if len(text) > room:
            break
        words.append((text, "notice" if line.stands_out else "label"))
        room -= len(text)
    return (*words, (" " * room, ""))


def _filled(columns: list[float], history: History, width: int) -> list[float]:
    """Hold a value for at most a few columns: sparse points are no gaps."""
    points = max(1, len(history.value))
    hold = max(1, min(width, round(3 * width / points)))
    filled, age, held = [], hold, math.nan
    for value in columns:
        age = age + 1 if math.isnan(value) else 0
        held = held if math.isnan(value) else value
        filled.append(held if age < hold else math.nan)
    return filled
