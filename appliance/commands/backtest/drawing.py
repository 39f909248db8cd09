"""Charts of a backtest as inline SVG: pure text, nothing from outside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from appliance.commands.backtest.outcome import spans, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.commands.backtest.export import TimeColumn
    from appliance.commands.backtest.outcome import Flags
    from models.features.asset import FloatColumn

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 64, 12, 10, 22
_INNER = WIDTH - LEFT - RIGHT
_MOST_MARKS = 400
_NS = 1_000_000_000
_FLAT = 1e-12
_DECADES = (1e-3, 1e9)  # what a logarithmic chart shows of a score in limits
_MOST_TICKS = 6
_NARROW = 2  # decades: then 2 and 5 have a line, too


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """Time from left to right: rows in order of time, and what is marked on them."""

    time_ns: TimeColumn
    trained: Flags
    anomaly: Flags
    alarm: Flags
    changepoint: Flags

    def x(self, time_ns: TimeColumn) -> FloatColumn:
        """Return the places of moments in the drawing."""
        first, last = int(self.time_ns[0]), int(self.time_ns[-1])
        part = (time_ns - first).astype(np.float64) / max(1, last - first)
        return LEFT + part * _INNER


def chart(
    axis: Axis,
    values: FloatColumn,
    *,
    title: str,
    limit: FloatColumn | None = None,
    logarithmic: bool = False,
    height: int = 150,
) -> str:
    """Draw values over time; gaps stay gaps, extremes survive the thinning."""
    scale = _Scale.of(values, limit, height=height, logarithmic=logarithmic)
    parts = [
        _opening(title, height),
        *_backdrop(axis, height),
        *_value_axis(scale),
        *_time_axis(axis, height),
        f'<path class="line" d="{_path(axis, values, scale)}"/>',
    ]
    if limit is not None:
        parts.append(f'<path class="limit" d="{_path(axis, limit, scale)}"/>')
    parts += _marks(axis, height)
    return "".join([*parts, "</svg>"])


def _opening(title: str, height: int) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>'
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values to heights."""

    low: float
    high: float
    height: int
    logarithmic: bool

    @classmethod
    def of(
        cls,
        values: FloatColumn,
        limit: FloatColumn | None,
        *,
        height: int,
        logarithmic: bool,
    ) -> _Scale:
        shown = values if limit is None else np.concatenate((values, limit))
        shown = shown[np.isfinite(shown)]
        if logarithmic:
            shown = np.log10(np.clip(shown, *_DECADES))
        low, high = (float(shown.min()), float(shown.max())) if len(shown) else (0, 1)
        if high - low <= _FLAT * max(1.0, abs(high)):
            low, high = low - 0.5, high + 0.5
        margin = 0.04 * (high - low)
        return cls(low - margin, high + margin, height, logarithmic)

    def y(self, values: FloatColumn) -> FloatColumn:
        if self.logarithmic:
            values = np.log10(np.clip(values, *_DECADES))
        part = (values - self.low) / (self.high - self.low)
        inner = self.height - TOP - BOTTOM
        return np.asarray(TOP + (1.0 - part) * inner, dtype=np.float64)

    def ticks(self) -> list[float]:
        if self.logarithmic:
            every = math.ceil((self.high - self.low) / _MOST_TICKS)
            digits = (1, 2, 5) if self.high - self.low < _NARROW else (1,)
            found = [
                digit * 10.0**power
                for power in range(math.floor(self.low), math.ceil(self.high) + 1)
                if power % every == 0
                for digit in digits
            ]
            inside = [t for t in found if self.low <= math.log10(t) <= self.high]
            return inside or [10 ** ((self.low + self.high) / 2)]
        step = _round_step((self.high - self.low) / 4)
        first = math.ceil(self.low / step)
        last = math.floor(self.high / step)
        return [number * step for number in range(first, last + 1)]


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(d * power for d in (1, 2, 2.5, 5, 10) if d * power >= rough * 0.999)


def _backdrop(axis: Axis, height: int) -> list[str]:
    """Shade what was learned from, and the anomalies."""
    return [
        *_bands(axis, axis.trained, "trained", height),
        *_bands(axis, axis.anomaly, "anomaly", height),
    ]


def _bands(axis: Axis, flags: Flags, kind: str, height: int) -> list[str]:
    found: list[str] = []
    right = -math.inf
    x = axis.x(axis.time_ns)
    for first, last in spans(flags):
        left, right = max(float(x[first]), right), float(x[last])
        wide = max(right - left, 0.6)
        found.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{TOP}" width="{wide:.1f}" '
            f'height="{height - TOP - BOTTOM}"/>'
        )
    return found[: _MOST_MARKS * 4]


def _marks(axis: Axis, height: int) -> list[str]:
    """Draw change points as dashed lines and alarms as triangles."""
    bottom = height - BOTTOM
    changes = axis.x(axis.time_ns[axis.changepoint])[:_MOST_MARKS]
    alarms = axis.x(axis.time_ns[axis.alarm])[:_MOST_MARKS]
    return [
        *(
            f'<line class="change" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>'
            for x in changes
        ),
        *(
            f'<path class="alarm" d="M{x:.1f} {bottom}l-4.5 8h9z"/>'
            for x in alarms
        ),
    ]  # fmt: skip


def _value_axis(scale: _Scale) -> list[str]:
    ticks = np.array(scale.ticks())
    return [
        part
        for tick, y in zip(ticks.tolist(), scale.y(ticks).tolist(), strict=True)
        for part in _tick(tick, y)
    ]


def _tick(tick: float, y: float) -> tuple[str, str]:
    right = WIDTH - RIGHT
    return (
        f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>',
        f'<text class="tick left" x="{LEFT - 6}" y="{y + 3.5:.1f}">{tick:.6g}</text>',
    )


def _time_axis(axis: Axis, height: int) -> list[str]:
    first, last = int(axis.time_ns[0]), int(axis.time_ns[-1])
    length_s = (last - first) / _NS
    shown = slice(11, 19) if length_s < 86_400 else slice(0, 16)  # noqa: PLR2004 - a day
    if length_s > 30 * 86_400:
        shown = slice(0, 10)
    found = []
    for part, anchor in ((0.0, "start"), (0.25, "middle"), (0.5, "middle"),
                         (0.75, "middle"), (1.0, "end")):  # fmt: skip
        x = LEFT + part * _INNER
        text = when(round(first + part * (last - first)))[shown]
        found.append(
            f'<text class="tick" x="{x:.0f}" y="{height - 4}" text-anchor="{anchor}">'
            f"{text}</text>"
        )
    return found


def _path(axis: Axis, values: FloatColumn, scale: _Scale) -> str:
    """Return the polyline of at most a few points per pixel."""
    at = _thinned(values)
    x, y = axis.x(axis.time_ns[at]), scale.y(values[at])
    known = np.isfinite(y)
    parts: list[str] = []
    pen_down = False
    for left, top, is_known in zip(x.tolist(), y.tolist(), known.tolist(), strict=True):
        if is_known:
            parts.append(f"{'L' if pen_down else 'M'}{left:.1f} {top:.1f}")
        pen_down = is_known
    return "".join(parts) or "M0 0"


def _thinned(values: FloatColumn) -> Sequence[int]:
    """Return the rows that keep the lowest and the highest of every pixel."""
    count = len(values)
    if count <= 2 * _INNER:
        return list(range(count))
    kept = {0, count - 1}
    for block in np.array_split(np.arange(count), _INNER):
        own = values[block]
        known = np.isfinite(own)
        if known.any():
            kept.add(int(block[np.nanargmin(own)]))
            kept.add(int(block[np.nanargmax(own)]))
        if not known.all():
            kept.add(int(block[np.argmin(known)]))
    return sorted(kept)
