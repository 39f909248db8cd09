"""The stored past as windows again: what training learns from. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from appliance.domain.batch import batch_of
from appliance.inference.window import Windows
from models.features import FeatureTable, Mode, feature_names, feature_vector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from appliance.domain.batch import (
        Batch,
        QualityColumn,
        TimeColumn,
        ValueColumn,
        Waveform,
    )
    from appliance.domain.tag import TagId
    from models.features import AssetModel, FeatureVector, Window

_NS = 1_000_000_000
STEADY_S = 86_400.0
"""A stored value holds until the next row: a loss would have been stored as bad."""


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Stored rows of some tags, by tag, and the bursts of the waveform's tag.

    A waveform's `tag` is not looked at. `from_ns` to `to_ns` is what was asked for.
    """

    from_ns: int
    to_ns: int
    rows: Mapping[TagId, tuple[TimeColumn, ValueColumn, QualityColumn]]
    waveforms: Sequence[Waveform] = ()


def windows_of(past: Past, model: AssetModel) -> Iterator[Window]:
    """Yield the windows of the past, one per hop, as they would have been seen."""
    numbers = {tag: number for number, tag in enumerate(past.rows, start=1)}
    if model.waveform_tag is not None:
        numbers.setdefault(model.waveform_tag, len(numbers) + 1)
    windows = Windows(replace(model, hold_s=STEADY_S), numbers)
    for batch in _batches(past, model, numbers):
        windows.push(batch)
        window = windows.due(batch.receive_time_ns)
        if window is not None:
            yield window


def healthy_table(past: Past, model: AssetModel, *, every: int = 1) -> FeatureTable:
    """Return the feature table of all windows in which the machine ran.

    Or of one window in so many: those of a long past say the same.
    """
    names = feature_names(model)
    rows: list[tuple[int, FeatureVector]] = [
        (window.end_ns, feature_vector(model, window))
        for place, window in enumerate(windows_of(past, model))
        if place % every == 0 and window.mode is Mode.RUNNING
    ]
    return FeatureTable.of(names, rows)


def _batches(
    past: Past, model: AssetModel, numbers: Mapping[TagId, int]
) -> Iterator[Batch]:
    """Yield one batch per hop, with the rows and bursts measured in it."""
    hop_ns = round(model.hop_s * _NS)
    tag, time_ns, value, quality = _merged(past, numbers)
    bursts = sorted(past.waveforms, key=lambda burst: burst.start_ns)
    starts = np.array([burst.start_ns for burst in bursts], dtype=np.int64)
    number = 0 if model.waveform_tag is None else numbers[model.waveform_tag]
    begin_ns = past.from_ns // hop_ns * hop_ns
    for end_ns in range(begin_ns + hop_ns, past.to_ns + 1, hop_ns):
        inside = _between(time_ns, end_ns - hop_ns, end_ns)
        heard = bursts[_between(starts, end_ns - hop_ns, end_ns)]
        yield batch_of(
            tag[inside],
            value[inside],
            source_time_ns=time_ns[inside],
            quality=quality[inside],
            receive_time_ns=end_ns,
            waveforms=tuple(replace(burst, tag=number) for burst in heard),
        )


def _merged(
    past: Past, numbers: Mapping[TagId, int]
) -> tuple[np.ndarray, TimeColumn, ValueColumn, QualityColumn]:
    """Return the rows of all tags in order of time."""
    tags = [np.full(len(t), numbers[tag]) for tag, (t, _, _) in past.rows.items()]
    if not tags:
        nothing = np.empty(0)
        return (
            nothing.astype(np.uint32),
            nothing.astype(np.int64),
            nothing,
            nothing.astype(np.uint8),
        )
    columns = list(past.rows.values())
    time_ns = np.concatenate([each[0] for each in columns])
    order = np.argsort(time_ns, kind="stable")
    return (
        np.concatenate(tags).astype(np.uint32)[order],
        time_ns[order],
        np.concatenate([each[1] for each in columns])[order],
        np.concatenate([each[2] for each in columns])[order],
    )


def _between(time_ns: TimeColumn, after_ns: int, through_ns: int) -> slice:
    first, last = np.searchsorted(time_ns, (after_ns, through_ns), side="right")
    return slice(int(first), int(last))
