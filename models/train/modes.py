"""Which ways of running a healthy period shows, and which rows belong to each.

Modes are parted by gaps: where an operator-set quantity is never seen, over more than
twice its margin, one mode ends and another begins. A quantity that is seen at every
value in between is one mode, however wide: its effect on the machine is learned with
the rest. So the number of modes is not guessed, and more data of the same kind gives
the same modes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from models.features import FeatureTable
from models.modes import (
    RUNNING_NAME,
    UNKNOWN,
    ModeBox,
    ModeMap,
    ModeTrack,
    Span,
    is_mode_feature,
    mode_features,
)
from models.train.prepare import whole_rows
from models.train.settings import TrainingError
from models.train.warmup import with_passing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from models.features.asset import FloatColumn, SlotColumn
    from models.features.table import FloatTable
    from models.train.settings import TrainingSettings

MIN_MODE_ROWS = 12
MAX_MODES = 8
MARGIN_OF_SPAN, MARGIN_OF_SIZE = 0.05, 0.05
"""A mode reaches so far beyond what was seen: of the range, else of the values."""
_STEADY_MEDIANS = 3.0  # a window that moves by more than this many is a change
_RARE = 0.005  # of the rows, within a margin: fewer are strays on the way
_MIN_NEIGHBOURS = 3
_WIDER = 1.5


@dataclass(frozen=True, slots=True)
class ModeTag:
    """A quantity that the operator sets; `span` is its instrument's, 0 if unknown."""

    id: str
    units: str = ""
    span: float = 0.0


@dataclass(frozen=True, slots=True)
class LearnedModes:
    """A map, the mode of every row (`UNKNOWN`: not learned from), and what was left."""

    modes: ModeMap
    labels: SlotColumn
    left_out: Mapping[str, str]


def modes_of(table: FeatureTable, settings: TrainingSettings) -> LearnedModes:
    """Return the modes of a table as the settings ask for them.

    Raises:
        TrainingError: No declared mode was seen often enough.
    """
    usable = whole_rows(scored_only(table))
    if settings.declared is not None:
        told = settings.declared
        labels = labels_of(table, told)
        told = with_passing(table, told, labels, window_s=settings.window_s)
        found = kept_modes(table, told, usable)
        if not (found.labels >= 0).any():
            seen = ", ".join(f"{k} {v}" for k, v in found.left_out.items())
            raise TrainingError(f"no declared mode can be learned: {seen}")
        return found
    known = {tag.id: tag for tag in settings.tags}
    tags = [
        ModeTag(name, known[name].units, known[name].span)
        if name in known
        else ModeTag(name)
        for name in settings.mode_tags
    ]
    found = learn_modes(table, tags, dwell_s=settings.mode_dwell_s)
    modes = with_passing(table, found.modes, found.labels, window_s=settings.window_s)
    kept = kept_modes(table, modes, usable)
    if not (kept.labels >= 0).any():
        return LearnedModes(ModeMap.single(), np.zeros(len(table), np.int64), {})
    return LearnedModes(kept.modes, kept.labels, {**found.left_out, **kept.left_out})


def kept_modes(
    table: FeatureTable, modes: ModeMap, usable: NDArray[np.bool_]
) -> LearnedModes:
    """Keep the modes with enough usable rows to be learned; the others are unknown."""
    labels = labels_of(table, modes)
    rows = [int(((labels == i) & usable).sum()) for i in range(len(modes.boxes))]
    left_out = {
        box.name: f"seen in {count} rows"
        for box, count in zip(modes.boxes, rows, strict=True)
        if count < MIN_MODE_ROWS
    }
    boxes = tuple(box for box in modes.boxes if box.name not in left_out)
    if not boxes:
        return LearnedModes(modes, np.full(len(table), UNKNOWN), left_out)
    if left_out:
        modes = msgspec.structs.replace(modes, boxes=boxes)
        labels = labels_of(table, modes)
    return LearnedModes(modes, labels, left_out)


def scored_only(table: FeatureTable) -> FeatureTable:
    """Return the table without the features that only tell the mode."""
    kept = [i for i, name in enumerate(table.names) if not is_mode_feature(name)]
    return FeatureTable(
        tuple(table.names[i] for i in kept),
        table.time_ns,
        table.values[:, kept],
        table.coverage[:, kept],
    )


def learn_modes(
    table: FeatureTable, tags: Sequence[ModeTag], *, dwell_s: float = 0.0
) -> LearnedModes:
    """Find the modes in the table's mode features; without tags there is one."""
    columns = _columns(table, tags)
    if not tags or columns is None or not len(table):
        return LearnedModes(ModeMap.single(), np.zeros(len(table), np.int64), {})
    means, ranges = np.split(columns, 2, axis=1)
    known = np.isfinite(columns).all(axis=1)
    if known.sum() < MIN_MODE_ROWS:
        why = f"{known.sum()} rows have the mode's tags"
        single = np.zeros(len(table), np.int64)
        return LearnedModes(ModeMap.single(), single, {"modes": why})
    margins = _margins(means[known], tags)
    steady = np.maximum(margins, _STEADY_MEDIANS * np.median(ranges[known], axis=0))
    still = known & (ranges <= steady).all(axis=1)
    parts = _parts(means[still], margins)
    while len(parts) > MAX_MODES:
        margins = _WIDER * margins
        parts = _parts(means[still], margins)
    boxes, left_out = _boxes(means[still], parts, margins, tags)
    if not boxes:  # all of them strays, or rare
        boxes = [_box(means[known], margins, RUNNING_NAME)]
    modes = ModeMap(
        boxes=tuple(boxes),
        tags=tuple(tag.id for tag in tags),
        steady=tuple(map(float, steady)),
        slack=tuple(map(float, margins / 2.0)),
        dwell_s=dwell_s,
    )
    return LearnedModes(modes, labels_of(table, modes), left_out)


def labels_of(table: FeatureTable, modes: ModeMap) -> SlotColumn:
    """Return each row's mode as the edge would have told it; `UNKNOWN` for none."""
    track, labels = ModeTrack(modes), np.full(len(table), UNKNOWN, dtype=np.int64)
    for row in np.argsort(table.time_ns, kind="stable"):
        now = track.step(int(table.time_ns[row]), table.names, table.values[row])
        labels[row] = now.number
    return labels


def _columns(table: FeatureTable, tags: Sequence[ModeTag]) -> FloatTable | None:
    wanted = mode_features([tag.id for tag in tags])
    place = {name: i for i, name in enumerate(table.names)}
    if any(name not in place for name in wanted):
        return None
    return table.values[:, [place[name] for name in wanted]]


def _margins(means: FloatTable, tags: Sequence[ModeTag]) -> FloatColumn:
    size = np.median(np.abs(means), axis=0)
    span = np.array([tag.span for tag in tags])
    margin = np.where(span > 0.0, MARGIN_OF_SPAN * span, MARGIN_OF_SIZE * size)
    return np.maximum(margin, 1e-9)


def _parts(means: FloatTable, margins: FloatColumn) -> list[SlotColumn]:
    """Cut the rows at the gaps of one quantity after another, until none is left."""
    done: list[SlotColumn] = []
    waiting = [np.arange(len(means))]
    while waiting:
        rows = waiting.pop()
        for column, margin in enumerate(margins):
            pieces = list(_pieces(means[rows, column], float(margin)))
            if len(pieces) > 1 or (pieces and len(pieces[0]) < len(rows)):
                waiting += [rows[piece] for piece in pieces]
                break
        else:
            done.append(rows)
    return done


def _pieces(values: FloatColumn, margin: float) -> Iterator[NDArray[np.int64]]:
    """Yield the places of values that no gap parts; strays are in none of them."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    first = np.searchsorted(ranked, ranked - margin, side="left")
    last = np.searchsorted(ranked, ranked + margin, side="right")
    needed = max(_MIN_NEIGHBOURS, round(_RARE * len(values)))
    dense = order[last - first >= needed]
    gaps = np.flatnonzero(np.diff(values[dense]) > 2.0 * margin) + 1
    for piece in np.split(dense, gaps):
        if len(piece):
            yield piece


def _boxes(
    means: FloatTable,
    parts: Sequence[SlotColumn],
    margins: FloatColumn,
    tags: Sequence[ModeTag],
) -> tuple[list[ModeBox], dict[str, str]]:
    """Return the boxes of the modes seen often enough, in order of their quantities."""
    if not parts:
        return [], {}
    middles = [np.median(means[part], axis=0) for part in parts]
    names = _names(middles, margins, tags)
    ranked = sorted(range(len(parts)), key=lambda i: tuple(middles[i]))
    boxes: list[ModeBox] = []
    left_out: dict[str, str] = {}
    for i in ranked:
        if len(parts[i]) < MIN_MODE_ROWS:
            left_out[names[i]] = f"seen in {len(parts[i])} rows"
        else:
            boxes.append(_box(means[parts[i]], margins, names[i]))
    if len(boxes) == 1 and not left_out:
        boxes = [ModeBox(RUNNING_NAME, boxes[0].spans)]
    return boxes, left_out


def _box(means: FloatTable, margins: FloatColumn, name: str) -> ModeBox:
    low, high = means.min(axis=0) - margins, means.max(axis=0) + margins
    spans = (Span(float(a), float(b)) for a, b in zip(low, high, strict=True))
    return ModeBox(name, tuple(spans))


def _names(
    middles: Sequence[FloatColumn], margins: FloatColumn, tags: Sequence[ModeTag]
) -> list[str]:
    """Name modes by the quantities in which they differ: `position 65 %`."""
    spread = np.ptp(np.array(middles), axis=0)
    telling = [i for i in range(len(tags)) if spread[i] > margins[i]] or [0]
    digits = [-math.floor(math.log10(margin)) for margin in margins]
    names: list[str] = []
    for middle in middles:
        name = ", ".join(
            f"{tags[i].id.rpartition('/')[2]} {round(float(middle[i]), digits[i]):.6g}"
            f" {tags[i].units}".rstrip()
            for i in telling
        )
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names
