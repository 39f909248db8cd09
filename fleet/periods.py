"""Summaries of a healthy machine as a feature table. Pure.

A summary tells of one tag over one period: count, mean, standard deviation, lowest and
highest. For a tag that is sampled at a steady rate these are the `mean`, `std` and
`range` of a window as long as the period, as the edge computes them. Its slope is not
told, and neither is what the vibration bursts held: such features are not made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.health import ANOMALY, derived_tags
from appliance.domain.model_figures import figure_of_tag
from models.features import FeatureTable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Times = NDArray[np.int64]
    Flags = NDArray[np.bool_]

QUANTITIES = ("mean", "std", "range")
MIN_COUNT = 8
"""A tag with fewer samples in a period was reported by exception: its mean is one of
samples, while the edge's is one of time."""
WHOLE = 0.8
"""A period with less than this part of its usual samples was not seen whole."""
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Summaries:
    """Summary rows of one asset at one gateway, as columns."""

    tag: NDArray[np.object_]
    start_ns: Times
    period_s: Numbers
    count: Numbers
    bad: Numbers
    low: Numbers
    high: Numbers
    mean: Numbers
    std: Numbers
    last: Numbers

    def where(self, chosen: Flags) -> Summaries:
        """Return some of the rows."""
        columns = {name: getattr(self, name)[chosen] for name in self.__slots__}
        return Summaries(**columns)


@dataclass(frozen=True, slots=True, eq=False)
class Harvest:
    """A table, and how many periods were left out of it, by reason."""

    table: FeatureTable
    period_s: float
    left_out: Mapping[str, int]
    tags_left_out: Mapping[str, str]


def healthy_table(
    rows: Summaries,
    asset: str,
    *,
    running: tuple[str, float] | None,
    anomalies_ns: Times,
    ignored: Collection[str] = (),
) -> Harvest:
    """Return the features of the periods in which the machine ran, and ran well.

    `running` is a tag and the value above which the machine runs; `anomalies_ns` are
    times at which it was found anomalous.
    """
    lengths, often = np.unique(rows.period_s, return_counts=True)
    period_s = float(lengths[often.argmax()]) if len(lengths) else 0.0
    grid = _Grid(rows.where(rows.period_s == period_s))
    derived = {tag.id for tag in derived_tags(asset)}
    measured = [
        tag for tag in grid.tags if tag not in derived and figure_of_tag(tag) is None
    ]
    reasons = {
        "seen in pieces": grid.repeated,
        "with bad samples": (grid.of("bad", measured) > 0).any(axis=1),
        "anomalous": _anomalous(grid, asset, period_s, anomalies_ns),
        "not running": ~_running(grid, running),
    }
    kept = np.ones(len(grid.start_ns), dtype=bool)
    left_out = {}
    for reason, gone in reasons.items():
        left_out[reason] = int((gone & kept).sum())
        kept &= ~gone
    tags, without = _chosen(grid, measured, kept, ignored)
    values = [_features(grid, tag, kept) for tag in tags]
    names = tuple(f"{tag}:{quantity}" for tag in tags for quantity in QUANTITIES)
    table = np.column_stack(values) if values else np.empty((int(kept.sum()), 0))
    return Harvest(
        table=FeatureTable(
            names=names,
            time_ns=grid.start_ns[kept] + round(period_s * _NS),
            values=table,
            coverage=np.isfinite(table).astype(np.float64),
        ),
        period_s=period_s,
        left_out=left_out,
        tags_left_out=without,
    )


class _Grid:
    """Rows laid out as periods by tags; NaN where there is no row."""

    def __init__(self, rows: Summaries) -> None:
        self.start_ns, self._period = np.unique(rows.start_ns, return_inverse=True)
        tags, self._column = np.unique(rows.tag.astype(str), return_inverse=True)
        self.tags = [str(tag) for tag in tags]
        self._rows = rows
        cells = self._period * max(len(self.tags), 1) + self._column
        again = np.ones(len(cells), dtype=bool)
        again[np.unique(cells, return_index=True)[1]] = False
        self.repeated = np.zeros(len(self.start_ns), dtype=bool)
        self.repeated[self._period[again]] = True

    def of(self, name: str, tags: Collection[str]) -> Numbers:
        """Return a column for some tags: [periods, tags]."""
        laid = np.full((len(self.start_ns), len(self.tags)), np.nan)
        laid[self._period, self._column] = getattr(self._rows, name)
        return laid[:, [self.tags.index(tag) for tag in tags]]

    def one(self, name: str, tag: str) -> Numbers:
        """Return a column of one tag; all NaN where it is not known."""
        if tag not in self.tags:
            return np.full(len(self.start_ns), np.nan)
        return self.of(name, [tag])[:, 0]


def _running(grid: _Grid, running: tuple[str, float] | None) -> Flags:
    """Whether the machine ran for the whole of each period.

    A tag that is silent has not changed: it is as it was at the end of the period
    before. Before its first row nothing is known.
    """
    if running is None:
        return np.ones(len(grid.start_ns), dtype=bool)
    tag, above = running
    low, last = grid.one("low", tag), grid.one("last", tag)
    before, ran = np.nan, []
    for lowest, newest in zip(low.tolist(), last.tolist(), strict=True):
        ran.append((before if np.isnan(lowest) else lowest) > above)
        before = before if np.isnan(newest) else newest
    return np.array(ran, dtype=bool)


def _anomalous(grid: _Grid, asset: str, period_s: float, times_ns: Times) -> Flags:
    """Whether an anomaly was found in a period, or in the one after it."""
    found = grid.one("high", f"{asset}/{ANOMALY}") > 0.0
    times = np.sort(times_ns)
    first = np.searchsorted(times, grid.start_ns)
    until = np.searchsorted(times, grid.start_ns + 2 * round(period_s * _NS))
    return np.asarray(found | (until > first), dtype=bool)


def _chosen(
    grid: _Grid, tags: Collection[str], kept: Flags, ignored: Collection[str]
) -> tuple[list[str], dict[str, str]]:
    """Return the tags to learn from, and the others with the reason."""
    chosen, without = [], {}
    for tag in tags:
        count, last = grid.one("count", tag)[kept], grid.one("last", tag)[kept]
        known = last[np.isfinite(last)]
        if tag in ignored:
            without[tag] = "not wanted"
        elif not len(known) or np.nanmedian(count) < MIN_COUNT:
            without[tag] = f"fewer than {MIN_COUNT} samples in a period"
        elif known[-1] > known[0] and (np.diff(known) >= 0.0).all():
            without[tag] = "only ever rises: a counter"
        else:
            chosen.append(tag)
    return chosen, without


def _features(grid: _Grid, tag: str, kept: Flags) -> Numbers:
    """Return [periods, quantities] of a tag; NaN where it was not seen whole."""
    count = grid.one("count", tag)[kept]
    low, high = grid.one("low", tag)[kept], grid.one("high", tag)[kept]
    mean, std = grid.one("mean", tag)[kept], grid.one("std", tag)[kept]
    values = np.column_stack((mean, std, high - low))
    values[~(count >= WHOLE * np.nanmedian(count))] = np.nan
    return values
