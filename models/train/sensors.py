"""What is usual of each instrument, from the same table the model is learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.sensors import CrossCheck, SensorCard, Sensors, StandIn, Twins

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from models.features.asset import FloatColumn
    from models.features.table import FeatureTable, FloatTable
    from models.train.settings import TagSettings, TrainingSettings

MIN_ROWS = 12
_OFTEN_STILL = 0.25  # of the rows: standing still is usual then
_LOW_QUANTILE = 0.01
_MIN_KNOWN = 0.8  # of the rows
_TWIN_FLOOR_OF_SPAN, _TWIN_FACTOR = 0.002, 3.0
_CHECK_FLOOR_OF_SPAN, _CHECK_FACTOR = 0.01, 2.0
_MIN_EXPLAINED = 0.8  # of a tag's variance, on held-out blocks
_RIDGE = 1e-3
_BLOCKS = 5
_MAX_AXES, _ROWS_PER_AXIS, _EXPLAINED = 12, 10, 0.95
_MIN_REST = 0.01
VIBRATION_UNITS = frozenset({"mm/s", "m/s2", "m/s²", "g", "um", "µm"})
"""A jump of these may be the machine's own."""


def learn_sensors(table: FeatureTable, settings: TrainingSettings) -> Sensors:
    """Learn the cards of all tags that have statistics in the table."""
    columns = {name: table.values[:, i] for i, name in enumerate(table.names)}
    wanted = ("std", "range")
    tags = [t for t in settings.tags if all(f"{t.id}:{w}" in columns for w in wanted)]
    if len(table) < MIN_ROWS:
        return Sensors()
    checks, refused = _checks(columns, tags, settings.cross_checked)
    cards = [
        _card(tag, table.time_ns, columns, settings, checks.get(tag.id)) for tag in tags
    ]
    bursts = [tag.id for tag in settings.tags if f"{tag.id}:rms" in columns]
    cards += [SensorCard(tag, std_low=_low(columns[f"{tag}:rms"])) for tag in bursts]
    cards = [card for card in cards if _is_watched(card.tag, columns)]
    spans = {tag.id: tag.span for tag in settings.tags}
    found = [_twins(columns, group, spans) for group in settings.twins]
    for group, twins in zip(settings.twins, found, strict=True):
        if twins is None:
            refused[", ".join(group)] = "they are not all in the table"
    known = tuple(each for each in found if each is not None)
    return Sensors(tuple(cards), known, not_checked=refused)


def stand_in(
    names: tuple[str, ...],
    rows: FloatTable,
    *,
    center: FloatColumn,
    scale: FloatColumn,
) -> StandIn:
    """Learn how the features of one mode go together, from its rows [n, names]."""
    off = (rows - center) / scale
    _, size, axes = np.linalg.svd(off, full_matrices=False)
    variance = size**2 / len(rows)
    part = np.cumsum(variance) / max(float(variance.sum()), 1e-12)
    most = max(1, min(_MAX_AXES, len(rows) // _ROWS_PER_AXIS))
    kept = min(int(np.searchsorted(part, _EXPLAINED)) + 1, most, len(size))
    others = max(1, len(names) - kept)
    rest = float(variance[kept:].sum()) / others
    return StandIn(
        features=names,
        center=_short(center),
        scale=_short(scale),
        axes=tuple(map(_short, axes[:kept])),
        variance=tuple(max(each, 1e-6) for each in _short(variance[:kept])),
        rest=max(rest, _MIN_REST),
    )


def _short(column: FloatColumn) -> tuple[float, ...]:
    """Return numbers of seven digits: enough, and a small manifest."""
    return tuple(float(f"{each:.7g}") for each in column)


def _is_watched(tag: str, columns: Mapping[str, FloatColumn]) -> bool:
    """Say whether a tag was nearly always there: only then it can be missed."""
    noise = columns.get(f"{tag}:std", columns.get(f"{tag}:rms"))
    return noise is not None and float(np.isfinite(noise).mean()) >= _MIN_KNOWN


def _card(
    tag: TagSettings,
    time_ns: np.ndarray,
    columns: Mapping[str, FloatColumn],
    settings: TrainingSettings,
    check: CrossCheck | None,
) -> SensorCard:
    std, span = columns[f"{tag.id}:std"], columns[f"{tag.id}:range"]
    known = np.isfinite(std) & np.isfinite(span)
    if known.sum() < MIN_ROWS:
        return SensorCard(tag.id, check=check)
    still = known & (span == 0.0)
    often = still.sum() > _OFTEN_STILL * known.sum()
    still_s = _longest_s(still, time_ns, settings)
    jumps = tag.units not in VIBRATION_UNITS and not often
    return SensorCard(
        tag=tag.id,
        std_low=0.0 if still.any() else _low(std[known]),
        range_high=float(span[known].max()) if jumps else None,
        still_s=None if often else still_s,
        check=check,
    )


def _low(column: FloatColumn) -> float:
    known = column[np.isfinite(column)]
    return float(np.quantile(known, _LOW_QUANTILE)) if len(known) else 0.0


def _longest_s(
    still: np.ndarray, time_ns: np.ndarray, settings: TrainingSettings
) -> float:
    """Return how long the longest run of still windows lasted; 0 without one."""
    longest, begun_ns, last_ns = 0.0, None, 0
    gap_ns = 1.5e9 * settings.hop_s
    for now_ns, stands in zip(time_ns.tolist(), still.tolist(), strict=True):
        if not stands:
            begun_ns = None
            continue
        if begun_ns is None or now_ns - last_ns > gap_ns:
            begun_ns = now_ns
        last_ns = now_ns
        longest = max(longest, (now_ns - begun_ns) / 1e9 + settings.window_s)
    return longest


def _twins(
    columns: Mapping[str, FloatColumn],
    group: tuple[str, ...],
    spans: Mapping[str, float],
) -> Twins | None:
    if any(f"{tag}:mean" not in columns for tag in group):
        return None
    means = np.column_stack([columns[f"{tag}:mean"] for tag in group])
    means = means[np.isfinite(means).all(axis=1)]
    if len(means) < MIN_ROWS:
        return None
    offsets = np.median(means - np.median(means, axis=1, keepdims=True), axis=0)
    level = means - offsets
    off = np.abs(level - np.median(level, axis=1, keepdims=True))
    floor = _TWIN_FLOOR_OF_SPAN * max(spans.get(tag, 0.0) for tag in group)
    limit = max(_TWIN_FACTOR * float(off.max()), floor, 1e-9)
    return Twins(group, tuple(map(float, offsets)), limit)


def _checks(
    columns: Mapping[str, FloatColumn],
    tags: Sequence[TagSettings],
    checked: Sequence[str],
) -> tuple[dict[str, CrossCheck], dict[str, str]]:
    """Fit the tags that are asked for on all others; refuse what does not follow."""
    by_id = {tag.id: tag for tag in tags}
    found: dict[str, CrossCheck] = {}
    refused: dict[str, str] = {}
    for name in checked:
        peers = [tag.id for tag in tags if tag.id not in checked]
        if name not in by_id or not peers:
            refused[name] = "it is not in the table, or there is nothing beside it"
            continue
        try:
            found[name] = _check(columns, by_id[name], peers)
        except ValueError as error:
            refused[name] = str(error)
    return found, refused


def _check(
    columns: Mapping[str, FloatColumn], tag: TagSettings, peers: Sequence[str]
) -> CrossCheck:
    """Fit one tag on its peers.

    Raises:
        ValueError: It does not follow from them; why.
    """
    inputs = np.column_stack([columns[f"{peer}:mean"] for peer in peers])
    target = columns[f"{tag.id}:mean"]
    known = np.isfinite(inputs).all(axis=1) & np.isfinite(target)
    inputs, target = inputs[known], target[known]
    if len(target) < _BLOCKS * (len(peers) + 2):
        raise ValueError(f"{len(target)} rows are too few to check it by its peers")
    residual = np.empty(len(target))
    for block in np.array_split(np.arange(len(target)), _BLOCKS):
        others = np.ones(len(target), dtype=bool)
        others[block] = False
        weights, bias = _ridge(inputs[others], target[others])
        residual[block] = target[block] - inputs[block] @ weights - bias
    variance = float(np.var(target))
    explained = 1.0 - float(np.mean(residual**2)) / variance if variance > 0.0 else 0.0
    if explained < _MIN_EXPLAINED:
        raise ValueError(f"its peers explain {max(explained, 0.0):.0%} of it only")
    weights, bias = _ridge(inputs, target)
    floor = _CHECK_FLOOR_OF_SPAN * tag.span
    reach = np.ptp(inputs, axis=0) * 0.1
    return CrossCheck(
        peers=tuple(peers),
        low=tuple(map(float, inputs.min(axis=0) - reach)),
        high=tuple(map(float, inputs.max(axis=0) + reach)),
        weights=tuple(map(float, weights)),
        bias=bias,
        limit=max(_CHECK_FACTOR * float(np.abs(residual).max()), floor, 1e-9),
    )


def _ridge(inputs: FloatColumn, target: FloatColumn) -> tuple[FloatColumn, float]:
    """Fit with a touch of shrinkage on standardised inputs; constants weigh nothing."""
    centre, scale = inputs.mean(axis=0), inputs.std(axis=0)
    scale = np.where(scale > 0.0, scale, np.inf)
    scaled = (inputs - centre) / scale
    square = scaled.T @ scaled + _RIDGE * len(target) * np.eye(inputs.shape[1])
    weights = np.linalg.solve(square, scaled.T @ (target - target.mean())) / scale
    return weights, float(target.mean() - centre @ weights)
